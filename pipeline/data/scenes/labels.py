"""What a pixel of a scene can show, in the order of CamVid's class table."""

from enum import IntEnum


class Label(IntEnum):
    """Mask value of a pixel."""

    SKY = 0
    BUILDING = 1
    POLE = 2
    ROAD = 3
    PAVEMENT = 4
    TREE = 5
    SIGN_SYMBOL = 6
    FENCE = 7
    CAR = 8
    PEDESTRIAN = 9
    BICYCLIST = 10
    VOID = 11
