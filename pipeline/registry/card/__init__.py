"""The model card: what a registered version is, how good, on what evidence, and how to use it; beside each version."""

from pipeline.registry.card import document
from pipeline.registry.card.contents import Card, sections

__all__ = ["Card", "markdown", "page"]


def markdown(card: Card) -> str:
    """Return the card in GitHub's Markdown; the same card gives the same text."""
    return document.markdown(_title(card), sections(card))


def page(card: Card) -> str:
    """Return the card as one self-contained HTML page; the same card gives the same text."""
    return document.page(_title(card), sections(card))


def _title(card: Card) -> str:
    return f"{card.model} version {card.version}"
