import random
from collections import Counter

import pytest

from pipeline.data import splits
from pipeline.data.pairing import Pair

FOLDERS = {"train": "train", "val": "val", "test": "set2/test"}
SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}


def pairs(*paths):
    return [Pair(path, path.replace("i/", "m/")) for path in paths]


def by_folder(*arguments):
    return {split: list(members) for split, members in splits.by_folder(*arguments).items()}


def test_an_image_goes_to_the_split_whose_folder_is_in_its_path():
    train, test, val = pairs("i/train/a.png", "i/set2/test/a.png", "i/val/deep/a.png")

    dealt = by_folder([train, test, val], FOLDERS)

    assert dealt == {"train": [train], "val": [val], "test": [test]}


def test_a_mask_without_an_image_goes_by_its_own_path():
    alone = Pair(None, "m/val/a.png")

    assert by_folder([alone], FOLDERS)["val"] == [alone]


@pytest.mark.parametrize(("path", "count"), [("i/training/a.png", "none"), ("train/a/val/b.png", "2")])
def test_an_image_in_no_split_or_in_two_is_refused(path, count):
    with pytest.raises(ValueError, match=f"folders train, val, set2/test in the path {path}, got {count}; correct"):
        splits.by_folder(pairs(path), FOLDERS)


LISTS = {"train": "train.txt", "val": "lists/val.txt", "test": "test.txt"}


def write_lists(root, train="i/a.png\n", val="i/b.png\n", test="i/c.png\n"):
    (root / "lists").mkdir()
    for name, text in (("train.txt", train), ("lists/val.txt", val), ("test.txt", test)):
        (root / name).write_bytes(text.encode())


def test_lists_name_the_images_of_each_split_and_leave_the_others_out(tmp_path):
    a, b, c, left_out = pairs("i/a.png", "i/b b.png", "i/c.png", "i/d.png")
    write_lists(tmp_path, train="\ufeff./i/a.png\r\n\r\n", val="i/b b.png")

    dealt = splits.by_list([a, b, c, left_out], tmp_path, LISTS)

    assert dealt == {"train": [a], "val": [b], "test": [c]}


def test_a_listed_image_that_is_not_there_is_a_pair_without_a_mask(tmp_path):
    a, c, d = pairs("i/a.png", "i/c.png", "i/d.png")
    write_lists(tmp_path, val="i/b.png\ni/d.png")

    assert splits.by_list([a, c, d], tmp_path, LISTS)["val"] == [Pair("i/b.png", None), d]


@pytest.mark.parametrize(
    ("lines", "got"),
    [
        ("d\n", "d"),
        ("i/b.png m/b.png\n", "i/b.png m/b.png"),
        ("i/b.png,m/b.png\n", "i/b.png,m/b.png"),
        ("m/b.png\n", "m/b.png"),
    ],
)
def test_a_list_of_no_images_is_told_what_a_line_is(tmp_path, lines, got):
    write_lists(tmp_path, val=lines)

    with pytest.raises(ValueError, match=r"lists/val\.txt: expected on each line the path") as caught:
        splits.by_list(pairs("i/a.png", "i/b.png", "i/c.png"), tmp_path, LISTS)
    assert (
        f"with its suffix, such as i/a.png, or its name without suffix, got '{got}', and no line is one; correct"
        in str(caught.value)
    )


@pytest.mark.parametrize("lines", ["b\n", "i/b\n", "i/b.png\n"])
def test_a_list_may_name_images_without_folder_and_suffix(tmp_path, lines):
    a, b, c = pairs("i/a.png", "i/b.png", "i/c.d.png")
    write_lists(tmp_path, val=lines, test="c.d")

    assert splits.by_list([a, b, c], tmp_path, LISTS) == {"train": [a], "val": [b], "test": [c]}


def test_a_name_without_folder_that_two_images_have_is_refused(tmp_path):
    write_lists(tmp_path, val="b")

    with pytest.raises(
        ValueError, match=r"val.txt: expected a name of one image, got b, which is i/b.png and j/b.jpg;"
    ):
        splits.by_list(pairs("i/a.png", "j/b.jpg", "i/b.png"), tmp_path, LISTS)


def write_pairs(root, lines):
    for name in ("a", "b b", "c"):
        for path in (root / f"i/{name}.png", root / f"m/{name}_x.png"):
            path.parent.mkdir(exist_ok=True)
            path.touch()
    write_lists(root, train="i/a.png m/a_x.png", val=lines, test="i/c.png\tm/c_x.png")


@pytest.mark.parametrize(
    "line",
    [
        "i/b b.png m/b b_x.png",
        "i/b b.png,m/b b_x.png",
        "i/b b.png\tm/b b_x.png",
        "/SegNet/CamVid/i/b b.png /SegNet/CamVid/m/b b_x.png",
        "./i/b b.png ; /m/b b_x.png",
    ],
)
def test_a_list_of_pairs_names_each_image_with_its_mask(tmp_path, line):
    write_pairs(tmp_path, line)

    assigned = splits.by_list(None, tmp_path, LISTS)

    assert assigned["val"] == [Pair("i/b b.png", "m/b b_x.png")]
    assert assigned["test"] == [Pair("i/c.png", "m/c_x.png")]


