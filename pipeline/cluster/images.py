"""Work on many images by tasks on all nodes of a cluster, which need to see no file: to the bytes of one machine."""

from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.cluster import tasks
from pipeline.files.threads import Images, OnAll, Work, on_all_cores, shown

if TYPE_CHECKING:
    from pipeline.params.steps import Placement

FEW = 1000
"""Fewer images are read and written by this machine, before tasks on nodes would have started."""
_RANGE = 256  # images of one task, so that starting it costs little
_RANGE_BYTES = 120_000_000  # that its images take together when they are worked on, at which a range ends

Item = TypeVar("Item")
Sent = TypeVar("Sent")
Made = TypeVar("Made")
Result = TypeVar("Result")


def on_all(placement: "Placement") -> OnAll:
    """Return what works on the images of a data set: the nodes of the cluster, or this machine's cores without one.

    Few images stay with this machine. Either raises what the work does; nodes also ClusterError, as `tasks.on_nodes`.
    """
    return partial(_on_all_nodes, placement) if tasks.is_at_hand() else on_all_cores


def _on_all_nodes(
    placement: "Placement", work: Work[Item, Any, Any, Result], items: Collection[Item], title: str, images: Images
) -> Iterator[Result]:
    if images.number < FEW:
        yield from on_all_cores(work, items, title, images)
        return
    with closing(by_nodes(work, items, images, placement, on_gpus=False, at_most=_RANGE)) as results:
        yield from shown(results, len(items), title)


def by_nodes(
    work: Work[Item, Sent, Any, Result],
    items: Iterable[Item],
    images: Images,
    placement: "Placement",
    *,
    on_gpus: bool,
    at_most: int,
) -> Generator[Result, None, None]:
    """Yield the result of each item, in order; nodes make what is made of contiguous ranges of the images.

    This process loads and stores, so its files alone are read and written. A few ranges are under way at a time.

    Args:
        work: what is done.
        items: with what.
        images: those of all items, the largest of which decides how many a range has.
        placement: on which nodes.
        on_gpus: whether GPUs do it where nodes have some.
        at_most: so many images are a range.

    Raises:
        ClusterError: as `tasks.on_nodes`.
    """
    items_of = deque[tuple[int, Item]]()  # of each image under way: the item that it is of, and its number

    def sent() -> Iterator[Sent]:
        for numbered in enumerate(items):
            for image in work.load(numbered[1]):
                items_of.append(numbered)
                yield image

    remaining, number_of = sent(), _images_of_a_range(images, at_most)
    ranges = iter(lambda: list(islice(remaining, number_of)), [])
    with tasks.on_nodes(partial(_make, work.make), ranges, placement, on_gpus=on_gpus) as made:
        parts = ((items_of.popleft(), of_image) for of_image in chain.from_iterable(made))
        for (_, item), of_item in groupby(parts, key=itemgetter(0)):
            yield work.store(item, chain.from_iterable(made_of for _, made_of in of_item))


def _images_of_a_range(images: Images, at_most: int) -> int:
    return max(1, min(at_most, _RANGE_BYTES // max(1, images.largest * images.bytes_per_pixel)))


def _make(make: Callable[[Sent], Iterable[Made]], images: list[Sent]) -> list[list[Made]]:
    """Return the parts of what is made of each image; runs on a node."""
    return [list(make(image)) for image in images]
