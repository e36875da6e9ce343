"""Runs from right to left are isolated, and nothing else is."""

import pytest

from pipeline.files import templates
from pipeline.files.direction import bdi, isolated
from tests.support.right_to_left import ROAD, SKY


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("road 0.5", "road 0.5"),
        (ROAD, "[طريق]"),
        (f"{ROAD} 0.3", "[طريق] 0.3"),
        (f"0.3 {ROAD}%", "0.3 [طريق]%"),
        (f"{ROAD}, {SKY}: 5", "[طريق], [שמים כחולים]: 5"),
        (f"{ROAD}_2 0.3", "[طريق_2] 0.3"),
        (f"a {ROAD} b {ROAD}", "a [طريق] b [طريق]"),
        ("Straße 道路 дорога", "Straße 道路 дорога"),
    ],
)
def test_a_run_of_words_is_isolated_and_the_number_beside_it_is_not(text, shown):
    assert isolated(text).replace("\u2068", "[").replace("\u2069", "]") == shown
    assert bdi(text).replace("<bdi>", "[").replace("</bdi>", "]") == shown


def test_what_is_isolated_is_escaped():
    assert bdi(f"<i>{ROAD} & <") == f"&lt;i&gt;<bdi>{ROAD}</bdi> &amp; &lt;"


def test_templates_isolate_text_and_attributes_and_leave_what_is_marked_as_safe():
    environment = templates.environment("pipeline.validation")
    text = "<i title='{{ t | isolated }}'>{{ t | bdi }}</i>{{ 3 | bdi }}{{ b | safe | bdi }}{{ b | safe | isolated }}"
    made = environment.from_string(text).render(t=f"'{ROAD}\x1b", b="<b>")
    assert made == f"<i title='&#39;\u2068{ROAD}\u2069\\x1b'>&#39;<bdi>{ROAD}</bdi>\\x1b</i>3<b><b>"
