"""Training from the validation tiles too: the reference is a folder in which they are training tiles."""

import re

import pandas as pd
import pytest
import torch

from pipeline.artifacts import tileset
from pipeline.artifacts.tileset import Tileset
from pipeline.tracking import registered
from pipeline.training import batches, checkpoint, live, train
from pipeline.training.trainer import Job
from tests.support.tiny_data import write_index, write_tiles
from tests.support.tiny_training import SETTINGS, TINY, fit, ignore

BOTH = SETTINGS.model_copy(update={"with_val": True})


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """Nine tiles in each split."""
    return write_tiles(tmp_path_factory.mktemp("toy"))


def relabelled(folder, **splits):
    """Write tiles in a new folder, and give those of a split another one; return the folder."""
    made = write_tiles(folder)
    header, index = tileset.read_index(made)
    write_index(made, header, index.assign(split=index["split"].replace(splits)))
    return made


def test_the_weights_are_those_of_a_folder_in_which_all_are_training_tiles(tiles, tmp_path):
    merged = relabelled(tmp_path / "merged", val="train", test="val")
    assert (len(Tileset(merged, "train")), len(Tileset(tiles, *BOTH.splits))) == (18, 18)
    expected = fit(merged, SETTINGS, tmp_path / "expected").state.model
    found = fit(tiles, BOTH, tmp_path / "found").state.model
    assert all(torch.equal(value, expected[name]) for name, value in found.items())
    alone = fit(tiles, SETTINGS, tmp_path / "alone").state.model
    assert not all(torch.equal(value, alone[name]) for name, value in found.items())


def test_nothing_is_validated_and_the_last_epoch_becomes_the_model(tiles, tmp_path):
    result = fit(tiles, BOTH, tmp_path / "run")
    assert [name for epoch in result.reports for name in epoch if name.startswith("val/")] == []
    assert result.state.best_epoch == 2
    published = checkpoint.last(tmp_path / "run").model
    assert all(torch.equal(value, published[name]) for name, value in result.state.best.items())
    job, header, inputs = train.prepare(tiles, TINY, BOTH, tiles, registered.fetch)
    train.write_outcome(
        result.state, train.spec(job, header, "a"), job, inputs, model=tmp_path / "model", reports=tmp_path
    )
    assert "val/miou" not in pd.read_csv(tmp_path / "history.csv").columns
    assert train.mlflow_params(job, header, inputs)["train"]["with_val"] is True
    assert inputs["train"]["with_val"] is True


def test_classes_are_weighted_by_all_tiles_that_are_learnt_from(tiles, tmp_path):
    settings = BOTH.model_copy(update={"class_weights": "median_frequency"})
    merged = relabelled(tmp_path, val="train", test="val")
    expected, _, _ = train.prepare(merged, TINY, settings.model_copy(update={"with_val": False}), tiles, ignore)
    found, _, _ = train.prepare(tiles, TINY, settings, tiles, ignore)
    assert found.class_weights == expected.class_weights


def test_without_test_images_it_is_refused(tmp_path):
    tiles = relabelled(tmp_path, test="val")
    message = (
        r"train.with_val: expected a test split, got none: no images would be left to score the model on; set it to "
        r"false, or give the data set a test split"
    )
    with pytest.raises(ValueError, match=message):
        train.prepare(tiles, TINY, BOTH, tmp_path, registered.fetch)


def test_pages_and_log_say_it(tiles, tmp_path, caplog):
    caplog.set_level("INFO", "pipeline")
    job = Job(tiles, TINY, BOTH, (1.0, 3.0))
    result = fit(tiles, BOTH, tmp_path / "run")
    with live.watched(tmp_path, job, ignore) as watched:
        for each in result.reports:
            watched.report(each)
        watched.finish(result.state)
    assert f"best epoch 3 of 3, the last; nothing was validated; curves and pictures: {tmp_path}" in caplog.text
    text = re.sub(r"\s+", " ", (tmp_path / "live.html").read_text())
    assert "Four validation tiles, which are learnt from too: " in text
    assert "what the network predicted after the last epoch." in text
    assert "on the validation tiles" not in text
    batches.write_page(tmp_path / "batches.html", job)
    assert "18 training tiles" in re.sub(r"<[^>]+>", "", (tmp_path / "batches.html").read_text())
