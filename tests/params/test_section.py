"""The bounds of numbers: a slip of the hand ends before any work is done."""

import pytest

from pipeline import params
from pipeline.params import ParamsError
from tests.support import SCENES


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "epochs: 16",
            f"epochs: {10**23}",
            f"train.epochs: expected less than or equal to 1000000, got {10**23}; correct",
        ),
        (
            "resamples: 10000",
            f"resamples: {10**12}",
            "evaluate.resamples: expected less than or equal to 100000, got 1000",
        ),
        ("samples: 0", "samples: 10001", "evaluate.samples: expected less than or equal to 10000, got 10001; correct"),
        ("scale: 1.0", "scale: 1e-9", "tile.scale: expected greater than or equal to 0.01, got "),
        (
            "tiles_per_shard: 64",
            f"tiles_per_shard: {10**9}",
            "tile.tiles_per_shard: expected less than or equal to 1000",
        ),
        (
            "patience_epochs: 0",
            f"patience_epochs: {10**9}",
            "train.patience_epochs: expected less than or equal to 1000",
        ),
    ],
)
def test_numbers_beyond_any_use_are_refused(tmp_path, old, new, line):
    text = SCENES.read_text()
    assert f"  {old}" in text
    (tmp_path / "params.yaml").write_text(text.replace(f"  {old}", f"  {new}", 1))
    with pytest.raises(ParamsError) as error:
        params.load(tmp_path / "params.yaml")
    assert line in str(error.value)
