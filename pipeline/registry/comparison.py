"""How the gate computes a candidate's gains on the champion, and at which level it judges the gain in mIoU.

Many challengers may be judged on the same test images against the same champion. If each were judged at the full rate
of false promotions, alpha = (1 - level) / 2, one of them would soon be promoted by luck. So alpha is spent: the k-th is
judged at

    alpha_k = alpha / (k (k + 1)),    alpha_1 + ... + alpha_n = alpha (1 - 1 / (n + 1)) < alpha

By the union bound, the chance that any of them is promoted without being better is at most alpha, however many come and
however they depend on each other (alpha-spending: Foster and Stine, J. R. Stat. Soc. B 70(2), 2008; Tian and Ramdas,
Stat. Methods Med. Res. 30(4), 2021). It is not if challengers are chosen by what they scored on these very images.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import floor, log10
from typing import Any, Protocol

from pipeline.artifacts.scores import Scores
from pipeline.core import bootstrap, jackknife
from pipeline.core.arrays import Counts
from pipeline.core.bootstrap import Difference, Resampling


class Comparison(Protocol):
    """A way to compare two models on the same test images."""

    @property
    def level(self) -> float:
        """Level of the intervals of the classes' gains."""

    @property
    def images_per_block(self) -> int:
        """The most neighbouring images of a sequence in a block."""

    @property
    def rule(self) -> Mapping[str, float]:
        """Its settings, for the verdict's rule."""

    @property
    def spent(self) -> Mapping[str, float]:
        """What the verdict's rule says too if the models were compared."""

    @property
    def interval_name(self) -> str:
        """What the verdict's reasons call the interval of the gain in mIoU."""

    def too_few(self, blocks: int) -> str | None:
        """Return what is expected of the test images, and what to do, if so many blocks of them say nothing."""

    def gains(self, ours: Scores, theirs: Scores, blocks_N: Counts) -> dict[str, Difference]:
        """Return by how much `ours` exceed `theirs` in miou and iou/<class>."""


@dataclass(frozen=True)
class Jackknife:
    """t intervals over blocks of neighbouring images (core/jackknife.py), of which the gain in mIoU spends a share."""

    level: float
    images_per_block: int
    spending: bool
    """Whether later challengers are judged at a higher level."""
    challenger: int
    """Number of the candidate among those judged on the same test images against the same champion, from 1."""

    @property
    def gain_level(self) -> float:
        """Return the level of the interval of the gain in mIoU."""
        share = 1 / (self.challenger * (self.challenger + 1)) if self.spending else 1
        return 1 - (1 - self.level) * share

    @property
    def rule(self) -> Mapping[str, float]:
        """Return the settings."""
        return {"level": self.level, "images_per_block": self.images_per_block}

    @property
    def spent(self) -> Mapping[str, float]:
        """Return the candidate's number, and the level at which it is judged."""
        return {"challenger": self.challenger, "gain_level": self.gain_level}

    @property
    def interval_name(self) -> str:
        """Return its level, and of which challenger it is."""
        return f"{percent(self.gain_level)} interval for challenger {self.challenger} on these test images"

    def too_few(self, blocks: int) -> str | None:
        """Return a sentence if there are fewer blocks than core/jackknife.py needs."""
        if blocks >= jackknife.MIN_BLOCKS:
            return None
        return (
            f"expected test images of {jackknife.MIN_BLOCKS} independent blocks or more, got {blocks}, too few to say "
            "how sure a gain is; add test images, or set evaluate.images_per_block lower if images that far apart no "
            "longer resemble each other"
        )

    def gains(self, ours: Scores, theirs: Scores, blocks_N: Counts) -> dict[str, Difference]:
        """Return the gains, that in mIoU at its own level."""
        gains = jackknife.paired_gains(ours.counts, theirs.counts, blocks_N)
        classes = (gain.interval(self.level) for gain in gains.class_ious)
        return _named(ours, gains.miou.interval(self.gain_level), classes)


@dataclass(frozen=True)
class Percentile:
    """The paired percentile bootstrap, by which entries of the log up to 2026-11-26 were decided."""

    level: float
    images_per_block: int
    resamples: int
    seed: int

    @property
    def rule(self) -> Mapping[str, float]:
        """Return the settings."""
        return {
            "level": self.level,
            "resamples": self.resamples,
            "images_per_block": self.images_per_block,
            "seed": self.seed,
        }

    @property
    def spent(self) -> Mapping[str, float]:
        """Return nothing: every challenger was judged at the same level."""
        return {}

    @property
    def interval_name(self) -> str:
        """Return its level."""
        return f"{self.level * 100:g}% interval"

    def too_few(self, blocks: int) -> str | None:
        """Return a sentence if there is a single block."""
        if blocks > 1:
            return None
        return (
            "expected test images of two blocks or more, got one, which says nothing of other images; set "
            "evaluate.images_per_block lower"
        )

    def gains(self, ours: Scores, theirs: Scores, blocks_N: Counts) -> dict[str, Difference]:
        """Return the gains, all at the same level."""
        resampling = Resampling(blocks_N, self.resamples, self.level, self.seed)
        differences = bootstrap.paired_difference(ours.counts, theirs.counts, resampling)
        return _named(ours, differences.miou, differences.class_ious)


def of_rule(rule: Mapping[str, Any]) -> Comparison:
    """Return the comparison by which a verdict with that rule was reached."""
    level, images_per_block = rule["level"], rule["images_per_block"]
    if "resamples" in rule:
        return Percentile(level, images_per_block, rule["resamples"], rule["seed"])
    return Jackknife(level, images_per_block, rule["alpha_spending"], rule.get("challenger", 1))


def level_used(rule: Mapping[str, Any]) -> str:
    """Return, in words, at which level the gain in mIoU was judged by a verdict with that rule."""
    if "challenger" in rule:
        number = f"challenger {rule['challenger']} of this champion on these test images"
        return f"the gain on the champion was judged at the {percent(rule['gain_level'])} level: {number}"
    if "resamples" in rule:
        return f"any gain on a champion was judged at the {rule['level'] * 100:g}% level, by the percentile bootstrap"
    return "there was no gain on a champion to judge"


def percent(level: float) -> str:
    """Return a level as a percentage, with three significant digits of what is missing to 100%.

    >>> percent(0.975), percent(1 - 0.05 / 6), percent(1 - 0.05 / 2550)
    ('97.5%', '99.167%', '99.99804%')
    """
    decimals = 2 - floor(log10(100 - 100 * level))
    return f"{round(100 * level, decimals):.15g}%"


def _named(scores: Scores, miou: Difference, classes: Iterable[Difference]) -> dict[str, Difference]:
    return {"miou": miou, **{f"iou/{name}": each for name, each in zip(scores.names, classes, strict=True)}}
