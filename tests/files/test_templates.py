import json

import jinja2
import pytest

from pipeline.files import templates
from tests.support import hostile


def rendered(text, **values):
    environment = templates.environment("pipeline.validation")
    return environment.from_string(text).render(**values)


@pytest.mark.parametrize("text", hostile.KINDS.values(), ids=hostile.KINDS)
def test_what_acts_on_a_page_is_shown(text):
    assert not hostile.acting(rendered("<i title='{{ t }}'>{{ t }}</i>", t=text), lines=True)
    shown = json.loads(rendered("{{ t | tojson }}", t={"names": [text]}))
    assert not hostile.acting(shown["names"][0], lines=True)


def test_html_is_escaped_and_what_is_marked_as_safe_is_not():
    assert rendered("{{ t }}{{ '<b>' | safe }}", t="<i>") == "&lt;i&gt;<b>"


def test_a_missing_value_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        rendered("{{ t }}")
