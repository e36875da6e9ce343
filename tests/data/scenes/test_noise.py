import numpy as np

from pipeline.data.scenes.noise import generator, hashed, smooth


def test_keys_that_differ_in_a_trailing_zero_have_different_numbers():
    keys = [(1,), (1, 0), (1, 0, 0), (0, 1), (2,)]
    numbers = {generator(*key).random() for key in keys}
    assert len(numbers) == len(keys)
    assert generator(1, 0).random() in numbers


def test_hashed_agrees_with_the_same_steps_on_plain_integers():
    mask = 2**32 - 1

    def reference(seed: int, across: int, along: int) -> float:
        state = ((across & mask) ^ seed) * 0x9E3779B1 & mask
        state = ((state ^ state >> 15) ^ ((along & mask) * 0x85EBCA77 & mask)) * 0xC2B2AE3D & mask
        state = (state ^ state >> 13) * 0x27D4EB2F & mask
        return (state >> 8) / 2**24

    across, along = np.array([[-3.5, 0.0, 7.9]], np.float32), np.array([[-1.0], [12.3]], np.float32)
    expected = [[reference(2**31 + 5, x, z) for x in (-4, 0, 7)] for z in (-1, 12)]
    assert hashed(2**31 + 5, across, along).tolist() == expected


def test_hashed_is_evenly_spread_over_the_cells():
    cells = np.arange(200, dtype=np.float32)
    values = hashed(1, cells[None, :], cells[:, None])
    assert np.histogram(values, bins=10, range=(0, 1))[0].min() > 0.09 * values.size
    neighbours = np.corrcoef(values[:, 1:].ravel(), values[:, :-1].ravel())[0, 1]
    assert abs(neighbours) < 0.02


def test_smooth_interpolates_between_random_corners():
    a, b, c, d = generator(3).random(4, dtype=np.float32).tolist()
    field = smooth(generator(3), (2, 2), (1, 1))
    # The pixel centres lie at 1/4 and 3/4 of the cell.
    left, right = 0.75 * a + 0.25 * c, 0.75 * b + 0.25 * d
    np.testing.assert_allclose(field[0], [0.75 * left + 0.25 * right, 0.25 * left + 0.75 * right], rtol=1e-6)
    assert smooth(generator(3), (50, 70), (4, 5)).shape == (50, 70)
