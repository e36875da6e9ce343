"""Names of colours that stand for values: of an index mask that was saved as RGB, grey or, as CARLA's, red."""

from collections import Counter
from dataclasses import replace

from pipeline.planning.contents import Contents, Label
from pipeline.planning.listing import Listing
from pipeline.planning.names import class_names
from pipeline.planning.names.class_names import Known
from pipeline.planning.names.label_names import Name

_GREY, _RED = 0x010101, 0x010000
_VISIBLE = 0x800000  # a red that is no value, but somebody's choice for what is to be seen


def names(contents: Contents, listing: Listing, mask: str) -> Known:
    """Return the names of a colour mask's colours by those that files or layouts give to values, if there are any.

    See class_names.of_pixels.
    """
    colours = [colour for colour in contents.pixels if isinstance(colour, int)]
    unit = next((unit for unit in (_GREY, _RED) if not any(colour % unit for colour in colours)), 0)
    if not any(colours) or not unit or (unit == _RED and max(colours) >= _VISIBLE):
        return Known({})
    by_mask = {
        image: Counter[Label]({colour // unit: count for colour, count in held.items() if isinstance(colour, int)})
        for image, held in contents.by_mask.items()
    }
    found = class_names.of_pixels(replace(contents, kind="index", by_mask=by_mask), listing, mask)
    named: dict[Label, Name] = {value * unit: name for value, name in found.names.items() if isinstance(value, int)}
    if not named.keys() & contents.pixels.keys():
        return Known({}, questions=found.questions)
    first = min(colour for colour in colours if colour)
    asked = (
        f"Are the masks' colours values, such as {first // unit} for {first:06x}? Default: yes, named by {found.said}"
    )
    return replace(found, names=named, questions=(asked, *found.questions))
