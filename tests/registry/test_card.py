"""The scores, classes and weaknesses in the model card, and that Markdown and page have the same content."""

import html
import re
from dataclasses import replace

import numpy as np
import pytest

from pipeline.artifacts.scores import Intervals
from pipeline.artifacts.verdict import Outcome
from pipeline.core.calibration import Reliability
from pipeline.registry import card
from pipeline.registry.card import contents, document
from pipeline.registry.card.document import Section, Table
from tests.support import scored
from tests.support.tiny_card import markdown, of_images, page, parsed, section, tiny

TITLES = [
    "What it is",
    "Verdict",
    "Scores",
    "Classes",
    "Known weaknesses",
    "Data",
    "Training",
    "Lineage",
    "How to use it",
    "Limitations",
]


def page_tables(model_card):
    """The tables of the page, in the form of `parsed`."""
    tables = re.findall(r"<table>(.*?)</table>", page(model_card), re.S)
    rows = [re.findall(r"<tr>(.*?)</tr>", table, re.S) for table in tables]
    return [
        [[html.unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)] for row in table]
        for table in rows
    ]


def test_the_sections_are_in_order():
    assert list(parsed(markdown(tiny()))) == ["segnet-toy version 3", *TITLES]
    assert re.findall(r"<h2[^>]*>(.*?)</h2>", page(tiny())) == TITLES


def test_markdown_and_page_hold_the_same_tables():
    tables = [table for heading in parsed(markdown(tiny())).values() for table in heading["tables"]]
    assert len(tables) == 9
    assert page_tables(tiny()) == tables


def test_each_column_has_a_heading():
    headings = {title: [table[0] for table in part["tables"]] for title, part in parsed(markdown(tiny())).items()}
    assert {title: tables for title, tables in headings.items() if tables} == {
        "What it is": [["Property", "Value"]],
        "Verdict": [["Rule", "Value"]],
        "Scores": [["Score", "Value", "90% interval", "Meaning"]],
        "Classes": [["Class", "IoU", "90% interval", "Accuracy", "Boundary F1", "Share of test pixels"]],
        "Known weaknesses": [
            ["Class", "IoU", "Its pixels are taken for", "Taken for it"],
            ["Image", "mIoU", "Most misclassified"],
        ],
        "Data": [["Split", "Images", "Sequences", "Width x height", "Share of void"]],
        "Training": [["Setting", "Value"]],
        "Lineage": [["What", "Value"]],
    }


def test_columns_of_numbers_are_aligned_and_shares_drawn_as_bars():
    tables = {
        part.title: [(table.numbers, table.bars) for table in part.blocks if isinstance(table, Table)]
        for part in contents.sections(tiny())
    }
    assert {title: columns for title, columns in tables.items() if columns} == {
        "What it is": [((), ())],
        "Verdict": [((), ())],
        "Scores": [((1, 2), ())],
        "Classes": [((1, 2, 3, 4, 5), (1,))],
        "Known weaknesses": [((1,), ()), ((1,), ())],
        "Data": [((1, 2, 3, 4), ())],
        "Training": [((), ())],
        "Lineage": [((), ())],
    }
    blocks = (Table(("a", "b", "c"), (("d", "0.25", "none"),), numbers=(1,), bars=(1, 2)),)
    assert document.markdown("e", [Section("f", blocks)]).endswith(
        "| a | b | c |\n| --- | ---: | --- |\n| d | 0.25 | none |\n"
    )
    html = document.page("e", [Section("f", blocks)])
    assert '<th scope="col" class="number">b</th><th scope="col">c</th>' in html
    assert '<td class="number bar" style="--share: 0.25">0.25</td>' in html
    assert "<td>none</td>" in html


def test_the_same_card_gives_the_same_text():
    assert card.rendered(tiny()) == card.rendered(tiny())


