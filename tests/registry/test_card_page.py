"""The rest of the model card, its safety against names that look like markup, and its page in a real browser."""

import random
import re
from dataclasses import replace

import pytest

from pipeline.artifacts.validation import Offender
from pipeline.registry.card import document
from pipeline.registry.card.document import Bullets, Section, Table
from tests.support import right_to_left, scored
from tests.support.browser import needs_browser, running
from tests.support.hostile import STORABLE, acting
from tests.support.tiny_card import VALIDATION, markdown, page, parsed, section, spec, tiny

HOSTILE = "a|b `c` <i>d</i>\n*e* [f](g) __h__ \\| ~~i~~ &amp; ```"
MARKS = "\\`*_{}[]<>|#~&$!()-+=.:;/@^%'\" \n\tab12"
SHOWN = "a|b `c` <i>d</i> *e* [f](g) __h__ \\| ~~i~~ &amp; ```"  # on one line


def hostile(name=HOSTILE):
    """The card of a data set whose names are all `name`."""
    names, finding = ("road", name, "car"), replace(VALIDATION.findings[1], offenders=(Offender(name, name, ()),))
    return tiny(
        spec=spec(names, dataset=name),
        scores=scored.scores(names=names, ids=(name, "test/b")),
        validation=replace(VALIDATION, findings=(finding,)),
        verdict=replace(tiny().verdict, reasons=(name, f"# {name}", f"- {name}", f"12. {name}")),
        training={"class_weights": {name: 1.0}},
        lineage={name: name},
        licence=name,
    )


def test_names_are_taken_for_text_in_markdown():
    headings = parsed(markdown(hostile()))  # fails if it finds markup
    rows = [row for heading in headings.values() for table in heading["tables"] for row in table]
    assert ["Data set", SHOWN] in rows
    assert [SHOWN, "0.800", "none", "1.000", "1.000", "0.500"] in rows
    assert [SHOWN, "0.375", f"road: 1 of 4 pixels, most as {SHOWN}"] in rows
    assert ["class_weights", f"{SHOWN} 1"] in rows
    assert [SHOWN, SHOWN] in rows
    assert headings["Verdict"]["texts"][1:5] == [SHOWN, f"# {SHOWN}", f"- {SHOWN}", f"12. {SHOWN}"]
    assert headings["Data"]["texts"][0] == f"Licence notice: {SHOWN}"


def test_no_text_of_marks_is_taken_for_markup():
    chance = random.Random(1)
    for _ in range(500):
        cell, item = ("".join(chance.choices(MARKS, k=chance.randint(1, 9))) + "z" for _ in range(2))
        blocks = (Table(("a", "b"), ((cell, "c"),)), Bullets((item,)))
        shown = parsed(document.markdown("title", [Section("section", blocks)]))["section"]
        cell, item = (" ".join(text.split()) for text in (cell, item))
        assert shown == {"tables": [[["a", "b"], [cell, "c"]]], "texts": [item]}


def test_names_are_taken_for_text_on_the_page():
    name = "<script>alert('&')</script>"
    html = page(hostile(name))
    assert "<script" not in html
    named = html.count("&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;")
    assert named == markdown(hostile(name)).count("&lt;script&gt;")


def test_a_name_with_quotes_or_underscores_inside_stays_as_it_is():
    for name in ("my_own_data", 'Ann\'s "own" data'):
        assert f"| {name} |" in markdown(tiny(spec=spec(dataset=name)))


def test_the_page_refers_to_nothing_outside_itself():
    html = page(tiny())
    targets = re.findall(r'(?:src|href|url|@import)\s*[=(]\s*"?([^")>\s]*)', html)
    assert {target for target in targets if not target.startswith("#s")} == {"data:,"}
    assert "http" not in html.replace("http-equiv", "")
    assert "default-src 'none'" in html


def test_validation_is_told_by_its_splits_and_what_failed():
    (rows,), texts = section(tiny(), "Data")
    assert rows == [["test", "2", "1", "16 x 12; 8 x 6; 4 x 4", "0.125"]]
    assert texts == [
        "Licence notice: Public domain.",
        "Validation: 0 errors and 1 warning in 2 checks:",
        "warning: shared sequence. Expected: no sequence twice. Observed: 5 of 9. "
        "Found: seq0, train 0; seq1, train 1; seq2, train 2; and 2 more.",
    ]


@pytest.mark.parametrize(("count", "rest"), [(3, "seq2, train 2."), (4, "seq2, train 2; and 1 more.")])
def test_three_offenders_are_named_and_the_others_counted(count, rest):
    finding = replace(VALIDATION.findings[1], offenders=VALIDATION.findings[1].offenders[:count])
    _, texts = section(tiny(validation=replace(VALIDATION, findings=(finding,))), "Data")
    assert texts[-1].endswith(f"Found: seq0, train 0; seq1, train 1; {rest}")


def test_those_that_the_report_does_not_name_are_counted_too():
    finding = replace(VALIDATION.findings[1], unnamed=1_000_000)
    _, texts = section(tiny(validation=replace(VALIDATION, findings=(finding,))), "Data")
    assert texts[-1].endswith("seq2, train 2; and 1,000,002 more.")


def test_a_card_without_validation_says_so():
    assert section(tiny(validation=None), "Data") == (
        [],
        ["Licence notice: Public domain.", "The validation results are not available."],
    )


