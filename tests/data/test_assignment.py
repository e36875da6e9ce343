"""Which images a user's data set has, and in which splits."""

import json
from collections import Counter

import pytest
from PIL import Image

from pipeline.data import assignment, folder
from pipeline.files.images import read_mask
from tests.data.test_folder import ROWS, settings
from tests.support.made import made

CARVED = {"share": 0.3, "seed": 1}
LABELLED = [
    {"name": "grass", "value": None, "colour": [0, 0, 0], "ignore": False},
    {"name": "cow", "value": "cow", "colour": [1, 0, 0], "ignore": False},
    {"name": "unsure", "value": "crowd", "colour": [2, 0, 0], "ignore": True},
]


@pytest.fixture
def root(tmp_path):
    """Twelve images of six places in train and two in test, with masks."""
    root = tmp_path / "fields"
    for split, places in (("train", "abcdef"), ("test", "g")):
        for name in (f"{place}_{i}" for place in places for i in (1, 2)):
            for path in (root / f"images/{split}/{name}.png", root / f"masks/{split}/{name}.png"):
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("L", (5, 4), 20).save(path)
    return root


def splits(root, **changes):
    """The images of each split, by name."""
    found = {}
    for job in assignment.jobs(settings(root, **changes), root):
        found.setdefault(job.split, []).append(job.pair.image.rpartition("/")[2])
    return found


@pytest.mark.parametrize("by", ["folder", "list"])
def test_validation_images_are_carved_out_of_train_by_whole_sequences_and_test_stays(root, by):
    names = {"train": "train", "test": "test"}
    for split in names:
        lines = sorted(path.stem for path in root.glob(f"images/{split}/*"))
        (root / f"{split}.txt").write_text("\n".join(lines))
    if by == "list":
        names = {split: f"{split}.txt" for split in names}
    found = splits(root, splits={"by": by, "val": CARVED, **names})
    assert sorted(found["test"]) == ["g_1.png", "g_2.png"]
    assert {split: len(images) for split, images in found.items()} == {"train": 8, "val": 4, "test": 2}
    places = {split: {name[0] for name in images} for split, images in found.items()}
    assert not places["train"] & places["val"]
    assert found == splits(root, splits={"by": by, "val": CARVED, **names})
    others = [splits(root, splits={"by": by, "val": CARVED | {"seed": seed}, **names})["val"] for seed in range(5)]
    assert len(set(map(tuple, others))) > 1


SHARES = {"by": "ratio", "train": 0.5, "val": 0.25, "test": 0.25}
OF_FOLDERS = {"by": "folder", "train": "train", "val": {"share": 0.25, "seed": 1}, "test": "test"}


@pytest.mark.parametrize(
    ("kind", "rule", "expected"),
    [
        *((kind, SHARES | {"seed": seed}, (4, 2, 2)) for seed in range(5) for kind in ("index", "coco")),
        ("index", OF_FOLDERS, (6, 2, 3)),
    ],
)
def test_shares_are_of_the_images_that_have_masks(tmp_path, kind, rule, expected):
    """Of four images one has a mask; of COCO's, three of four annotated images are not there."""
    names = [f"train/a{i:02}.png" for i in range(32)] + [f"test/b{i}.png" for i in range(3)] * (rule is OF_FOLDERS)
    with_masks = {name for i, name in enumerate(names) if i % 4 == 0 or name.startswith("test")}
    files = [*with_masks, *([f"masks/{name}" for name in with_masks] + names if kind == "index" else [])]
    for path in (tmp_path / name for name in files):
        path.parent.mkdir(exist_ok=True, parents=True)
        Image.new("L", (5, 4), 20).save(path)
    (tmp_path / "all.json").write_text(annotate(tmp_path, names))
    of_kind = {"index": {"masks": "masks/{train,test}/*.png"}, "coco": {"masks": "all.json", "classes": LABELLED}}[kind]
    changes = {"images": "{train,test}/*.png", "mask_kind": kind, "sequence": "(.+)", "splits": rule, **of_kind}
    jobs = assignment.jobs(settings(tmp_path, **changes), tmp_path)
    counts = Counter(job.split for job in jobs if assignment.is_whole(tmp_path, job))
    assert tuple(counts[split] for split in ("train", "val", "test")) == expected
    assert len(jobs) == len(names)


@pytest.mark.parametrize(
    "rule",
    [
        {"by": "ratio", "train": 0.75, "val": 0.25, "test": None, "seed": 1},
        {"by": "folder", "train": "train", "val": "test", "test": None},
        {"by": "folder", "train": "images", "val": CARVED, "test": None},
    ],
)
def test_a_data_set_may_lack_a_test_split(root, rule):
    found = splits(root, splits=rule)
    assert set(found) == {"train", "val"}
    assert sum(map(len, found.values())) == 14
    assert assignment.splits_of(settings(root, splits=rule).splits) == ("train", "val")


def test_images_come_by_ascending_id_whatever_the_order_of_the_splits(root):
    rule = {"by": "ratio", "train": 0.5, "val": 0.25, "test": 0.25, "seed": 1}
    found = assignment.jobs(settings(root, splits=rule), root)
    ids = [f"{job.split}/{job.name}" for job in found]
    assert len(found) == len(ids) == 14
    assert ids == sorted(set(ids))
    first = next(iter(found))
    assert first in found
    assert "images/train/a_1.png" not in found


