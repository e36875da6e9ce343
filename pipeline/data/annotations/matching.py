"""Which image a file of annotations means by a name."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath


def image_of(names: Iterable[str], images: Iterable[str], file: str) -> dict[str, str]:
    """Return the path of the image that each name means; of an image that does not exist, the name's last part.

    A name is a path's end, or its last part alone. Of several images of that name it is the one in the folder of the
    file of annotations, or nearest above that has one below it, or in a folder whose name is a word of the file's: of
    train2017 for instances_train2017.json.

    Args:
        names: as a file of annotations writes them.
        images: paths below the data set's folder.
        file: path of the file of annotations.

    Raises:
        ValueError: a name could mean several images, or two names mean the same one.

    Example:
        >>> image_of(["7.jpg"], ["train/7.jpg", "val/7.jpg"], "annotations/polygons_val.json")
        {'7.jpg': 'val/7.jpg'}
    """
    by_end: dict[str, list[str]] = {}  # by the last part, and by the last two: frames of many folders have one name
    for image in images:
        for end in {PurePosixPath(image).name, _last_two(image)}:
            by_end.setdefault(end, []).append(image)
    image_by_name: dict[str, str] = {}
    for name in names:
        path = name.replace("\\", "/")
        ends = [image for image in by_end.get(_last_two(path), []) if f"/{image}".endswith(f"/{path}")]
        image_by_name[name] = _choose(path, sorted(ends or by_end.get(PurePosixPath(path).name, [])), file)
    if len(set(image_by_name.values())) < len(image_by_name):
        image, _ = Counter(image_by_name.values()).most_common(1)[0]
        same = [name for name, other in image_by_name.items() if other == image]
        raise ValueError(f"{file}: expected a name for each image, got {same[0]} and {same[1]}, which both are {image}")
    return image_by_name


def _last_two(path: str) -> str:
    return "/".join(path.rsplit("/", 2)[-2:])


def _nearest(images: list[str], file: str) -> list[str]:
    """Return the images below the nearest folder above a file that has any."""
    for folder in PurePosixPath(file).parents:
        if near := [image for image in images if folder in PurePosixPath(image).parents]:
            return near
    return []


def _choose(name: str, images: list[str], file: str) -> str:
    if not images:
        return PurePosixPath(name).name
    ends = [image for image in images if f"/{image}".endswith(f"/{name}")] or images
    folder = str(PurePosixPath(file).parent)
    words = set(re.split(r"[\W_]+", PurePosixPath(file).stem))
    for chosen in (
        ends,
        [image for image in ends if str(PurePosixPath(image).parent) == folder],
        _nearest(ends, file),
        [image for image in ends if words & set(PurePosixPath(image).parent.parts)],
    ):
        if len(chosen) == 1:
            return chosen[0]
    raise ValueError(
        f"{file}: expected {name} to be the name of one image, got {ends[0]} and {ends[1]}; narrow dataset.images"
    )
