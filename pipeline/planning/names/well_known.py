"""Class names of well-known data sets, which their folders and file names tell."""

import re
from pathlib import PurePosixPath

from pipeline.core.classes import CAMVID
from pipeline.planning.contents import Label
from pipeline.planning.names.label_names import Name, named

_VOC = (
    "background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person "
    "pottedplant sheep sofa train tvmonitor"
)
"""Pascal VOC's classes by value; 255 is void (host.robots.ox.ac.uk/pascal/VOC/voc2012, section 3)."""
_CITYSCAPES = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light",
    20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car", 27: "truck",
    28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle",
}  # fmt: skip
"""The 19 classes that Cityscapes evaluates, by labelId (cityscapesScripts, helpers/labels.py); others are ignored."""
_OF_VOC = r"20\d\d_\d{6}"
_OF_CAMVID = r"(0001TP|0006R0|0016E5|Seq05VD)_f?\d+"
"""File names of the two data sets; others have taken over their folders' names."""


def of_layout(mask: str) -> tuple[dict[Label, Name], str, bool]:
    """Return the names of the data set whose folders or file names a mask's path has, and where they are from.

    Nothing, "" if none is known. The last says whether the file is named as that data set's are.
    """
    path = PurePosixPath(mask)
    if "SegmentationClass" in path.parts:
        names = {**_in_order(_VOC.split()), 255: Name("void", ignore=True)}
        return names, "Pascal VOC's, by the layout", re.fullmatch(_OF_VOC, path.stem) is not None
    if mask.endswith("_gtFine_labelIds.png"):
        ids = (*range(34), 255)
        names = {i: Name(_CITYSCAPES.get(i, "ignored"), i not in _CITYSCAPES) for i in ids}
        return names, "Cityscapes', by the layout", True
    if any(part in ("trainannot", "valannot", "testannot") for part in path.parts):
        names = _in_order([*CAMVID.names, "unlabelled"])
        return names, "CamVid's in the SegNet release, by the layout", re.fullmatch(_OF_CAMVID, path.stem) is not None
    return {}, "", False


def _in_order(names: list[str]) -> dict[Label, Name]:
    return {i: named(name) for i, name in enumerate(names)}
