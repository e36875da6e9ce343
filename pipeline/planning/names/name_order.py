"""Which values the names in a list are those of."""

from collections.abc import Collection, Mapping, Sequence

from pipeline.planning.contents import Label
from pipeline.planning.names.label_names import Name, is_ignored, is_rest
from pipeline.planning.names.names_files import NamesFile

Numbered = tuple[Mapping[Label, Name], tuple[str, ...]]
"""Names of values, and what could not be decided about them."""


def numbered(file: NamesFile, values: Collection[Label]) -> Numbered:
    """Return the names of an index mask's values, with a question where a list without values may count otherwise.

    A list of n names counts from 0, unless the masks hold 1 to n: there 0, if they hold it, is what none of the names
    is about. LabelMe's counts from -1, which its masks have as 255. Where there are as many values as names, but others
    than 0 to n - 1, they are taken in their order.
    """
    texts, held = list(file.names.values()), sorted(int(value) for value in values if value is not None)
    if not file.is_list:
        return file.names, ()
    most, below = len(texts) - 1, [value for value in held if value != 255]
    first, last = texts[0].text, texts[-1].text
    is_of_labelme = first == "__ignore__" and max(below, default=0) < most
    if is_of_labelme or (is_ignored(first) and held == [*range(most), 255]):
        asked = f"Is value 255 {first}, the first name in {file.path}, and 0 {texts[1].text}? Default: yes"
        return {255: texts[0], **dict(enumerate(texts[1:]))}, () if is_of_labelme else (asked,)
    if max(below, default=0) <= most and held != [0, 255]:
        return _with_255(file, held)
    if max(below) == most + 1 and not is_ignored(first) and not is_rest(first):
        rest: dict[Label, Name] = {0: Name("background", ignore=False)} if 0 in held else {}
        asked = f"Is value {len(texts)} {last}, the last name in {file.path}? Default: yes, it counts from 1"
        return {**rest, **dict(enumerate(texts, 1))}, (asked,)
    return _in_order(file, held)


def _with_255(file: NamesFile, held: Sequence[int]) -> Numbered:
    """Return a list's names of the values from 0 on, and its last name's of 255 where that is void."""
    texts, last = dict(file.names), len(file.names) - 1
    if texts[last].ignore and 255 in held and last not in held:
        return {255: texts.pop(last), **texts}, ()
    if held != [*range(last), 255]:
        return _from_0(file, held)
    asked = f"Is value 255 {texts[last].text}, the last name in {file.path}? Default: no, it is ignored"
    return texts, (asked,)


def _from_0(file: NamesFile, held: Sequence[int]) -> Numbered:
    """Return a list's names of the values from 0 on, with a question where they may as well be those from 1 on.

    Masks without the first value or the last hold less than the list has, in which case 0 may be none of its names.
    """
    first, last = file.names[0], len(file.names) - 1
    missing = next((value for value in (0, last) if value not in held), None)
    if missing is None or first.ignore or is_rest(first.text):
        return file.names, ()
    why = "0, so the list may count from 1" if missing == 0 else f"{missing}, {file.names[missing].text}"
    asked = (
        f"Is value 0 {first.text}, the first name in {file.path}? Default: yes; but no mask that was read holds {why}"
    )
    return file.names, (asked,)


def _in_order(file: NamesFile, held: Sequence[int]) -> Numbered:
    """Return a list's names of values that are others than 0 to n - 1."""
    texts, background = list(file.names.values()), Name("background", ignore=False)
    first, last, is_of_rest = texts[0].text, texts[-1].text, texts[0].ignore or is_rest(texts[0].text)
    if held == [0, 255] and (len(texts) == 2 or (len(texts) == 1 and not is_of_rest)):
        asked = f"Is value 255 {last}, the last name in {file.path}? Default: yes, the masks hold 0 and 255 alone"
        return {0: texts[0] if len(texts) == 2 else background, 255: texts[-1]}, (asked,)
    below, above = [value for value in held if value != 255], [value for value in held if value or is_of_rest]
    for values in (held, below, above):
        if len(values) == len(texts) > 1 and values[-1] - values[0] >= len(values):
            rest: dict[Label, Name] = {} if values[0] == held[0] else {held[0]: background}
            shown = ", ".join(map(str, values[:10]))
            asked = f"Are the names in {file.path} those of the values {shown} in this order? Default: yes"
            return {**rest, **dict(zip(values, texts, strict=True))}, (asked,)
    if held == [0, 255]:
        return _from_0(file, held)
    asked = f"Is value 0 {first}, the first name in {file.path}? Default: yes; the masks hold values up to {below[-1]}"
    return file.names, (f"{asked}, and its last name is that of {len(texts) - 1}",)
