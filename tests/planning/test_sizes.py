import pytest

from pipeline.planning import sizes
from pipeline.planning.sizes import Machine

LAPTOP, GPU = Machine(2, 0, 0), Machine(16, 1, 80_000_000_000)


def test_small_images_of_one_size_are_tiles_at_full_scale():
    chosen = sizes.propose([(96, 128)] * 5, 100, LAPTOP)
    assert (chosen.scale, chosen.height, chosen.width, chosen.stride_y, chosen.stride_x) == (1.0, 96, 128, 96, 128)
    assert (chosen.tiles, chosen.batch_size, chosen.model_width, chosen.is_whole) == (100, 4, 0.25, True)
    # 100 * 96 * 128 / 500,000 = 2.5 s an epoch: 10 minutes would be 244 epochs
    assert (chosen.epochs, chosen.effort) == (100, "4 min of training at the usual speed")


def test_on_cores_large_images_are_scaled_until_thirty_epochs_take_ten_minutes():
    # 42 images of 966 x 1296: at 0.375 42 * 175,932 px = 14.8 s an epoch on 2 cores, 7 minutes in all; at half size 13.
    chosen = sizes.propose([(966, 1296)] * 60, 42, LAPTOP)
    assert (chosen.scale, chosen.height, chosen.width, chosen.is_whole) == (0.375, 362, 486, True)
    assert (chosen.epochs, chosen.effort) == (40, "10 min of training at the usual speed")  # 600 / 14.8
    # 20 of them: at half size 20 * 312,984 px = 12.5 s an epoch, 6 minutes in all; at 0.75 it would be 14.
    chosen = sizes.propose([(966, 1296)] * 60, 20, LAPTOP)
    assert (chosen.scale, chosen.is_whole) == (0.5, False)
    # 483 x 648 at that size: 2 by 3 tiles, the last of which end at 227 + 256 = 483 and 2 * 196 + 256 = 648.
    assert (chosen.height, chosen.width, chosen.stride_y, chosen.stride_x) == (256, 256, 227, 196)
    assert chosen.tiles == 20 * 6
    at_full = sizes.propose([(966, 1296)] * 60, 42, GPU)
    assert (at_full.scale, at_full.height, at_full.width, at_full.model_width) == (1.0, 512, 512, 1.0)
    # 42 * 2 * 3 tiles in batches of 16 are 15 steps an epoch, and 200 epochs the most.
    assert (at_full.epochs, at_full.effort) == (200, "3000 steps")


@pytest.mark.parametrize(
    ("sides", "stride"),
    [
        ([256], 256),  # one tile
        ([257], 1),  # two, of which the second ends at the edge
        ([512], 256),  # two without overlap
        ([513], 129),  # three: 2 * 129 + 256 = 514, a pixel beyond
        ([500, 375], 192),  # of images that differ, a quarter of a tile overlaps
        ([200, 100], 256),
    ],
)
def test_tiles_of_images_that_are_alike_end_at_the_edge(sides, stride):
    assert sizes._stride(sides, 1.0, 256) == stride


@pytest.mark.parametrize("machine", [LAPTOP, GPU, Machine(8, 8, 16_000_000_000)])
@pytest.mark.parametrize("shapes", [[(10, 12)], [(40, 3000)], [(20_000, 20_000)], [(500, 375), (375, 500)]])
@pytest.mark.parametrize("number", [1, 5, 100_000])
def test_any_images_give_values_that_params_take(machine, shapes, number):
    chosen = sizes.propose(shapes, number, machine)
    assert 0 < chosen.scale <= 1
    assert 32 <= chosen.height <= 20_000
    assert 32 <= chosen.width <= 20_000
    assert 1 <= chosen.stride_y <= chosen.height
    assert 1 <= chosen.stride_x <= chosen.width
    assert chosen.batch_size % max(1, machine.gpus) == 0
    assert 10 <= chosen.epochs <= 200


def test_a_batch_fits_the_memory_of_the_gpu():
    # 512 * 512 * 8000 bytes = 2.1 GB a tile, of 70 % of 8 GB: 2.
    assert sizes.propose([(2000, 3000)], 500, Machine(4, 1, 8_000_000_000)).batch_size == 2
    assert sizes.propose([(2000, 3000)], 500, Machine(4, 1, 80_000_000_000)).batch_size == 16


def test_a_machine_is_said_in_words():
    words = ["2 cores", "1 GPU of 80 GB", "1 core", "2 GPUs of 16 GB"]
    assert [str(each) for each in (LAPTOP, GPU, Machine(1, 0, 0), Machine(1, 2, 16_000_000_000))] == words


def test_this_machine_has_a_core():
    assert sizes.this_machine().cores >= 1
