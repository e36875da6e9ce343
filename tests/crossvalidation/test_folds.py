"""Folds are a partition, worked out by hand, and nothing of a held-out sequence is learnt from."""

import re

import pytest

from pipeline.crossvalidation.folds import GAP, Image, split


def images(**frames):
    """Images of sequences by the numbers of their frames."""
    return [Image(f"train/{name}_{frame:05}", name) for name, own in frames.items() for frame in own]


def numbers(ids):
    return [int(re.search(r"\d+$", each)[0]) for each in ids]


def names(ids):
    return {each.partition("/")[2].partition("_")[0] for each in ids}


def assert_a_partition(folds, all_images):
    held = [each for fold in folds for each in fold.held_out]
    assert sorted(held) == sorted(image.id for image in all_images)
    for fold in folds:
        parts = [*fold.train, *fold.val, *fold.held_out, *fold.left_out]
        assert sorted(parts) == sorted(held)  # each image has one role in each fold


SEVEN = images(a=range(4), b=range(3), c=range(3), d=range(2), e=range(2), f=range(1), g=range(1))


def test_whole_sequences_go_to_the_fold_with_the_fewest_images_the_largest_first():
    folds = split(SEVEN, 3)
    # a 4 | b 3 | c 3, then d 2 to b's, e 2 to c's, f 1 to a's, g 1 to the first of 5, 5, 5
    assert [fold.name for fold in folds] == ["a, f, g", "b, d", "c, e"]
    assert [len(fold.held_out) for fold in folds] == [6, 5, 5]
    assert_a_partition(folds, SEVEN)


def test_no_sequence_is_in_two_folds_nor_learnt_from_where_it_is_held_out():
    folds = split(SEVEN, 3)
    assert [names(fold.held_out) for fold in folds] == [{"a", "f", "g"}, {"b", "d"}, {"c", "e"}]
    for i, fold in enumerate(folds):
        assert fold.val == folds[(i + 1) % 3].held_out
        assert not names(fold.held_out) & (names(fold.train) | names(fold.val))
        assert not names(fold.val) & names(fold.train)
        assert fold.left_out == ()


def test_the_order_of_the_images_does_not_matter():
    assert split(SEVEN[::-1], 3) == split(SEVEN, 3)


def test_the_longest_sequences_are_cut_where_there_are_fewer_than_folds():
    both = images(long=range(0, 1200, 30), short=range(0, 300, 30))  # 40 and 10 images
    folds = split(both, 4)
    assert [fold.name for fold in folds] == [*(f"long, part {i} of 3" for i in (1, 2, 3)), "short"]
    first, second, third, short = folds
    # 40 moments in three: 14, 13, 13
    assert numbers(first.held_out) == list(range(0, 420, 30))
    assert numbers(second.held_out) == list(range(420, 810, 30))
    assert numbers(third.held_out) == list(range(810, 1200, 30))
    assert names(short.held_out) == {"short"}
    assert_a_partition(folds, both)


def test_what_is_close_to_a_held_out_image_of_the_same_sequence_is_left_out():
    both = images(long=range(0, 1200, 30), short=range(0, 300, 30))
    first, second, third, short = split(both, 4)
    assert GAP == 5
    assert numbers(first.left_out) == [420, 450, 480, 510, 540]
    assert numbers(first.val) == list(range(570, 810, 30))
    assert numbers(second.left_out) == [270, 300, 330, 360, 390, 810, 840, 870, 900, 930]
    assert numbers(second.val) == list(range(960, 1200, 30))
    assert numbers(third.left_out) == list(range(660, 810, 30))
    assert names(third.val) == {"short"}
    assert len(third.val) == 10
    assert short.left_out == ()
    for fold in (first, second, third):
        kept = [number for each, number in zip(fold.train, numbers(fold.train), strict=True) if "long" in each]
        held = numbers(fold.held_out)
        assert min(abs(a - b) for a in kept for b in held) > GAP * 30


def test_time_is_counted_by_frames_so_a_dense_part_is_one_moment_of_many_images():
    """As in CamVid's 0016E5: a label every 30 frames, and for a while one every 2."""
    frames = [*range(0, 900, 30), *range(900, 960, 2), *range(960, 1800, 30)]  # 30 + 30 + 28 images
    folds = split(images(drive=frames), 3)
    # 60 moments of 30 frames: 20 each, so the cuts are at 600 and 1200
    assert [numbers(fold.held_out)[0] for fold in folds] == [0, 600, 1200]
    assert [len(fold.held_out) for fold in folds] == [20, 48, 20]
    assert numbers(folds[0].left_out) == [600, 630, 660, 690, 720]
    assert_a_partition(folds, images(drive=frames))


def test_images_without_frame_numbers_are_neighbours_by_name_whatever_their_split():
    letters = [chr(ord("a") + i) * 2 for i in range(24)]
    mixed = [Image(f"{'val' if i % 2 else 'train'}/{name}", "s") for i, name in enumerate(letters)]
    folds = split(mixed, 3)
    held = [[each.partition("/")[2] for each in fold.held_out] for fold in folds]
    assert [sorted(part) for part in held] == [letters[:8], letters[8:16], letters[16:]]
    assert sorted(each.partition("/")[2] for each in folds[0].left_out) == letters[8:13]


@pytest.mark.parametrize(
    ("given", "count", "message"),
    [
        (SEVEN, 2, r"expected at least 3 folds \(to learn from, choose the epoch by, hold out\), got 2"),
        (images(a=range(4)), 5, "expected at least 5 images for 5 folds, got 4; use fewer folds"),
        (
            images(a=range(20)),
            10,
            rf"expected images further than {GAP} steps from a, part 1 of 10, .* use fewer folds",
        ),
        (images(a=range(12)), 3, r"to choose the epoch by, got 3 and 0; use more folds, or more data"),
    ],
)
def test_too_few_images_are_an_error_that_says_what_to_do(given, count, message):
    with pytest.raises(ValueError, match=message):
        split(given, count)


def test_more_parts_than_moments_are_an_error():
    dense = [*[Image(f"train/a_{frame}", "a") for frame in (0, 30, 60, 61, 62, 63)], Image("train/b_1", "b")]
    with pytest.raises(ValueError, match=r"; use fewer folds"):
        split(dense, 7)


def test_numbers_in_names_count_as_such_where_frames_are_not_told_apart():
    names = [f"v_{frame}_8bit" for frame in range(1, 31)]
    folds = split([Image(f"train/{name}", "s") for name in names], 3)
    held = [sorted(int(each.split("_")[1]) for each in fold.held_out) for fold in folds]
    assert held == [[*range(1, 11)], [*range(11, 21)], [*range(21, 31)]]
