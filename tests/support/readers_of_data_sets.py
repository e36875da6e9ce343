"""READERS of a user's data set: its files, lists and layout, and the globs that pair images with masks."""

import json
from pathlib import PurePosixPath

from hypothesis import strategies as st
from PIL import Image
from ruamel.yaml import YAML

from pipeline import params
from pipeline.artifacts import manifest
from pipeline.data import assignment, download, pairing, splits
from pipeline.data.pairing import Pair
from pipeline.params.dataset import FolderDataset
from pipeline.planning import proposal
from pipeline.planning.sizes import Machine
from tests.support import layouts
from tests.support.mutations import PATHS, damaged
from tests.support.readers import Reader, broken, example, folder_reader
from tests.support.readers_of_input import LIMITS, PARAMS, image_cases

LISTS = {"by": "list", **{split: f"{split}.txt" for split in manifest.SPLITS}}
OF_FIELDS = {"images": "images/*.png", "masks": "masks/*.png", "sequence": "(.*)", "splits": LISTS}


def write_fields(folder):
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for split in manifest.SPLITS:
        Image.new("RGB", (4, 3)).save(folder / f"images/{split}.png")
        Image.new("L", (4, 3), 1).save(folder / f"masks/{split}.png")
        (folder / f"{split}.txt").write_text(f"images/{split}.png\n")


def data_set_cases():
    """Return a folder of images, masks and lists, one of which is arbitrary."""
    files = example(write_fields)
    lines = st.sampled_from(("images/train.png", "masks/val.png", "a\0b", *PATHS)) | st.text()
    texts = st.lists(lines, max_size=3).map(lambda found: "\n".join(found).encode("utf-8", "surrogatepass"))
    places = st.sampled_from(("images/train.png", "masks/val.png"))
    pictured = st.builds(lambda place, data: {**files, place: data}, places, image_cases())
    return broken(write_fields) | texts.map(lambda text: {**files, "train.txt": text}) | pictured


def read_data_set(folder):
    """Run the download; an image that cannot be read does not stop it but is reported."""
    tree = YAML(typ="safe", pure=True).load(PARAMS[1])["dataset"] | OF_FIELDS | {"path": str(folder)}
    settings = FolderDataset.model_validate_json(json.dumps(tree))
    _, counts = download.run(settings, LIMITS, folder / "raw")
    result = manifest.read(folder / "raw").images
    assert result["split"].value_counts().to_dict() == counts
    assert ((result["height"] > 0) | (result["image"] == "") | (result["problem"] != "")).all()


# Lists of splits --------------------------------------------------------------------------------------------------

LISTED = [Pair(f"images/{name}.png", f"masks/{name}.png") for name in ("a", "b", "ä", "a b")]


def write_lists(folder):
    for split, pair in zip(manifest.SPLITS, LISTED, strict=False):
        (folder / f"{split}.txt").write_text(f"{pair.image}\n")


def list_cases():
    """Return three list files, one of which has lines, encodings or bytes of any kind."""
    lines = st.sampled_from((*(pair.image for pair in LISTED), *PATHS, "a", "images/a.png masks/a.png", "")) | st.text()
    encodings = st.sampled_from(("utf-8", "utf-8-sig", "utf-16", "latin-1"))
    ends = st.sampled_from(("\n", "\r\n", "\r", "\x0b", "\u2028"))
    text = st.builds(
        lambda found, end, encoding: end.join(found).encode(encoding, "replace"),
        *(st.lists(lines, max_size=4), ends, encodings),
    )
    files = example(write_lists)
    return (
        broken(write_lists)
        | text.map(lambda data: {**files, "val.txt": data})
        | text.flatmap(damaged).map(lambda data: {**files, "test.txt": data})
    )


def read_lists(folder):
    """Every line is one image of its split, in order; none leaves the data set."""
    assigned = splits.by_list(LISTED, folder, {split: f"{split}.txt" for split in manifest.SPLITS})
    for split in manifest.SPLITS:
        text = (folder / f"{split}.txt").read_text("utf-8-sig")
        lines = [str(PurePosixPath(line.strip())) for line in text.splitlines() if line.strip()]
        stems = {PurePosixPath(pair.image).stem: pair.image for pair in LISTED}
        full = {str(PurePosixPath(image).with_suffix("")): image for image in stems.values()}
        assert [pair.image for pair in assigned[split]] == [{**stems, **full}.get(line, line) for line in lines]
        assert all((pair in LISTED) == (pair.mask is not None) for pair in assigned[split])
        assert not any(".." in PurePosixPath(pair.image).parts or pair.image[0] == "/" for pair in assigned[split])


# Globs ------------------------------------------------------------------------------------------------------------

FILES = ("images/a.png", "images/b.PNG", "images/[c].png", "images/.hidden.png", "images/d/e.png", "images/ f.png")
PARTS = (
    *("**", "*", "?", "[ab]", "[!a]", "[z-a]", "[a-b]*", "[", "]", "..", ".", "", "/", "a.png", "*.png", "*.*", "d"),
    *("é", "\0", "x" * 300),
)


def globs():
    """Return two patterns, most of which differ only in their first folder."""
    end = st.sampled_from(("*.png", "**/*.png", "*", "**/*.*", "[ab].png", "?/*.png"))
    drawn = st.lists(st.sampled_from(PARTS) | st.text(max_size=3), min_size=1, max_size=3).map("/".join)
    pair = (end | drawn).map(lambda rest: (f"images/{rest}", f"masks/{rest}"))
    return pair | st.tuples(end | drawn, drawn).map(lambda ends: (f"images/{ends[0]}", f"masks/{ends[1]}"))


def pair_up(patterns, folder):
    """Each file is in at most one pair, lies below the folder, and is not hidden."""
    root = folder / "root"
    for kind in ("images", "masks"):
        for name in FILES:
            path = root / name.replace("images", kind, 1)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    pairs = pairing.find(root, *patterns)
    files = [path for pair in pairs for path in (pair.image, pair.mask) if path is not None]
    assert len(set(files)) == len(files)
    assert all((root / path).resolve().is_relative_to(root.resolve()) for path in files)
    assert any(pair.image is not None and pair.mask is not None for pair in pairs)


# What segnet init looks at ----------------------------------------------------------------------------------------

LAYOUTS = (
    *(layouts.voc, layouts.nnunet, layouts.split_document, layouts.segnet_camvid),
    *(layouts.coco, layouts.panoptic, layouts.labelme, layouts.cvat, layouts.yolo),
)


def read_layout(folder):
    """The params that are proposed are valid, which `propose` itself checks, and name a file for each image."""
    proposed = proposal.propose(folder, "own", Machine(cores=2, gpus=0, gpu_bytes=0))
    (folder / "params.yaml").write_text(proposed.text, encoding="utf-8")
    dataset = params.load(folder / "params.yaml").dataset
    assert any(assignment.is_whole(folder, job) for job in assignment.jobs(dataset, folder))


READERS = (
    folder_reader("data sets", data_set_cases, read_data_set),
    folder_reader("layouts", lambda: st.one_of(map(broken, LAYOUTS)), read_layout),
    folder_reader("split lists", list_cases, read_lists),
    Reader("globs", st.deferred(globs), pair_up),
)
