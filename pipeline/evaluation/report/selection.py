"""Which of any number of images the evaluation page shows: the worst ones, and the worst ones of each class."""

from bisect import insort
from collections import Counter

import numpy as np

from pipeline.core.metrics import Scores

MOST_WORST = 700
"""Images with the lowest mean IoU that are shown; all, if there are no more."""
MOST_OF_CLASSES = 300
"""Images that are shown for the classes, as many for each, beside the worst ones."""

_Key = tuple[bool, float, str]  # the smaller, the worse; ids decide between equal scores


class Selection:
    """The images to be shown of those that came so far; which they are in the end does not depend on their order."""

    def __init__(self, num_classes: int, *, worst: int = MOST_WORST, of_classes: int = MOST_OF_CLASSES) -> None:
        """Take how many images there may be: the worst, and those for all classes, at least one for each."""
        self.worst, self.of_class = worst, max(1, of_classes // num_classes)
        self.offered = 0
        """Number of images that came."""
        self._worst: list[_Key] = []
        self._of_classes: list[list[_Key]] = [[] for _ in range(num_classes)]
        self._held = Counter[str]()  # lists that an image is in

    def offer(self, image_id: str, scores: Scores, present: tuple[int, ...]) -> tuple[bool, list[str]]:
        """Take an image; return whether it is among those to be shown, and which ones no longer are.

        Args:
            image_id: a new one.
            scores: of the image; one without a mean IoU counts as the best.
            present: the classes in its truth, for which it may be shown.
        """
        self.offered += 1
        dropped = self._put(self._worst, self.worst, image_id, scores.miou)
        for label in present:
            dropped += self._put(self._of_classes[label], self.of_class, image_id, float(scores.class_ious[label]))
        gone = [name for name in dropped if not self._held[name]]
        for name in gone:
            self._held.pop(name, None)
        return image_id in self._held, [name for name in dict.fromkeys(gone) if name != image_id]

    def _put(self, keys: list[_Key], most: int, image_id: str, score: float) -> list[str]:
        """Put an image into a list of the worst; return the one that this puts out."""
        insort(keys, (bool(np.isnan(score)), float(np.nan_to_num(score)), image_id))
        self._held[image_id] += 1
        if len(keys) <= most:
            return []
        _, _, out = keys.pop()
        self._held[out] -= 1
        return [out]

    def described(self) -> str:
        """Return in words which images are shown, "" if all are."""
        if len(self._held) == self.offered:
            return ""
        return (
            f"{len(self._held):,} of {self.offered:,} images: the {self.worst:,} with the lowest mean IoU, and of each "
            f"class the {self.of_class:,} in which its IoU is lowest."
        )
