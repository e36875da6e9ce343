import sys

import pytest

from pipeline.files.printable import ManyLinesError, printable
from tests.support import hostile


def test_exactly_the_characters_that_act_are_written_out():
    everything = [chr(code) for code in range(sys.maxunicode + 1)]
    changed = {character for character in everything if printable(character) != character}
    assert changed == hostile.acting("".join(everything))
    assert len(changed) == 32 + 33 + 2 + 9 + 2048  # C0, DEL and C1, separators, bidi, surrogates


@pytest.mark.parametrize("text", hostile.KINDS.values(), ids=hostile.KINDS)
def test_nothing_acts_any_more_and_the_rest_stays(text):
    shown = printable(text)
    assert not hostile.acting(shown)
    assert shown.encode().decode("unicode_escape") == text


def test_text_of_every_script_stays_as_it_is():
    text = "Gehweg [red] Straße 道路 дорога طريق a\\n"
    assert printable(text) == text


def test_what_may_stay_stays():
    assert printable("a\n\tb\x1b", keep="\n\t") == "a\n\tb\\x1b"


def test_an_error_of_many_lines_has_them_as_its_text():
    assert str(ManyLinesError("a:", "  b", "  c")) == "a:\n  b\n  c"
