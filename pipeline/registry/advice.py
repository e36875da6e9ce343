"""What a decision on a version means, in words, and where to look and what to do next."""

from math import isnan

from pipeline.artifacts.scores import Scores
from pipeline.artifacts.verdict import Outcome, Verdict
from pipeline.registry.versions import CHAMPION, Version

WEAK_IOU = 0.2
"""A class below it is hardly recognised: of the pixels that are of it or were predicted as it, fewer than a fifth are
both."""
_NAMED = 12  # weak classes that the line names
_MEANING = {
    Outcome.PROMOTE: "it is the champion now: predictions by models:/{name}@{champion} are its own",
    Outcome.HOLD: "it may be good, but there is no evidence that it is better: the champion, if any, stays",
    Outcome.REJECT: "it misses a limit, or is worse than the champion: the champion, if any, stays",
}


def advice(version: Version, verdict: Verdict, scores: Scores, page: str) -> list[str]:
    """Return lines for the user: what the verdict means, weak classes, where to look, how to try the model.

    Args:
        version: what was decided on.
        verdict: the decision.
        scores: its scores.
        page: path of its evaluation page.
    """
    name = version.model.name
    lines = [_MEANING[verdict.outcome].format(name=name, champion=CHAMPION)]
    if weak := weak_classes(scores):
        shown = ", ".join(f"{name} {iou:.2f}" for name, iou in weak[:_NAMED])
        shown += f" and {len(weak) - _NAMED} more" if len(weak) > _NAMED else ""
        lines.append(f"{scores.split} IoU below {WEAK_IOU:g}, hardly recognised: {shown}")
    address = f"models:/{name}@{CHAMPION}" if verdict.outcome is Outcome.PROMOTE else version.address
    return [
        *lines,
        f"where it is wrong, image by image: {page}",
        f"try it on your images: segnet predict IMAGE --model {address}",
        "all versions and decisions: segnet status, segnet history",
    ]


def weak_classes(scores: Scores) -> list[tuple[str, float]]:
    """Return the classes that occur in the scored masks and have an IoU below WEAK_IOU, the worst first."""
    pixels_C, values = scores.confusion.sum(axis=1), scores.metrics
    ious = [(name, values[f"test/iou/{name}"]) for name, n in zip(scores.names, pixels_C, strict=True) if n]
    return sorted(((name, iou) for name, iou in ious if not isnan(iou) and iou < WEAK_IOU), key=lambda pair: pair[1])