def test_lists_of_pairs_name_images_and_masks(root):
    for split, name in (("train", "a_1"), ("val", "b_1"), ("test", "c_1")):
        other = name.replace("1", "2")
        (root / f"{split}.txt").write_text(f"/CamVid/images/train/{name}.png /CamVid/masks/train/{other}.png\n")
    rule = {"by": "list", "train": "train.txt", "val": "val.txt", "test": "test.txt"}
    found = assignment.jobs(settings(root, images=None, masks=None, splits=rule), root)
    assert [(job.split, job.pair.image, job.pair.mask) for job in found] == [
        ("test", "images/train/c_1.png", "masks/train/c_2.png"),
        ("train", "images/train/a_1.png", "masks/train/a_2.png"),
        ("val", "images/train/b_1.png", "masks/train/b_2.png"),
    ]


@pytest.mark.parametrize("kind", ["absolute", "relative"])
def test_masks_may_lie_outside_the_data_sets_folder(root, tmp_path, kind):
    (root / "masks").rename(tmp_path / "labels")
    masks = f"{tmp_path}/labels/**/*.png" if kind == "absolute" else "../labels/**/*.png"
    rule = {"by": "ratio", "train": 0.5, "val": 0.25, "test": 0.25, "seed": 1}
    found = made(folder.source(settings(root, masks=masks, splits=rule)))
    assert len(found) == 14
    assert all((read_mask(entry.mask.content) == 1).all() for entry in found)
    assert not any(str(tmp_path.name) in entry.name for entry in found)


def annotate(root, names, **changes):
    shape = {"id": 1, "image_id": 0, "category_id": 3, "segmentation": [[1, 1, 3, 1, 3, 3, 1, 3]]} | changes
    images = [{"id": i, "file_name": name, "height": 4, "width": 5} for i, name in enumerate(names)]
    tree = {"images": images, "categories": [{"id": 3, "name": "cow"}, {"id": 4, "name": "crowd"}]}
    return json.dumps(tree | {"annotations": [shape, shape | {"category_id": 4, "segmentation": [[4, 3, 5, 3, 5, 4]]}]})


def of_coco(root, masks="*.json"):
    rule = {"by": "folder", "train": "train", "val": CARVED, "test": "test"}
    return settings(root, images="images/*/*.png", masks=masks, mask_kind="coco", classes=LABELLED, splits=rule)


def test_annotations_become_index_masks_of_the_images_that_they_name(root, tmp_path):
    (root / "coco.json").write_text(annotate(root, ["test/g_1.png", "gone.png", *(f"{p}_1.png" for p in "abcdef")]))
    with pytest.raises(ValueError, match=r"expected one of the folders train, test in the path gone.png, got none"):
        folder.source(of_coco(root))
    (root / "coco.json").write_text(annotate(root, ["test/g_1.png", *(f"{p}_1.png" for p in "abcdef")]))
    entries = {entry.name: entry for entry in made(folder.source(of_coco(root)))}
    assert len(entries) == 14
    first = entries["images__test__g_1"]
    assert read_mask(first.mask.content).tolist() == [[0] * 5, [0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0] * 5]
    assert (entries["images__test__g_2"].mask, first.outside) == (None, 0)


def test_a_label_outside_the_table_is_void_and_named(root, tmp_path):
    (root / "coco.json").write_text(annotate(root, [f"{p}_1.png" for p in "gabcdef"]))
    changed = of_coco(root).model_copy(
        update={
            "classes": settings(root, mask_kind="coco", classes=[LABELLED[1], LABELLED[2] | {"ignore": False}]).classes
        }
    )
    (entry,) = (each for each in made(folder.source(changed)) if each.name == "images__test__g_1")
    assert (entry.outside, entry.labels_outside) == (16, "no annotation (16 px)")


def test_an_image_in_two_files_of_annotations_is_refused(root):
    for name in ("one", "two"):
        (root / f"{name}.json").write_text(annotate(root, ["a_1.png"]))
    with pytest.raises(
        ValueError, match=r"annotations of an image in one file, got those of images/train/a_1.png in one"
    ):
        assignment.jobs(of_coco(root), root)


def test_annotations_of_labelme_belong_to_images_as_masks_do(root, tmp_path):
    shape = {"label": "cow", "points": [[1, 1], [3, 1], [3, 3], [1, 3]], "shape_type": "polygon"}
    for path in root.glob("images/*/*.png"):
        path.with_suffix(".json").write_text(json.dumps({"shapes": [shape], "imageHeight": 4, "imageWidth": 5}))
    rule = {"by": "ratio", "train": 0.5, "val": 0.25, "test": 0.25, "seed": 1}
    chosen = {"images": "images/*/*.png", "masks": "images/*/*.json", "mask_kind": "labelme", "classes": LABELLED}
    entries = made(folder.source(settings(root, **chosen, splits=rule)))
    assert [int(read_mask(entry.mask.content).sum()) for entry in entries] == [4] * 14


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"images": None}, "null for both where splits by list name pairs of files, got None and masks/.* by folder"),
        ({"images": None, "masks": None}, "got None and None with splits by folder and mask_kind index; correct one"),
        ({"mask_kind": "coco"}, "expected a label or null as value of a class of mask_kind coco, got 10"),
        ({"classes": LABELLED[1:]}, "expected a number or null as value of a class of mask_kind index, got 'cow'"),
        (
            {"mask_kind": "cvat", "classes": [*LABELLED, LABELLED[0]]},
            "expected each label once in the class table, got",
        ),
    ],
)
def test_params_that_contradict_each_other_are_refused(root, changes, reason):
    with pytest.raises(ValueError, match=reason):
        settings(root, **{"classes": ROWS, **changes})