@pytest.mark.parametrize(
    "line", ["i/b b.png", "i/b b.png m/nothing.png", "../i/a.png m/a_x.png", "i/a.png /etc/passwd"]
)
def test_a_line_that_is_no_pair_of_files_is_refused(tmp_path, line):
    write_pairs(tmp_path, line)

    with pytest.raises(ValueError, match=r"lists/val.txt: expected an image and its mask, two files below .*, on each"):
        splits.by_list(None, tmp_path, LISTS)


def test_an_image_with_two_masks_in_a_list_of_pairs_is_refused(tmp_path):
    write_pairs(tmp_path, "i/a.png m/a_x.png\ni/a.png m/c_x.png")

    with pytest.raises(ValueError, match=r"val.txt: expected each image once, got i/a.png 2 times; remove one"):
        splits.by_list(None, tmp_path, LISTS)


def test_splits_that_are_not_there_are_not_assigned():
    train, val = pairs("i/train/a.png", "i/val/a.png")

    assert by_folder([train, val], {"train": "train", "val": "val"}) == {"train": [train], "val": [val]}


def test_a_ratio_of_two_splits_uses_all_images():
    dealt = splits.by_ratio(*numbered(*[1] * 10), {"train": 0.7, "val": 0.3}, seed=1)

    assert {split: len(members) for split, members in dealt.items()} == {"train": 7, "val": 3}


def test_an_image_in_two_lists_is_in_both_splits_for_validate_to_judge(tmp_path):
    (a,) = pairs("i/a.png")
    write_lists(tmp_path, val="i/a.png", test="i/a.png")

    assert splits.by_list([a], tmp_path, LISTS) == {"train": [a], "val": [a], "test": [a]}


@pytest.mark.parametrize("path", ["../secret.png", "i/../../secret.png", "/etc/secret.png", "."])
def test_a_listed_path_that_leaves_the_folder_is_refused(tmp_path, path):
    write_lists(tmp_path, test=path)

    with pytest.raises(ValueError, match=f"test.txt: expected paths below .*, got {path}; make it relative"):
        splits.by_list(pairs("i/a.png"), tmp_path, LISTS)


def test_a_path_that_is_listed_twice_is_refused(tmp_path):
    write_lists(tmp_path, train="i/a.png\n./i/a.png\n")

    with pytest.raises(ValueError, match=r"train.txt: expected each image once, got i/a.png 2 times; remove one"):
        splits.by_list(pairs("i/a.png"), tmp_path, LISTS)


def test_a_missing_list_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"dataset.splits.train: expected a readable UTF-8 list file: .*train.txt"):
        splits.by_list([], tmp_path, LISTS)


def numbered(*sizes):
    """Sequences s0, s1, ... of the given numbers of images."""
    sequences = [f"s{i}" for i, size in enumerate(sizes) for _ in range(size)]
    return pairs(*(f"i/{n}.png" for n in range(len(sequences)))), sequences


def test_equal_sequences_are_dealt_in_exactly_the_shares_asked_for():
    images, sequences = numbered(*[5] * 10)

    dealt = splits.by_ratio(images, sequences, SHARES, seed=1)

    assert {split: len(members) for split, members in dealt.items()} == {"train": 40, "val": 5, "test": 5}


@pytest.mark.parametrize("seed", range(20))
def test_a_sequence_lies_in_one_split_and_no_split_is_empty(seed):
    images, sequences = numbered(1, 30, 2, 7, 7)
    sequence_of = dict(zip(images, sequences, strict=True))

    dealt = splits.by_ratio(images, sequences, SHARES, seed)

    split_of = {(sequence_of[pair], split) for split, members in dealt.items() for pair in members}
    assert Counter(sequence for sequence, _ in split_of) == dict.fromkeys(("s0", "s1", "s2", "s3", "s4"), 1)
    assert all(dealt.values())
    assert sum(map(len, dealt.values())) == 47


def test_three_sequences_go_to_three_splits():
    dealt = splits.by_ratio(*numbered(100, 100, 100), SHARES, seed=3)

    assert [len(members) for members in dealt.values()] == [100, 100, 100]


def test_the_order_of_the_images_does_not_matter_and_the_seed_does():
    images, sequences = numbered(*[3] * 12)
    shuffled = list(zip(images, sequences, strict=True))
    random.Random(0).shuffle(shuffled)

    def test_split(order, seed):
        return set(splits.by_ratio(*map(list, zip(*order, strict=True)), SHARES, seed)["test"])

    same_order = list(zip(images, sequences, strict=True))
    assert test_split(shuffled, 1) == test_split(same_order, 1)
    assert len({frozenset(test_split(same_order, seed)) for seed in range(10)}) > 3


def test_fewer_sequences_than_splits_are_an_error():
    with pytest.raises(
        ValueError, match="expected at least 3 sequences, one for each split, got s0, s1; change dataset"
    ):
        splits.by_ratio(*numbered(4, 4), SHARES, seed=1)


def test_a_file_of_annotations_stands_for_the_images_that_it_annotates(tmp_path):
    """One that is missing among them, and not those of another file or of none."""
    pairs = [Pair("a.png", "t.json"), Pair("b.png", "v.json"), Pair("c.png", "t.json"), Pair("d.png", None)]
    found = splits.by_list([*pairs, Pair(None, "t.json")], tmp_path, {"train": "t.json", "val": "v.json"})
    assert found == {"train": [pairs[0], pairs[2]], "val": [pairs[1]]}
    with pytest.raises(ValueError, match=r"dataset\.splits\.test: expected a readable UTF-8 list file: .*u\.json"):
        splits.by_list(pairs, tmp_path, {"train": "t.json", "test": "u.json"})
