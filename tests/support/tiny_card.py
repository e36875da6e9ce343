"""A model card of two small images, and its Markdown as a parser reads it."""

from dataclasses import replace

import numpy as np
from rich.markdown import Markdown

from pipeline.artifacts.spec import Spec
from pipeline.artifacts.validation import Finding, Offender, Split, Validation
from pipeline.artifacts.verdict import Outcome, Verdict
from pipeline.core.classes import ClassTable
from pipeline.registry import card
from pipeline.registry.card import Card
from tests.support import scored

OFFENDERS = tuple(Offender(f"seq{i}", f"train {i}", ()) for i in range(5))
VALIDATION = Validation(
    "toy",
    (Split("test", 2, 1, {"8 x 6": 3, "16 x 12": 3, "4 x 4": 1}, {"road": 0.75, "sky": 0.25, "car": 0}, 0.125),),
    (
        Finding("empty_split", "error", True, "an image", "2 images", ()),
        Finding("shared_sequence", "warning", False, "no sequence twice", "5 of 9", OFFENDERS),
    ),
)

RULE = {"max_gain": None, "level": 0.95, "alpha_spending": True, "challenger": 2, "gain_level": 1 - 0.05 / 6}


def spec(names=("road", "sky", "car"), **changes):
    values = Spec(
        "segnet", 0.25, ClassTable(names, ((1, 2, 3),) * len(names), (0, 0, 0), None), "toy", 96, 128, 0.5, "abc"
    )
    return replace(values, **changes)


def markdown(model_card):
    return card.rendered(model_card)[0]


def page(model_card):
    return card.rendered(model_card)[1]


def tiny(**changes):
    """The card of the two images of scored.py, with some fields replaced by `changes`."""
    values = {
        "model": "segnet-toy",
        "version": "3",
        "spec": spec(),
        "scores": scored.scores(),
        "intervals": scored.INTERVALS,
        "validation": VALIDATION,
        "verdict": Verdict(Outcome.HOLD, ("too little", "too late"), "f" * 64, RULE, {}),
        "training": {"model": {"name": "segnet", "vgg16": None}, "train": {"zoom": [0.75, 1.5], "learning_rate": 2e-3}},
        "lineage": {"git commit": "c0ffee", "tree dirty": "no"},
        "licence": "Public domain.",
        "options": {"overlap": 0.5, "flip": False},
    }
    return Card(**values | changes)


def of_images(*images, names=("road", "sky", "car"), **changes):
    """The card of images with these counts, (C, C) each."""
    counts = np.array(images)
    ids = tuple(f"test/{number}" for number in range(len(counts)))
    boundaries = np.zeros((*counts.shape[:2], 5), np.int64)
    values = {"names": names, "ids": ids, "sequences": ids, "counts": counts, "boundaries": boundaries} | changes
    return tiny(scores=scored.scores(**values), spec=spec(names))


def parsed(text):
    """The text as a Markdown parser reads it: the headings, each with its tables and the texts outside them."""
    headings, heading, inside = {}, None, None
    for token in Markdown(text).parsed:
        if token.type == "inline":
            # Bold is our own; any other markup would come from a name.
            kinds = {child.type for child in token.children}
            assert kinds <= {"text", "strong_open", "strong_close"}, (kinds, token.content)
            shown = "".join(child.content for child in token.children)
            if inside == "heading":
                heading = headings.setdefault(shown, {"tables": [], "texts": []})
            elif inside == "cell":
                heading["tables"][-1][-1].append(shown)
            else:
                heading["texts"].append(shown)
        elif token.type == "fence":
            heading["texts"].append(token.content)
        elif token.type == "table_open":
            heading["tables"].append([])
        elif token.type == "tr_open":
            heading["tables"][-1].append([])
        elif token.type in ("heading_open", "th_open", "td_open", "paragraph_open"):
            inside = {"h": "heading", "t": "cell", "p": "text"}[token.type[0]]
    return headings


def section(model_card, title):
    """The tables, without their headers, and the texts of a section."""
    heading = parsed(markdown(model_card))[title]
    return [table[1:] for table in heading["tables"]], heading["texts"]
