"""Which files are annotations, where some cannot be read or hold nothing."""

import json
import re
from collections import Counter

import pytest

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


def test_boxes_are_refused_as_such(root):
    for path in root.glob("labels/*/*.txt"):
        path.write_text("0 0.5 0.5 0.2 0.25\n\n1 0.1 0.2 0.1 1\n")
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
