import pytest

from pipeline.data.pairing import Pair
from pipeline.planning import listing
from pipeline.planning.splits import list_files


def write(root, files):
    for path, text in {"images/a.png": "", **files}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return listing.read(root)


def test_of_several_lists_those_that_name_images_with_masks_are_taken(tmp_path):
    files = write(
        tmp_path,
        {"x/train.txt": "a\nb", "x/val.txt": "c", "y/train.txt": "a\nz", "y/val.txt": "c", "notes.txt": "a"},
    )
    pairs = [Pair(f"images/{name}.png", "m.png") for name in "abc"]
    assert list_files.of_images(files, pairs) == ({"train": "x/train.txt", "val": "x/val.txt"}, ())


def test_a_list_of_images_without_masks_is_left_out_and_the_others_are_used(tmp_path):
    files = write(tmp_path, {"train.txt": "a\nb", "val.txt": "c", "test.txt": "d\ne"})
    pairs = [Pair(f"images/{name}.png", "m.png") for name in "abc"]
    lists, asked = list_files.of_images(files, pairs)
    assert lists == {"train": "train.txt", "val": "val.txt"}
    assert asked == ("No line of test.txt is an image with a mask. Default: left out",)


def test_a_list_of_pairs_alone_is_not_used(tmp_path):
    files = write(tmp_path, {"train.txt": "images/001_image.png masks/1.png\n", "test.txt": "images/004_image.png\n"})
    for path in ("images/001_image.png", "masks/1.png"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    assert list_files.of_pairs(files) == ({}, [], ())


def test_a_train_list_alone_is_not_used(tmp_path):
    files = write(tmp_path, {"splits.yaml": "train: [a, b, c]\nval: [f]\ntest: [d, e]"})
    lists, asked = list_files.of_images(files, [Pair(f"images/{name}.png", "m.png") for name in "abc"])
    assert lists == {}
    assert asked == (
        "No line of splits.yaml#val or splits.yaml#test is an image with a mask. Default: splits.yaml#train is not "
        "used either, and images are split at random",
    )


def test_lists_of_images_and_masks_are_used_beside_one_of_images_alone(tmp_path):
    texts = {"masks/a.png": "", "train.txt": "images/a.png masks/a.png", "val.txt": "images/a.png,masks/a.png"}
    pair = Pair("images/a.png", "masks/a.png")
    lists, pairs, asked = list_files.of_pairs(write(tmp_path, {**texts, "test.txt": "images/b.png\n"}))
    assert (lists, pairs) == ({"train": "train.txt", "val": "val.txt"}, [pair, pair])
    assert asked == ("No line of test.txt is an image with a mask. Default: left out",)
    broken = write(tmp_path, {**texts, "test.txt": "images/a.png masks/a.png\nimages/b.png"})
    assert list_files.of_pairs(broken) == ({}, [], ())


def test_lists_of_something_else_are_none(tmp_path):
    files = write(tmp_path, {"train.txt": "0 0.5 0.5 1 1", "val.txt": "0 0.5 0.5 1 1", "test.txt": "\xff"})
    assert list_files.of_images(files, [Pair("images/a.png", "m.png")]) == ({}, ())
    assert list_files.of_pairs(files) == ({}, [], ())


NUMBERED = [Pair(f"images/{number:03}_image.png", "m.png") for number in range(1, 5)]


@pytest.mark.parametrize(
    "names",
    [
        ("train_list.txt", "val_list.txt", "test_list.txt"),  # PaddleSeg's
        ("autosplit_train.txt", "autosplit_val.txt", "autosplit_test.txt"),  # Ultralytics'
        ("list_train.txt", "list_val.txt", "list_test.txt"),
        ("train_set.txt", "val_set.txt", "test_set.txt"),
        ("lists/trn.txt", "lists/val.txt", "lists/tst.txt"),  # AeroScapes'
        ("trainIds.lst", "validationIds.lst", "testIds.lst"),
        ("x/train-image-names.txt", "x/valid-image-names.txt", "x/test-image-names.txt"),
    ],
)
def test_lists_whose_names_say_that_they_are_lists_are_recognised(tmp_path, names):
    listed = dict(zip(("train", "val", "test"), names, strict=True))
    pairs = [Pair(f"images/{name}.png", f"masks/{name}.png") for name in "abc"]
    files = write(tmp_path, dict(zip(names, ("./images/a.png", "b", "c.png"), strict=True)))
    assert list_files.of_images(files, pairs) == (listed, ())
    for pair in pairs:
        write(tmp_path, {pair.image: "", pair.mask: ""})
    write(tmp_path, {path: f"images/{name}.png masks/{name}.png" for path, name in zip(names, "abc", strict=True)})
    assert list_files.of_pairs(files) == (listed, pairs, ())


@pytest.mark.parametrize("name", ["fold0_{}", "{}_1", "{}_log", "my{}", "{}val", "{}_mask_list"])
def test_lists_whose_names_say_something_else_are_not_used(tmp_path, name):
    files = write(tmp_path, {f"{name.format(split)}.txt": line for split, line in (("train", "a\nb"), ("test", "c"))})
    pairs = [Pair(f"images/{name}.png", "m.png") for name in "abc"]
    assert list_files.of_images(files, pairs) == ({}, ())


SPLITS_OF_SEMI_SUPERVISED = {
    "splits/1_8/train.txt": "0\n1\n",
    "splits/1_8/val.txt": "8\n9\n",
    "splits/full/train.txt": "0\n1\n2\n3\n4\n5\n6\n7\n",
    "splits/full/val.txt": "8\n9\n",
}
WHICH = (
    "Are train: splits/full/train.txt, val: splits/full/val.txt the lists that are meant? Default: yes, they name 10 "
    "images; train: splits/1_8/train.txt, val: splits/1_8/val.txt name 4. If those are: name them as dataset.splits"
)


def test_of_lists_that_are_all_right_those_of_most_images_are_taken_and_the_others_are_asked_about(tmp_path):
    expected = {"train": "splits/full/train.txt", "val": "splits/full/val.txt"}
    pairs = [Pair(f"images/{i}.png", f"masks/{i}.png") for i in range(10)]
    files = write(tmp_path, SPLITS_OF_SEMI_SUPERVISED)
    assert list_files.of_images(files, pairs) == (expected, (WHICH,))
    write(tmp_path, {path: "" for pair in pairs for path in (pair.image, pair.mask)})
    lists = {
        path: "".join(f"images/{i}.png masks/{i}.png\n" for i in text.split())
        for path, text in SPLITS_OF_SEMI_SUPERVISED.items()
    }
    assert list_files.of_pairs(write(tmp_path, lists)) == (expected, pairs, (WHICH,))


def test_lists_that_say_the_same_are_not_asked_about(tmp_path):
    lists = {f"{folder}/{split}.txt": line for folder in "xy" for split, line in (("train", "a\nb"), ("val", "c"))}
    pairs = [Pair(f"images/{name}.png", "m.png") for name in "abc"]
    assert list_files.of_images(write(tmp_path, lists), pairs)[1] == ()


@pytest.mark.parametrize(("num_images", "is_asked"), [(8, False), (9, True), (32, True)])
def test_images_that_no_list_names_are_asked_about_where_they_are_many(tmp_path, num_images, is_asked):
    """Eight patients of four images each, whose numbers the lists give: they are those of the first eight images."""
    files = write(tmp_path, {"train.txt": "1\n2\n3\n4\n5\n6\n", "val.txt": "7", "test.txt": "8"})
    pairs = [Pair(f"images/p{'abcdefgh'[i // 4]}_{i + 1}.png", "m.png") for i in range(num_images)]
    lists, questions = list_files.of_images(files, pairs)
    assert lists == {"train": "train.txt", "val": "val.txt", "test": "test.txt"}
    asked = (
        f"Are {num_images - 8} of the {num_images} images that have masks to be left out, as the data set's lists "
        "(train: train.txt, val: val.txt, test: test.txt) do not name them? Default: yes. If the lines mean something "
        "else, such as patients: write an image's path or name without suffix on each line, and run segnet init again"
    )
    assert questions == ((asked,) if is_asked else ())


def test_lists_with_a_line_that_may_mean_several_images_are_not_used(tmp_path):
    files = write(tmp_path, {"train.txt": "1\n2", "val.txt": "3"})
    pairs = [Pair(f"images/{patient}_{i}.png", "m.png") for patient in "abc" for i in range(1, 5)]
    assert list_files.of_images(files, pairs) == ({}, ())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("train_test_split.yaml", "train: [1, 2, 3]\ntest: [4]\n"),
        ("meta/splits.json", '{"train": ["001_image", "002_image", 3], "test": ["images/004_image.png"], "seed": 3}'),
        ("Split.yml", 'train: ["001_image.png", 2, "images/003_image.png"]\ntest: ["004"]\nnames: {0: soil}\n'),
    ],
)
def test_lists_in_one_yaml_or_json_file_are_recognised(tmp_path, name, text):
    lists, questions = list_files.of_images(write(tmp_path, {name: text}), NUMBERED)
    assert (lists, questions) == ({"train": f"{name}#train", "test": f"{name}#test"}, ())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("splits.yaml", "train: images/train\ntest: images/test\n"),
        ("splits.yaml", "train: [7, 8]\ntest: [9]\n"),
        ("splits.yaml", "- [1, 2]\n"),
        ("splits.json", '{"train": [{"image": "001"}], "test": [true]}'),
        ("splits.json", '{"train": [1], "test": [4]'),
        ("numbers.yaml", "train: [1]\ntest: [4]\n"),
    ],
)
def test_files_of_something_else_hold_no_lists(tmp_path, name, text):
    assert list_files.of_images(write(tmp_path, {name: text}), NUMBERED) == ({}, ())


def test_lists_with_an_image_in_two_splits_are_asked_about_and_not_used(tmp_path):
    files = write(tmp_path, {"split.yaml": "train: [1, 2, 3]\ntest: [2, 3, 4]\n"})
    lists, (question,) = list_files.of_images(files, NUMBERED)
    assert lists == {}
    assert question == (
        "The data set's lists (train: split.yaml#train, test: split.yaml#test) have images/002_image.png in test and "
        "train and 1 more image: where do they belong? Default: these lists are not used, and images are split at "
        "random. To use them, name corrected copies as dataset.splits"
    )