def test_it_says_what_the_model_is():
    (rows,), (sentence,) = section(tiny(), "What it is")
    assert sentence == "Semantic segmentation: assigns each pixel of a colour image to one of 3 classes."
    assert dict(rows) == {
        "Network": "segnet, width 0.25",
        "Data set": "toy",
        "Classes, by mask value": "0 road, 1 sky, 2 car",
        "Tile size in training": "128 x 96 pixels, width x height",
        "Image scale": "0.5",
        "Training run": "abc",
    }


@pytest.mark.parametrize("outcome", Outcome)
def test_the_verdict_stands_with_its_reasons_and_the_rule(outcome):
    model_card = tiny(verdict=replace(tiny().verdict, outcome=outcome))
    (rows,), texts = section(model_card, "Verdict")
    assert texts[0].startswith(f"{outcome.name}: ")
    assert texts[1:3] == ["too little", "too late"]
    assert texts[3] == (
        "Level: the gain on the champion was judged at the 99.167% level: challenger 2 of this champion on these test "
        "images."
    )
    assert texts[4] == (
        "This is the verdict of the rule; segnet promote VERSION --force REASON overrides it. Champion: segnet status."
    )
    assert rows[:3] == [["max_gain", "not set"], ["level", "0.95"], ["alpha_spending", "true"]]
    assert rows[3:] == [["challenger", "2"], ["gain_level", "0.991667"], ["test data", "f" * 64]]
    assert f'<p class="banner {outcome.name.lower()}">' in page(model_card)


def test_scores_stand_with_their_intervals():
    (rows,), texts = section(tiny(), "Scores")
    # IoU 3/4 and 4/5; 7 of 8 pixels; accuracy 3/4 and 1; F1 1/2 and 1
    assert [row[:3] for row in rows] == [
        ["mIoU", "0.775", "0.500 to 0.750"],
        ["G, global accuracy", "0.875", "none"],
        ["C, class accuracy", "0.875", "none"],
        ["BF, boundary F1", "0.750", "none"],
    ]
    assert "2 test images of 2 sequences" in texts[0]
    assert "8 labelled pixels" in texts[0]
    assert "mIoU is the mean over 2 of 3 classes" in texts[0]
    assert texts[1] == "Intervals: by hand."


def test_each_class_has_its_scores_and_one_that_does_not_occur_says_so():
    nan = float("nan")
    bounds = {"iou/road": (0.0002, 0.75), "iou/sky": (nan, 0.5), "iou/car": (0.5, nan)}
    model_card = tiny(intervals=Intervals(0.995, "by hand", bounds))
    ((header, *rows),) = parsed(markdown(model_card))["Classes"]["tables"]
    absent = "not in the test images"
    assert header == ["Class", "IoU", "99.5% interval", "Accuracy", "Boundary F1", "Share of test pixels"]
    assert rows == [
        ["road", "0.750", "< 0.001 to 0.750", "0.750", "0.500", "0.500"],
        ["sky", "0.800", "none", "1.000", "1.000", "0.500"],
        ["car", absent, "none", absent, absent, "0.000"],
    ]


def test_a_class_without_a_boundary_is_not_said_to_be_absent():
    ((road, *_),), _ = section(of_images([[4, 0, 0], [0, 0, 0], [0, 0, 0]]), "Classes")
    assert road == ["road", "1.000", "none", "1.000", "no boundary", "1.000"]


def test_nothing_that_is_not_defined_is_shown_as_nan():
    nothing = np.zeros(2, np.int64)
    model_card = of_images(np.zeros((3, 3), np.int64), reliability=Reliability(nothing, nothing, nothing.astype(float)))
    for text in card.rendered(model_card):
        assert not re.search(r"\bnan\b", text, re.IGNORECASE)
    assert [row[1] for row in section(model_card, "Scores")[0][0]] == [
        "not defined",
        "not defined",
        "not defined",
        "0.000",
    ]
    assert section(model_card, "Known weaknesses")[1][1] == "Nothing recorded."