def test_validation_without_a_failure_lists_none():
    model_card = tiny(validation=replace(VALIDATION, findings=VALIDATION.findings[:1]))
    assert section(model_card, "Data")[1][1:] == ["Validation: 0 errors and 0 warnings in 1 check."]


def test_settings_are_shown_without_a_path_of_this_machine():
    vgg16 = {"path": "/home/me/vgg16.safetensors", "sha256": None}
    training = {"model": {"vgg16": vgg16}, "train": {"flip": True, "zoom": [0.75, 1.5]}, "class_weights": [0.25, 2.0]}
    (rows,), _ = section(tiny(training=training), "Training")
    assert rows == [
        ["model.vgg16", "path vgg16.safetensors, sha256 not set"],
        ["train.flip", "true"],
        ["train.zoom", "0.75, 1.5"],
        ["class_weights", "0.25, 2"],
    ]
    empty = {"train": {"zoom": [], "speed": float("nan")}, "class_weights": {}}
    (rows,), _ = section(tiny(training=empty), "Training")
    assert rows == [["train.zoom", "none"], ["train.speed", "not defined"], ["class_weights", "none"]]


def test_lineage_is_in_the_order_that_it_was_given_in():
    assert section(tiny(lineage={"z": "1", "a": "2"}), "Lineage")[0] == [[["z", "1"], ["a", "2"]]]


def test_what_is_not_recorded_is_said_to_be_missing():
    assert section(tiny(lineage={}), "Lineage") == ([], ["Nothing recorded."])
    assert "<p>Nothing recorded.</p>" in page(tiny(lineage={}))


def test_it_says_how_to_use_the_model():
    _, (options, python, commands, _) = section(tiny(), "How to use it")
    assert options.endswith("It predicts with the options that it was evaluated with: overlap 0.5, flip false.")
    compile(python, "card", "exec")
    assert [line for line in markdown(tiny()).splitlines() if line.startswith("```")] == [
        "```python",
        "```",
        "```sh",
        "```",
    ]
    assert 'mlflow.pyfunc.load_model("models:/segnet-toy/3")' in python
    assert [line.partition("  #")[0] for line in commands.splitlines()] == [
        "segnet predict street.png --model models:/segnet-toy/3 --out predictions",
        "mlflow models serve --model-uri models:/segnet-toy/3 --env-manager local --port 5000",
        "segnet verify 3",
        "segnet trace 3",
    ]


@pytest.mark.parametrize(
    ("licence", "restricted"),
    [
        ("CC BY-NC 4.0: for research and other non-commercial use only.", True),
        ("Noncommercial use.", True),
        ("For research purposes only.", True),
        ("Free for research and commerce. Only name us.", False),
        ("Public domain.", False),
    ],
)
def test_a_research_licence_limits_the_model_too(licence, restricted):
    _, limits = section(tiny(licence=licence), "Limitations")
    assert limits[: int(restricted)] == restricted * [
        "Research only: the licence notice of the data restricts its use; assume that it binds this model too."
    ]
    assert limits[int(restricted) :] == [
        "Not for safety-critical use without your own validation on images from that use.",
        "The scores hold for images like those of toy; other cameras, places, lighting and weather were not tested.",
        "Images may be of any size: they are scaled by 0.5, and those that are then larger than 128 x 96 pixels are "
        "predicted in overlapping windows of that size. Objects that appear larger or smaller than in the test images "
        "were not tested.",
        "Every pixel is assigned to one of the classes, even if it shows none of them.",
    ]


@pytest.mark.parametrize("name", ["", "a b", "a/b", "```", "a\n", "-a", "$(a)"])
@pytest.mark.parametrize("what", ["model", "version"])
def test_a_name_that_cannot_stand_in_a_command_is_refused(what, name):
    with pytest.raises(ValueError, match=rf"^{what}: expected letters, digits, .* got {re.escape(repr(name))}"):
        tiny(**{what: name})


@pytest.mark.parametrize("changes", [{"run": "other"}, {"names": ("road", "sky", "bus")}])
def test_scores_of_another_model_are_refused(changes):
    with pytest.raises(ValueError, match=r"expected scores of run and classes \('abc', .* evaluate the model"):
        tiny(scores=scored.scores(**changes))


def test_names_from_right_to_left_reorder_nothing():
    name = right_to_left.SKY
    made = page(hostile(name))
    assert right_to_left.loose(made) == []
    text = markdown(hostile(name))
    assert text.count(name) == text.count(f"\u2068{name}\u2069") > 5


@needs_browser
def test_the_page_fits_a_telephone_and_a_screen(tmp_path):
    (tmp_path / "card.html").write_text(page(hostile(HOSTILE + "x" * 200)), "utf-8")
    with running() as tab:
        for width, scheme in ((400, "light"), (1400, "dark")):
            tab.window(width, scheme=scheme)
            tab.open((tmp_path / "card.html").as_uri())
            assert tab.run("document.documentElement.scrollWidth") == width
            bars = tab.run("[...document.querySelectorAll('.bar')].map(e => e.style.getPropertyValue('--share'))")
            assert bars == ["0.750", "0.800"]
            assert tab.complaints == []
            assert {request.split(":")[0] for request in tab.requests} <= {"file", "data"}


@pytest.mark.parametrize("render", [markdown, page])
def test_names_of_others_show_their_control_characters(render):
    text = render(tiny(lineage={"git commit": STORABLE}, licence=STORABLE))
    assert not acting(text, lines=True)
    assert "x1b" in text
