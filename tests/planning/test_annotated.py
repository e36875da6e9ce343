"""Which files are annotations, where some cannot be read or hold nothing."""

import json
import re
from collections import Counter

import pytest

from pipeline.data import annotations
from pipeline.planning import annotated
from pipeline.planning.contents import Contents
from pipeline.planning.listing import read
from pipeline.planning.proposal import propose
from pipeline.planning.sizes import Machine
from tests.support import layouts

MACHINE = Machine(cores=2, gpus=0, gpu_bytes=0)


@pytest.fixture
def root(tmp_path):
    """YOLO's polygons: images/{train,val}/{a,...,h}.jpg, of which g and h are val's."""
    layouts.yolo(tmp_path / "own")
    return tmp_path / "own"


def dangle(path):
    path.unlink(missing_ok=True)
    path.symlink_to("/nonexistent/there.txt")


def test_a_label_that_leads_nowhere_leaves_its_image_without_a_mask(root):
    dangle(root / "labels/train/b.txt")
    proposal = propose(root, str(root), MACHINE)
    assert "images: 7, images/*/*.jpg with labels/*/*.txt" in proposal.facts
    assert "left out: 1 images or masks without the other; validation warns of them" in proposal.facts


def test_a_label_that_may_not_be_read_is_named_with_what_to_do(root, monkeypatch):
    path = root / "labels/train/b.txt"
    locked(path, monkeypatch)
    with pytest.raises(ValueError, match="expected annotations that can be read") as caught:
        propose(root, str(root), MACHINE)
    assert str(caught.value) == (
        f"{path}: expected annotations that can be read, got [Errno 13] Permission denied: '{path}'; restore it, or "
        "let this user read it"
    )


def locked(path, monkeypatch):
    """Make a file one that another user alone may read, also where the tests run as root."""
    open_ = type(path).open

    def refuse(self, *args, **options):
        if self == path:
            raise PermissionError(13, "Permission denied", str(path))
        return open_(self, *args, **options)

    monkeypatch.setattr(type(path), "open", refuse)


def test_where_masks_are_pictures_a_text_file_that_cannot_be_read_does_not_matter(tmp_path):
    layouts.split_folders(tmp_path)
    dangle(tmp_path / "train/images/train0.txt")
    assert "images: 8, *" in "\n".join(propose(tmp_path, str(tmp_path), MACHINE).facts)


def test_images_without_a_label_are_background_and_told(root):
    for name in "abc":
        (root / f"labels/train/{name}.txt").unlink()
    facts = propose(root, str(root), MACHINE).facts
    assert "images: 8, images/*/*.jpg with labels/*/*.txt" in facts
    assert any(fact.startswith("splits: train 6, val 2 images; ") for fact in facts)
    assert "background: 3 images without a text file, such as images/train/a.jpg: YOLO's have no object then" in facts
    assert not any(fact.startswith("left out") for fact in facts)


def test_images_without_a_shape_are_told(tmp_path):
    layouts.cvat(tmp_path / "own")
    path = tmp_path / "own/annotations.xml"
    path.write_text(re.sub("<polygon[^>]*>", "", path.read_text(), count=2))
    facts = propose(tmp_path / "own", "own", MACHINE).facts
    expected = rf"background alone: 2 of {len(layouts.PLACES)} images looked at have no shape .*, such as images/.*jpg"
    assert sum(re.fullmatch(expected, fact) is not None for fact in facts) == 1


@pytest.mark.parametrize(("kind", "bare"), [("coco", ["a"]), ("labelme", ["a"]), ("yolo", []), ("index", [])])
def test_an_image_that_cannot_be_read_is_not_one_without_a_shape(kind, bare):
    held = {"a": Counter({None: 9}), "b": Counter({None: 9, "car": 1}), "c": Counter()}
    assert Contents(kind, held, 3, {}).bare == bare


def shapes(image):
    outline = {"label": "cow", "points": [[1, 1], [20, 1], [20, 12]], "shape_type": "polygon"}
    tree = {"shapes": [outline], "imagePath": image, "imageData": None, "imageHeight": 48, "imageWidth": 64}
    return json.dumps(tree)


@pytest.mark.parametrize(
    ("image", "other", "file", "named", "images"),
    [
        ("{}.jpg", "{}.png", "{}.json", "{}.jpg", "*.jpg"),
        ("{}.png", "{}.jpg", "{}.json", "{}.png", "*.png"),
        ("left/{}.jpg", "right/{}.jpg", "json/{}.json", "../left/{}.jpg", "left/*.jpg"),
        ("left/{}.jpg", "right/{}.jpg", "json/{}.json", "..\\left\\{}.jpg", "left/*.jpg"),
    ],
)
def test_the_image_of_labelmes_file_is_the_one_that_it_names(tmp_path, image, other, file, named, images):
    for i in range(8):
        layouts.picture(tmp_path / image.format(i), i)
        layouts.picture(tmp_path / other.format(i), 99)
        (tmp_path / file.format(i)).parent.mkdir(exist_ok=True)
        (tmp_path / file.format(i)).write_text(shapes(named.format(i)))
    found = annotated.find(read(tmp_path))
    assert (found.images, len(found.family.pairs), found.family.left_out) == (images, 8, ())


@pytest.mark.parametrize("named", ["", "elsewhere/{}.jpg"])
def test_it_is_asked_which_of_two_images_of_a_name_is_meant_where_no_file_says(tmp_path, named):
    for i in range(8):
        for folder in ("left", "right"):
            layouts.picture(tmp_path / f"{folder}/{i}.jpg", i)
        (tmp_path / f"{i}.json").write_text(shapes(named.format(i)))
    (question,) = annotated.find(read(tmp_path)).questions
    assert question.startswith("Are these the images: right/0.jpg? Default: yes; pictures of the same names are left")


