import pytest

from pipeline.planning.splits import split_rules

BY_NAME = r"([^/]+?)[_-](?:frame|image|img|slice)?[_-]?\d+[^/]*$"


def of(folders, images=("a.png",)):
    return split_rules.propose(folders, {}, images)


@pytest.mark.parametrize(
    ("images", "folders"),
    [
        (["train/a", "val/b", "test/c"], {"train": "train", "val": "val", "test": "test"}),
        (["images/training/a", "images/validation/b"], {"train": "training", "val": "validation"}),
        (["train2017/a", "val2017/b"], {"train": "train2017", "val": "val2017"}),
        (["Train/Images/a", "valid/images/b"], {"train": "Train", "val": "valid"}),
        (["imagesTr/a", "imagesTs/b"], {"train": "imagesTr", "test": "imagesTs"}),
        (["x/train/a", "x/test_images/b"], {"train": "train", "test": "test_images"}),
        (["train/a", "b"], {}),
        (["TrainDataset/image/a", "TestDataset/CVC-300/b"], {"train": "TrainDataset", "test": "TestDataset"}),
        (["x/trainset/a", "x/testset/b"], {"train": "trainset", "test": "testset"}),
        (["TrainingSet/a", "TestSet/b"], {"train": "TrainingSet", "test": "TestSet"}),
        (["Training400/a", "Test400/b"], {"train": "Training400", "test": "Test400"}),
        (["DUTS-TR/DUTS-TR-Image/a", "DUTS-TE/DUTS-TE-Image/b"], {"train": "DUTS-TR", "test": "DUTS-TE"}),
        (["trn/a", "val/b", "tst/c"], {"train": "trn", "val": "val", "test": "tst"}),
        (["SBUTrain4K/a", "SBUTest/b"], {"train": "SBUTrain4K", "test": "SBUTest"}),
        (["train1/a", "test1/b"], {"train": "train1", "test": "test1"}),
        (["trainstation/a", "testudo/b", "valley/c"], {}),
        (["train/a", "trail/b"], {}),
        (["TR500/a", "TE30/b", "TE_40/c"], {}),  # times of a scanner
        (["train/a"], {}),
        (["val/a", "test/b"], {}),
        (["train/a", "training/b", "val/c"], {}),
        (["trains/a", "values/b"], {}),
    ],
)
def test_folders_named_after_splits_are_recognised(images, folders):
    assert split_rules.by_folder([f"{image}.png" for image in images]) == folders


def test_what_a_data_set_lacks_is_taken_from_train_or_asked():
    both = of({"train": "t", "val": "v", "test": "u"})
    assert (dict(both.rule), both.questions) == ({"by": "folder", "train": "t", "val": "v", "test": "u"}, ())
    without_test = of({"train": "t", "val": "v"})
    assert without_test.rule["test"] is None
    assert "If yes: splits: {by: folder, train: t, val: {share: 0.15, seed: 1}, test: v}" in without_test.questions[0]
    without_val = of({"train": "t", "test": "u"})
    assert without_val.rule == {"by": "folder", "train": "t", "val": {"share": 0.15, "seed": 1}, "test": "u"}
    assert of({}).rule == {"by": "ratio", "train": 0.7, "val": 0.15, "test": 0.15, "seed": 1}


@pytest.mark.parametrize(
    ("images", "sequence"),
    [
        ([f"x/{place}_{n:03}_rgb.png" for place in "abcdef" for n in range(2)], BY_NAME),
        ([f"{place}{end}{n}.png" for place in "abcdef" for n in range(2) for end in ("_frame", "-img_")], BY_NAME),
        ([f"volume-{place}_{n}.png" for place in range(6) for n in range(2)], r"([^/]+)[_-]\d+[^/]*$"),
        ([f"liver_{place}_0000.png" for place in range(60)], "(.+)"),
        ([f"{place}/{n}.png" for place in "abcdef" for n in range(2)], "^([^/]+)/"),
        ([f"x/{place}/rgb/{n}.png" for place in "abcdef" for n in range(2)], "^[^/]+/([^/]+)/"),
        ([f"{place}/study{m}/rgb/{n}.png" for place in "abcdef" for m in "12" for n in "12"], "^([^/]+)/"),
        ([f"{place}/{place}{kind}_{n}.png" for place in "abcdef" for kind in "xy" for n in "12"], "^([^/]+)/"),
        ([f"{kind}/{place}/{n}.png" for place in "abcd" for kind in "xy" for n in "12"], "^([^/]+/[^/]+)/"),
        ([f"{side}/{place}_{n}.png" for side in "lr" for place in "abcdef" for n in "12"], BY_NAME),
        ([f"DSC_{n:04}.jpg" for n in range(60)], "(.+)"),
        ([f"{place}_{n}.png" for place in "abcde" for n in range(9)], "(.+)"),
        ([f"{place}/{n}.png" for place in "abcde" for n in range(2)], "(.+)"),
        ([f"{place}/{place}.png" for place in "abcdef"], "(.+)"),
        ([*(f"{place}/{n}.png" for place in "abcdef" for n in range(2)), "alone.png"], "(.+)"),
        ([f"{n}.jpg" for n in range(60)], "(.+)"),
    ],
)
def test_sequences_are_what_names_or_folders_share_if_there_are_enough(images, sequence):
    rule = of({}, images)
    assert rule.sequence == sequence
    assert bool(rule.questions) == (sequence == "(.+)")


