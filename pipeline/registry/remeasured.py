"""What the gate measures of a registered version anew, by its model: scores on other test images, and latency."""

from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.artifacts import manifest, scores as score_files
from pipeline.artifacts.scores import Scores
from pipeline.evaluation import evaluate
from pipeline.inference import predict
from pipeline.inference.predict import Predictor
from pipeline.params.evaluation import Evaluate
from pipeline.params.steps import Placement
from pipeline.registry import file_record, model_files
from pipeline.registry.versions import Version

_TIMINGS = 5  # per model; the median counts


def score_again(champion: Version, scores: Scores, raw: Path, settings: Evaluate, placement: Placement) -> str | None:
    """Score a version on the test images of `scores`, and keep the evidence beside it.

    Returns:
        The digest of the evidence; None if data/raw, which is `raw`, lacks the images.

    Raises:
        ValueError: the version's files are missing or were changed, or its classes are others.
        ClusterError: as for `evaluate.run`.
    """
    try:
        source = manifest.scan(raw)
        test_data = evaluate.digest(evaluate.scored_images(source))
    except ValueError:
        return None
    if test_data != scores.test_data:
        return None
    with TemporaryDirectory() as folder:
        model = model_files.download(champion.model.uri, champion.address, Path(folder))
        result = evaluate.run(_predictor(champion, model), source, raw, placement=placement)
    with TemporaryDirectory() as folder:
        score_files.write(Path(folder), result, evaluate.intervals(result, settings))
        name = file_record.evidence_name(Path(folder))
        model_files.upload(champion, Path(folder), f"{model_files.EVIDENCE}/{name}")
    return name


def latency_ms(version: Version, folder: Path) -> float:
    """Return the median time that a version takes for an image of the tiles' size; `folder` is a copy of its model."""
    return predict.latency_ms(_predictor(version, folder), repeats=_TIMINGS)


def _predictor(version: Version, folder: Path) -> Predictor:
    """Return the model in a folder, which predicts as the version does."""
    return predict.load(folder, **{**predict.PLAIN, **model_files.options(version.model.uri, version.address)})