def test_that_annotated_images_have_masks_too_is_asked(tmp_path):
    for i in range(8):
        layouts.picture(tmp_path / f"images/{i}.jpg", i)
        layouts.picture(tmp_path / f"masks/{i}.png", 1)
    for i in range(3):
        (tmp_path / f"images/{i}.json").write_text(shapes(f"{i}.jpg"))
    assert annotated.find(read(tmp_path)).questions == (
        "Are the labels the annotations, of 3 images? Default: yes; masks are there too, of 8, such as masks/0.png: "
        "--masks says that they are meant",
    )


def test_a_mask_of_the_name_that_a_file_gives_an_image_is_not_the_image(tmp_path):
    for folder in ("images", "masks"):
        layouts.picture(tmp_path / f"{folder}/7.png", 7)
    (tmp_path / "outlines.json").write_text(outlines("7.png"))
    found = annotated.find(read(tmp_path))
    assert (found.kind, found.images, len(found.questions)) == ("coco", "images/*.png", 1)


def outlines(name):
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 20, 1, 20, 12]]}
    images = [{"id": 1, "file_name": name, "height": 48, "width": 64}]
    return json.dumps({"images": images, "annotations": [annotation], "categories": [{"id": 1, "name": "car"}]})


def test_boxes_of_which_few_have_an_outline_are_boxes_and_masks_beside_them_count(tmp_path):
    for folder in ("images", "masks"):
        layouts.picture(tmp_path / f"{folder}/7.png", 7)
    tree = json.loads(outlines("7.png"))
    tree["annotations"] += [{"id": i, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]} for i in (2, 3)]
    (tmp_path / "boxes.json").write_text(json.dumps(tree))
    assert annotated.find(read(tmp_path)) is None


def test_of_images_of_one_name_those_near_a_file_are_its_own(tmp_path):
    for task in ("a", "b"):
        layouts.picture(tmp_path / f"task_{task}/images/0.png", ord(task))
        (tmp_path / f"task_{task}/annotations").mkdir()
        (tmp_path / f"task_{task}/annotations/instances_default.json").write_text(outlines("0.png"))
    files = {f"task_{task}/images/0.png": f"task_{task}/annotations/instances_default.json" for task in ("a", "b")}
    pairs, _ = annotations.read_files(tmp_path, set(files), list(files.values()), "coco")
    assert {pair.image: pair.mask for pair in pairs} == files


def test_a_split_without_a_single_label_is_left_out(root):
    for i in range(2):
        layouts.picture(root / f"images/test/t{i}.jpg", 90 + i)
    proposal = propose(root, str(root), MACHINE)
    assert "The images in test have no masks. Default: they are left out" in proposal.questions
    assert any(fact.startswith("splits: train 6, val 2 images; ") for fact in proposal.facts)
    assert not any(fact.startswith("background") for fact in proposal.facts)


@pytest.mark.parametrize("nothing", ["", "\n", " \r\n\n"])
def test_most_labels_may_hold_nothing(root, nothing):
    for name in "bcdef":
        (root / f"labels/train/{name}.txt").write_text(nothing)
    found = annotated.find(read(root))
    assert (found.kind, found.images, found.masks) == ("yolo", "images/*/*.jpg", "labels/*/*.txt")


@pytest.mark.parametrize("text", ["0 0.5 0.5 0.2 0.25\n\n1 0.1 0.2 0.1 1\n", "0 0 0 0 1 1 1\n1 0.1 0.2 0.1 1\n"])
def test_boxes_are_refused_as_such_also_among_polygons(root, text):
    for path in root.glob("labels/*/*.txt"):
        path.write_text(text)
    expected = (
        r"^expected masks or outlines of objects, got YOLO's boxes, as in labels/train/a\.txt, which do not say .*"
    )
    with pytest.raises(ValueError, match=expected + "; export polygons .*, or name masks with --masks$"):
        propose(root, str(root), MACHINE)


@pytest.mark.parametrize("outline", [{}, {"segmentation": []}])
def test_boxes_of_coco_are_refused_as_such(tmp_path, outline):
    layouts.picture(tmp_path / "images/a.png", 1)
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], **outline}
    tree = {
        "images": [{"id": 1, "file_name": "a.png", "height": 8, "width": 8}],
        "annotations": [annotation],
        "categories": [{"id": 1, "name": "car"}],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(tree))
    expected = r"^expected masks or outlines of objects, got COCO's boxes, as in boxes.json, which do not say .*"
    with pytest.raises(ValueError, match=expected + r"; export polygons \(COCO's segmentation\), or name masks with"):
        propose(tmp_path, str(tmp_path), MACHINE)


@pytest.mark.parametrize("text", ["0 0.5 0.5 0.2", "0 0.5 0.5 0.2 1.5", "0.5 0.5 0.5 0.2 0.1", "a 0 0 0 0", "\xff"])
def test_other_texts_of_the_pictures_names_are_no_boxes(root, text):
    for path in root.glob("labels/*/*.txt"):
        path.write_text(text, "latin-1")
    assert annotated.find(read(root)) is None


@pytest.mark.parametrize("nothing", ["", "\n"])
def test_labels_that_all_hold_nothing_are_none(root, nothing):
    for path in root.glob("labels/*/*.txt"):
        path.write_text(nothing)
    assert annotated.find(read(root)) is None
