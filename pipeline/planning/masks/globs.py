"""From pairs of files to the two globs that find them."""

import re
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import PurePosixPath

from pipeline.data.pairing import Pair
from pipeline.planning.masks.families import Family

_MOST_WORDS = 30
_WORD = re.compile(r"(?s)[A-Z]*[a-z]+|[A-Z]+|\d+|.")  # or a separator


def of_images(pairs: Sequence[Pair]) -> str:
    """Return the glob of the images of pairs; if they lie in several folders, it names these in braces."""
    alike = [Pair(pair.image, pair.image) for pair in pairs]
    _check_names(alike)
    folders, _ = _folders(alike, in_words=None)
    return "/".join([*folders, "*" + _suffix(pair.image for pair in pairs)])


def of(
    family: Family, *, without: frozenset[str] = frozenset(), levels: frozenset[int] = frozenset()
) -> tuple[str, str]:
    """Return the globs of the images and the masks of a family.

    Args:
        family: the pairs.
        without: names of folders that are left out.
        levels: depths of folders, from 0, at which globs name folders in braces, so that others beside them are none.

    Raises:
        ValueError: no two globs have these pairs, or a folder's name has a character that is a wildcard in globs.
    """
    pairs = [pair for pair in family.pairs if not without & set(PurePosixPath(pair.path).parts)]
    _check_names(pairs)
    image_folders, mask_folders = _folders(pairs, in_words=levels)
    stems = {(PurePosixPath(str(pair.image)).stem, PurePosixPath(str(pair.mask)).stem) for pair in pairs}
    alone = (f"{family.image_start}{family.image_end}", f"{family.mask_start}{family.mask_end}")
    star = "" if stems == {alone} else "*"  # case_7/image.png, case_7/mask.png
    ends = f"{family.image_start}{star}{family.image_end}", f"{family.mask_start}{star}{family.mask_end}"
    suffixes = _suffix(pair.image for pair in pairs), _suffix(pair.mask for pair in pairs)
    masks = "/".join([*mask_folders, ends[1] + suffixes[1]])
    return "/".join([*image_folders, ends[0] + suffixes[0]]), masks.replace("//", "/", 1)


def _check_names(pairs: Iterable[Pair]) -> None:
    """Raise ValueError for a folder whose name is no literal part of a glob."""
    for folder in sorted({path.rpartition("/")[0] for pair in pairs for path in (pair.image, pair.mask) if path}):
        if wildcards := set("*?[]{}") & set(folder):
            raise ValueError(
                f"expected names of folders without {' '.join(sorted(wildcards))}, which have a meaning in "
                f"dataset.images and dataset.masks, got {folder}; rename it"
            )


def _suffix(paths: Iterable[str | None]) -> str:
    suffixes = {PurePosixPath(str(path)).suffix.lower() for path in paths}
    return suffixes.pop() if len(suffixes) == 1 else f".{{{','.join(sorted(each[1:] for each in suffixes))}}}"


def _folders(pairs: Sequence[Pair], *, in_words: frozenset[int] | None) -> tuple[list[str], list[str]]:
    image_parts = [PurePosixPath(str(pair.image)).parent.parts for pair in pairs]
    mask_parts = [PurePosixPath(str(pair.mask)).parent.parts for pair in pairs]
    lengths = {(len(ours), len(theirs)) for ours, theirs in zip(image_parts, mask_parts, strict=True)}
    if len(lengths) > 1 or len({n for pair in lengths for n in pair}) > 1:
        return _deep(image_parts, mask_parts, in_words or frozenset())
    columns = zip(zip(*image_parts, strict=True), zip(*mask_parts, strict=True), strict=True)
    both = [
        _column(ours, theirs, in_words=in_words is None or level in in_words)
        for level, (ours, theirs) in enumerate(columns)
    ]
    return [ours for ours, _ in both], [theirs for _, theirs in both]


def _deep(
    image_parts: Sequence[tuple[str, ...]], mask_parts: Sequence[tuple[str, ...]], in_words: frozenset[int]
) -> tuple[list[str], list[str]]:
    """Return two folders below which images and masks lie in folders of the same names, at any depth.

    Raises:
        ValueError: there are no such folders, nor folders of the same names above those of images and masks.
    """
    if (below := _below(image_parts, mask_parts, in_words)) is not None:
        return below
    ours, theirs = min(map(_heads, image_parts, mask_parts), key=lambda heads: len(heads[0]) + len(heads[1]))
    for image, mask in zip(image_parts, mask_parts, strict=True):
        starts = (image[: len(ours)], mask[: len(theirs)])
        if starts != (ours, theirs) or image[len(ours) :] != mask[len(theirs) :]:
            raise ValueError(
                f"expected images and masks in folders of the same names, got {'/'.join(image)} and {'/'.join(mask)}; "
                "say which are masks by --masks"
            )
    rests = sorted({parts[len(ours) :] for parts in image_parts})
    level = len(ours)
    if len(rests) > 1 and level in in_words and all(rests):  # a folder beside these is left out
        heads = [rest[0] for rest in rests]
        first, _ = _column(heads, heads, in_words=True)
        rest = [first, *(["**"] if {len(rest) for rest in rests} != {1} else [])]
    else:
        rest = ["**"] if len(rests) > 1 else list(rests[0])
    return [*ours, *rest], [*theirs, *rest]


