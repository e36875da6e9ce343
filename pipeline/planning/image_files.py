"""What a look at some images tells before all are read: their sizes, and whether the pipeline refuses any."""

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath

from pipeline.data import assignment
from pipeline.data.assignment import Job
from pipeline.data.pairing import Pair
from pipeline.files.decoding import read_header, read_turned
from pipeline.files.images import ImageError, read_image
from pipeline.planning.contents import Contents
from pipeline.planning.evenly import evenly
from pipeline.planning.listing import Listing

_HEADERS = 300  # images whose size is read
_DECODED = 8  # images whose pixels are read too
_DIM = 64  # of 255: white of a camera of 14 bits that stores them in 16
_OF_NNUNET = re.compile(r"(.*imagesT[rs]/[^/]*_)0000(\.[^.]+)")  # a case's first channel


def told(listing: Listing, root: Path, jobs: Collection[Job], contents: Contents) -> tuple[str, ...]:
    """Return facts about images without a partner, those that count as background, and pictures that are not used."""
    alone = sum(not assignment.is_whole(root, job) for job in jobs)
    left_out = (f"left out: {alone:,} images or masks without the other; validation warns of them",) if alone else ()
    of_pairs = (*_background(jobs), *_bare(contents), *_of_other_sizes(root, contents))
    return *left_out, *of_pairs, *unused(listing, (job.pair for job in jobs))


def _background(jobs: Iterable[Job]) -> tuple[str, ...]:
    images = [job.pair.path for job in jobs if assignment.is_background(job)]
    if not images:
        return ()
    number = f"{len(images):,} image{'s' if len(images) > 1 else ''}"
    return (f"background: {number} without a text file, such as {images[0]}: YOLO's have no object then",)


def _bare(contents: Contents) -> tuple[str, ...]:
    if not (bare := contents.bare):
        return ()
    of_all = f"{len(bare):,} of {len(contents.by_mask):,} images looked at"
    return (f"background alone: {of_all} have no shape in the annotations, such as {bare[0]}",)


def _of_other_sizes(root: Path, contents: Contents) -> tuple[str, ...]:
    """Return a fact about masks with another number of pixels than their images, of those looked at."""
    differing = []
    for image, held in contents.by_mask.items():
        try:
            height, width, _ = read_turned(root / image)
        except (ImageError, OSError):
            continue
        if held and (pixels := held.total()) != height * width:  # nothing is held of a broken image
            differing.append(f"{image} is {width} x {height}, and its mask has {pixels:,} pixels")
    if not differing:
        return ()
    of_all = f"{len(differing):,} of {len(contents.by_mask):,} images looked at"
    return (f"another size: the masks of {of_all}, which validation stops at; {differing[0]}",)


def unused(listing: Listing, pairs: Iterable[Pair]) -> tuple[str, ...]:
    """Return a fact about the pictures that are neither image nor mask of a pair, if there are any."""
    used = {path for pair in pairs for path in (pair.image, pair.mask)}
    others = [path for path in listing.pictures if path not in used]
    of_folders = {PurePosixPath(path).parent.name: path for path in reversed(others)}
    examples = ", ".join(sorted(of_folders.values())[:4])
    return (f"not used: {len(others):,} picture{'s' if len(others) > 1 else ''}, such as {examples}",) if others else ()


def further_channels(listing: Listing, images: Sequence[str]) -> tuple[str, ...]:
    """Return a question about nnU-Net's further channels of a case, each of which is a file, if there are any."""
    pictures = frozenset(listing.pictures)
    first = filter(None, map(_OF_NNUNET.fullmatch, images))
    second = next((path for each in first if (path := f"{each[1]}0001{each[2]}") in pictures), None)
    if second is None:
        return ()
    return (
        f"Is the first of nnU-Net's channels enough? A model takes one RGB image, so that those such as {second} are "
        "not used. Default: yes. If no: merge three channels of each case into one RGB image, and run segnet init "
        "again",
    )


def look_at(root: Path, images: Sequence[str]) -> tuple[list[tuple[int, int]], tuple[str, ...]]:
    """Return height and width of up to 300 images, evenly spread, and a question if some cannot be read.

    A few are decoded: what the pipeline refuses, such as transparency, is often alike in all.

    Args:
        root: the folder of the data set.
        images: their paths below it; lists may name some that are not there, which are left out.

    Raises:
        ValueError: none can be read.
    """
    sizes, there, highest, refused = [], [], list[int](), dict[str, str]()
    for image in evenly(images, _HEADERS):
        try:
            sizes.append(read_turned(root / image)[:2])
            there.append(image)
        except (ImageError, OSError) as err:
            refused[image] = str(err)
    if not sizes:
        problem = next((f": {image}: {why}" for image, why in refused.items()), "")
        raise ValueError(f"expected images that can be read, got none{problem}; fix them, or name another folder")
    for image in evenly(there, _DECODED):
        try:
            pixels = read_image(root / image)
        except (ImageError, OSError) as err:
            refused[image] = str(err)
        else:
            if read_header(root / image)[0].startswith("I"):  # Pillow's modes of 16-bit grey
                highest.append(int(pixels.max()))
    questions = (
        f"Are there images to be fixed first? {image}: {why}. Default: no; the validate stage refuses those that "
        "cannot be read"
        for image, why in refused.items()
        if (root / image).exists()
    )
    return sizes, (*tuple(questions)[:1], *_dim(max(highest, default=255)))


def _dim(highest: int) -> tuple[str, ...]:
    """Return a question about 16-bit images of which no value, as read in 8 bits, is above `highest`."""
    if highest > _DIM:
        return ()
    return (
        "Are the 16-bit images of a camera of fewer bits? No value of those looked at is above "
        f"{(highest + 1) * 257:,}, and white is 65,535: they are read as nearly black. Default: no. If yes: scale them "
        "to 16 bits, or convert them to 8",
    )