def test_whether_folders_or_names_are_sequences_is_asked_where_each_cuts_across_the_other():
    rule = of({}, [f"{folder}/{name}_{n}.png" for folder in "abcdef" for name in "uvwxyz" for n in range(2)])
    assert rule.sequence == "^([^/]+)/"
    assert rule.sequence_reason == "the folder: 6 sequences, each of which stays in one split"
    assert rule.questions == (
        "Are images of one folder alike, or those of all folders whose names begin as u? Default: those of a folder, "
        f"such as a; if not: sequence: {BY_NAME}",
    )


GIVEN = {"train": "train", "val": "val", "test": "test"}


@pytest.mark.parametrize(
    ("images", "sequence"),
    [
        ([f"{split}/v{n}/{i}.png" for split in GIVEN for n in range(2) for i in range(3)], "^([^/]+/[^/]+)/"),
        ([f"{split}/{split}{n}_{i}.png" for split in GIVEN for n in range(2) for i in range(3)], BY_NAME),
        ([f"{split}/{i}.png" for split in GIVEN for i in range(9)], "(.+)"),
    ],
)
@pytest.mark.parametrize("names", [("train", "val", "test"), ("train", "val"), ("train", "test")])
def test_sequences_of_given_splits_are_kept_together_in_folds_and_intervals(images, sequence, names):
    rule = of({name: GIVEN[name] for name in names}, [image for image in images if image.startswith(names)])
    if len(names) == 3 or sequence == "(.+)":
        assert rule.sequence == sequence
    assert any("Are neighbouring images alike" in question for question in rule.questions) == (
        "val" not in names and rule.sequence == "(.+)"
    )


@pytest.mark.parametrize(
    ("images", "asked"),
    [
        (
            ["train/a", "test/b", "extra/c"],
            "Do the folders test, train say the splits, of which extra/c.png is in none?",
        ),
        (["train/a", "train_1/b"], "Do the folders train, train_1 say the splits? Default: no, images are drawn"),
        (
            ["train/a", "val/b", "valid/c"],
            "Do the folders train, val, valid say the splits? Default: no, images are drawn",
        ),
        (["trainA/a", "testA/b", "testB/c"], "Do the folders testA, testB, trainA say the splits? Default: no, images"),
        (["a", "b/c"], ""),
        (["trainstation/a", "testudo/b", "valley/c", "trail/d", "TE_30/e", "TE80/f"], ""),
        (["imagesTr/a", "imagesTr/b"], ""),
    ],
)
def test_folders_of_splits_that_are_not_used_are_asked_about(images, asked):
    images = [f"{image}.png" for image in images]
    assert split_rules.by_folder(images) == {}
    assert any(question.startswith(asked) for question in of({}, images).questions)
    assert any("say the splits" in question for question in of({}, images).questions) == bool(asked)


@pytest.mark.parametrize(
    ("images", "asked"),
    [
        (
            [f"fold_{k}/{split}/images/{i}" for k in range(3) for split in GIVEN for i in range(2)],
            "fold_0, fold_1, fold_2",
        ),
        ([f"x/{split}/CV{k}/{i}" for k in (1, 2) for split in ("train", "test") for i in range(2)], "CV1, CV2"),
        ([f"my-split1/{split}/{i}" for split in GIVEN for i in range(2)], ""),
        (["fold_0/train/a", "fold_1/val/b", "fold_2/test/c"], ""),
        ([f"field_{k}/{split}/{i}" for k in range(3) for split in GIVEN for i in range(2)], ""),
    ],
)
def test_folders_that_are_folds_are_asked_about(images, asked):
    images = [f"{image}.png" for image in images]
    questions = of(split_rules.by_folder(images), images).questions
    expected = (
        f"Are {asked} folds, which have the same images in other splits? Default: no, the images of all are taken. If "
        f"yes, validation stops at repeated images: run segnet init on one folder, such as {asked.split(',')[0]}"
    )
    assert [question for question in questions if "folds" in question] == ([expected] if asked else [])