def _below(
    image_parts: Sequence[tuple[str, ...]], mask_parts: Sequence[tuple[str, ...]], in_words: frozenset[int]
) -> tuple[list[str], list[str]] | None:
    """Return the folders of images and masks that lie in one each below the same ones: train/images, train/v2/masks.

    None: they do not.
    """
    shared = min(map(_num_shared, image_parts, mask_parts))
    ends = {(image[shared:], mask[shared:]) for image, mask in zip(image_parts, mask_parts, strict=True)}
    if not shared or len(ends) > 1:
        return None
    columns = [list(column) for column in zip(*(parts[:shared] for parts in image_parts), strict=True)]
    heads = [_column(names, names, in_words=level in in_words)[0] for level, names in enumerate(columns)]
    ours, theirs = ends.pop()
    return [*heads, *ours], [*heads, *theirs]


def _num_shared(image: Sequence[str], mask: Sequence[str]) -> int:
    """Return how many of the first folders of an image and its mask are the same."""
    return sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(image, mask, strict=False)))


def _heads(image: tuple[str, ...], mask: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the folders of an image and its mask without those at the end that both have."""
    shared = 0
    while shared < min(len(image), len(mask)) and image[-1 - shared] == mask[-1 - shared]:
        shared += 1
    return image[: len(image) - shared], mask[: len(mask) - shared]


def _column(ours: Sequence[str], theirs: Sequence[str], *, in_words: bool) -> tuple[str, str]:
    """Return the globs of one level of folders, of the images and of the masks."""
    both = sorted(set(zip(ours, theirs, strict=True)))
    if len(both) == 1:
        return both[0]
    words = [our for our, _ in both]
    if all(our == their for our, their in both):
        braces = "{" + ",".join(words) + "}" if in_words and len(words) <= _MOST_WORDS else "*"
        return braces, braces
    if (heads := _heads_of_nnunet(both)) is not None:
        return heads
    start, _, end = both[0][1].partition(both[0][0])
    if all(their == f"{start}{our}{end}" for our, their in both) and len(set(words)) == len(both):
        braces = "{" + ",".join(words) + "}"
        return braces, f"{start}{braces}{end}"
    if (around := _around_words(both)) is not None:
        return around
    raise ValueError(
        f"expected one rule for the folders of images and masks, got {both[0][0]} with {both[0][1]} and {both[1][0]} "
        f"with {both[1][1]}; say which are masks by --masks"
    )


def _around_words(both: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    """Return the globs of folders that differ in one word, the same for images and masks; None: they are others.

    Example:
        >>> _around_words([("a_test_in", "b_test"), ("a_train_in", "b_train")])
        ('a_{test,train}_in', 'b_{test,train}')
    """
    parts = []
    for names in zip(*both, strict=True):
        words_of = [_WORD.findall(name) for name in names]
        head = _shared_start(words_of)
        tail = _shared_start([[word[::-1] for word in reversed(words)] for words in words_of])[::-1]
        parts.append((head, [name[len(head) : max(len(head), len(name) - len(tail))] for name in names], tail))
    (head, words, tail), (their_head, same, their_tail) = parts
    if words != same or len(set(words)) < len(words) or not all(words):
        return None
    braces = "{" + ",".join(words) + "}"
    return head + braces + tail, their_head + braces + their_tail


def _shared_start(names: Iterable[Sequence[str]]) -> str:
    """Return the words that all names begin with, together."""
    return "".join(words[0] for words in takewhile(lambda each: len(set(each)) == 1, zip(*names, strict=False)))


def _heads_of_nnunet(both: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    """Return the globs of folders such as imagesTr with labelsTr and imagesTs with labelsTs; None: they are others."""
    matches = [(re.fullmatch(r"(.+)(Tr|Ts)", ours), re.fullmatch(r"(.+)(Tr|Ts)", theirs)) for ours, theirs in both]
    parts = [(ours[1], theirs[1]) for ours, theirs in matches if ours and theirs and ours[2] == theirs[2]]
    if len(parts) < len(both) or len(set(parts)) > 1:
        return None
    words = "{" + ",".join(str(ours[2]) for ours, _ in matches if ours) + "}"
    return parts[0][0] + words, parts[0][1] + words