def test_the_worst_classes_are_named_with_what_they_are_confused_with():
    # Columns are predictions: tree 4, pole 5 + 4 + 1, road 3 + 8 + 3, sky 1 + 4, bus 2. There is no bus.
    counts = [[4, 5, 3, 0, 0], [0, 4, 8, 0, 2], [0, 1, 3, 1, 0], [0, 0, 0, 4, 0], [0, 0, 0, 0, 0]]
    (rows, _), _ = section(of_images(counts, names=("tree", "pole", "road", "sky", "bus")), "Known weaknesses")
    assert rows == [
        ["bus", "0.000", "not in the test images", "pole 1.000"],
        ["road", "0.188", "pole 0.200, sky 0.200", "pole 0.571, tree 0.214"],  # 3 / (5 + 14 - 3)
        ["pole", "0.200", "road 0.571, bus 0.143", "tree 0.500, road 0.100"],  # 4 / (14 + 10 - 4)
    ]


def test_two_confusions_are_named_in_each_direction():
    counts = [[1, 4, 3, 2], [1, 9, 0, 0], [2, 0, 9, 0], [3, 0, 0, 9]]
    (rows, _), _ = section(of_images(counts, names=("a", "b", "c", "d")), "Known weaknesses")
    assert rows[0] == ["a", "0.062", "b 0.400, c 0.300", "d 0.429, c 0.286"]  # 1 / (10 + 7 - 1)


def test_a_class_that_is_never_predicted_says_so():
    (rows, _), _ = section(of_images([[4, 0, 0], [3, 0, 0], [0, 0, 0]]), "Known weaknesses")
    assert rows == [["sky", "0.000", "road 1.000", "never predicted"], ["road", "0.571", "none", "sky 0.429"]]


def test_the_worst_images_are_named_with_the_class_that_lost_most():
    void, perfect = np.zeros((3, 3), np.int64), np.diag([9, 0, 0])
    half, third = [[5000, 5000, 0], [0, 0, 0], [0, 0, 0]], [[1, 1, 0], [0, 0, 2], [0, 0, 2]]
    ids = tuple(f"test/{number}" for number in (0, 1, 4, 3, 2, 5, 6))
    model_card = of_images(void, perfect, half, third, half, perfect, perfect, ids=ids)
    (_, rows), texts = section(model_card, "Known weaknesses")
    assert texts[:2] == [
        "The classes with the lowest IoU, and the classes that each is confused with most, as shares of its pixels and "
        "of the pixels predicted as it:",
        "The images with the lowest mIoU, and the class with the most misclassified pixels in each:",
    ]
    assert rows == [
        ["test/2", "0.250", "road: 5,000 of 10,000 pixels, most as sky"],  # (1/2 + 0) / 2
        ["test/4", "0.250", "road: 5,000 of 10,000 pixels, most as sky"],
        ["test/3", "0.333", "sky: 2 of 2 pixels, most as car"],  # (1/2 + 0 + 1/2) / 3
        ["test/1", "1.000", "none"],
        ["test/5", "1.000", "none"],
    ]


@pytest.mark.parametrize(
    ("confidence", "sentence"),
    [
        ([3.0, 4.0], "confidence is 0.875 and the accuracy 0.625: the model is overconfident."),
        ([2.0, 3.0], "confidence is 0.625 and the accuracy 0.625: the model is not overconfident."),
    ],
)
def test_calibration_says_whether_the_model_is_overconfident(confidence, sentence):
    reliability = Reliability(np.array([4, 4]), np.array([1, 4]), np.array(confidence))
    text = section(tiny(scores=scored.scores(reliability=reliability)), "Known weaknesses")[1][-1]
    assert text.startswith("Expected calibration error: 0.250. ")  # (2 + 0) / 8 and (1 + 1) / 8
    assert text.endswith(sentence)
