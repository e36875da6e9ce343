"""Whether data/raw has files or shards: the manifest, the tiles, the page and the scores are the same."""

import json
import shutil
from itertools import chain

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.artifacts import manifest, raw_files
from pipeline.artifacts.validation import Finding, Offender, Validation
from pipeline.crossvalidation import workspace
from pipeline.crossvalidation.folds import Fold
from pipeline.data import download, tile
from pipeline.evaluation import evaluate
from pipeline.files import threads
from pipeline.params.dataset import FolderDataset
from pipeline.params.steps import Tile
from pipeline.validation.facts import gather
from pipeline.validation.page import write_page
from pipeline.validation.tables import summary
from tests.data.test_download import CLASSES, LIMITS
from tests.evaluation.test_evaluate import predictor

FILES, SHARDS = LIMITS.model_copy(update={"files_up_to": 12}), LIMITS.model_copy(update={"files_up_to": 11})
PLACES = ["image", "mask", "outside_mask"]
TILING = Tile(scale=0.9, height=32, width=32, stride_y=24, stride_x=32, drop_unlabelled=True, tiles_per_shard=5)


@pytest.fixture
def dataset(tmp_path):
    """Twelve images: PNG, JPEG, one that is broken, one without a mask, and a mask without an image."""
    generator, root = np.random.default_rng(1), tmp_path / "fields"
    for split in ("train", "val", "test"):
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True)
        for i in range(4):
            size = (40 + i, 70)
            pixels = generator.integers(0, 256, (*size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / f"images/{split}/{split}_{i}.png")
            values = [0, 1, 255, 9] if split == "train" else [0, 1, 255]  # 9 is in no class
            mask = generator.choice(values, size).astype(np.uint8)
            Image.fromarray(mask).save(root / f"masks/{split}/{split}_{i}.png")
    (root / "images/val/val_0.png").unlink()
    Image.fromarray(np.zeros((40, 70, 3), np.uint8)).save(root / "images/val/val_0.JPG")
    (root / "images/test/test_3.png").write_bytes(b"no image")
    (root / "masks/test/test_2.png").unlink()
    (root / "images/val/val_3.png").unlink()
    settings = {"name": "folder", "title": "fields", "path": str(root), "classes": CLASSES, "mask_kind": "index"}
    settings |= {"images": "images/*/*.*", "masks": "masks/*/*.*", "sequence": r"([^/_]+)_[^/]*$"}
    settings |= {"splits": {"by": "folder", "train": "train", "val": "val", "test": "test"}}
    return FolderDataset.model_validate_json(json.dumps(settings))


@pytest.fixture
def both(dataset, tmp_path, monkeypatch):
    """The folders that have files and shards, the latter several and of several batches."""
    monkeypatch.setattr(raw_files, "_BATCH_BYTES", 20_000)
    monkeypatch.setattr(raw_files, "_SHARD_BYTES", 40_000)
    download.run(dataset, FILES, tmp_path / "files")
    download.run(dataset, SHARDS, tmp_path / "shards")
    return tmp_path / "files", tmp_path / "shards"


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_up_to_the_threshold_there_are_files_and_above_it_shards(both):
    files, shards = (contents(folder) for folder in both)
    others = {"manifest.parquet", "dataset.json", "LICENCE.txt"}
    # An image and a mask of each but one of both, and of four training images what is in no class.
    assert len(files.keys() - others) == 11 + 11 + 4
    assert shards.keys() - others == {f"shards/0000{i}.arrow" for i in range(len(shards) - 3)}
    assert len(shards) - 3 >= 2
    assert [path.name for path in both[1].iterdir() if path.is_dir()] == ["shards"]


def test_the_manifests_differ_in_places_alone_and_the_places_hold_the_same_bytes(both):
    one, two = (manifest.read(folder) for folder in both)
    pd.testing.assert_frame_equal(one.images.drop(columns=PLACES), two.images.drop(columns=PLACES))
    assert (one.dataset, one.classes, one.licence, one.splits) == (two.dataset, two.classes, two.licence, two.splits)
    read = raw_files.RawFiles(both[1])
    places = [list(chain.from_iterable(each.images[PLACES].to_numpy())) for each in (one, two)]
    assert [place == "" for place in places[0]] == [place == "" for place in places[1]]
    for path, place in zip(*places, strict=True):
        assert path == "" or (both[0] / path).read_bytes() == read.source(place)


def test_the_tiles_are_the_same(both, tmp_path):
    tiles = []
    for folder in both:
        tile.run(manifest.read(folder), folder, tmp_path / "tiles", TILING)
        tiles.append(contents(tmp_path / "tiles"))
        shutil.rmtree(tmp_path / "tiles")
    assert tiles[0] == tiles[1]
    assert len(tiles[0]) > 5


@pytest.mark.slow
def test_many_small_images_are_downloaded_and_cut_to_the_same_bytes_by_processes(dataset, both, tmp_path, monkeypatch):
    source = manifest.read(both[1])
    tile.run(source, both[1], tmp_path / "tiles", TILING)
    monkeypatch.setattr(threads, "_MANY", 1)
    monkeypatch.setattr(threads, "_ALONE", 0.0)
    monkeypatch.setattr(threads, "ThreadPoolExecutor", None)
    download.run(dataset, SHARDS, tmp_path / "again")
    tile.run(source, both[1], tmp_path / "tiles_again", TILING)
    assert contents(tmp_path / "again") == contents(both[1])
    assert contents(tmp_path / "tiles_again") == contents(tmp_path / "tiles")


def test_the_scores_are_the_same(both):
    found = []
    for folder in both:
        source = manifest.read(folder)
        scores = evaluate.run(predictor(source.classes), source, folder)
        found.append((scores.test_data, scores.ids, scores.counts.tolist(), scores.boundaries.tolist(), scores.metrics))
        assert len(scores.ids) == 2  # of four test images one is broken, and one has no mask
    assert found[0] == found[1]


def test_the_page_of_validation_is_the_same(both):
    pages = []
    for folder in both:
        source = manifest.read(folder)
        offenders = [Offender(name, "not as it should be", (name,)) for name in source.images["id"]]
        pair = Offender("two", "alike", tuple(source.images["id"][:2]))
        finding = Finding("missing_pair", "error", False, "a pair", "seen", (*offenders, pair))
        validation = Validation(source.dataset, summary(gather(source)), (finding,))
        write_page(validation, source, folder, folder / "page.html")
        pages.append((folder / "page.html").read_text())
    assert pages[0] == pages[1]
    # Six images and two classes; then of each image it and its mask, but for what is missing or broken; and the pair.
    assert pages[0].count('src="data:image') == 6 + 2 + 24 - 3 + 2


def test_any_number_of_cores_writes_the_same_shards(both, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(threads, "_SMALL", 0)
    for cores in (1, 3):
        monkeypatch.setattr(threads.cores, "usable", lambda cores=cores: range(cores))
        download.run(dataset, SHARDS, tmp_path / "again")
        assert contents(tmp_path / "again") == contents(both[1])


def test_running_download_again_turns_files_into_shards_and_back(both, dataset):
    files, shards = (contents(folder) for folder in both)
    download.run(dataset, SHARDS, both[0])
    assert contents(both[0]) == shards
    download.run(dataset, FILES, both[1])
    assert contents(both[1]) == files


def test_a_file_beside_shards_that_download_did_not_write_is_refused(both, dataset):
    (both[1] / "shards/notes.txt").write_text("mine")
    before = contents(both[1])
    with pytest.raises(ValueError, match=r"got 1 other files, such as shards/notes\.txt; move them elsewhere"):
        download.run(dataset, SHARDS, both[1])
    assert contents(both[1]) == before


def test_a_missing_shard_ends_every_stage_with_what_to_do(both, tmp_path):
    folder = both[1]
    source = manifest.read(folder)
    for path in (folder / "shards").iterdir():
        path.unlink()
    missing = r"shards/0000\d\.arrow: expected the shard with .* that the download stage writes: .*; run it again"
    with pytest.raises(ValueError, match=missing):
        tile.run(source, folder, tmp_path / "tiles", TILING)
    with pytest.raises(ValueError, match=missing):
        evaluate.run(predictor(source.classes), source, folder)
    with pytest.raises(ValueError, match=missing):
        write_page(Validation(source.dataset, summary(gather(source)), ()), source, folder, tmp_path / "page.html")
    assert not (tmp_path / "tiles").exists()


def test_folds_read_the_shards_of_the_repository(both, tmp_path):
    source = manifest.read(both[1])
    ids = source.usable["id"].tolist()
    own = workspace.fold_of(source, Fold("a", tuple(ids[:2]), (ids[2],), tuple(ids[3:5]), ()))
    workspace.lay_out(tmp_path / "fold", both[1], own, b"")
    raw = tmp_path / "fold/data/raw"
    read = [raw_files.RawFiles(folder) for folder in (raw, both[1])]
    places = manifest.read(raw).images["image"]
    assert len(places) == 5
    assert all(read[0].source(place) == read[1].source(place) for place in places)
