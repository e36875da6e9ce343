"""The model card, kept beside each registered version: what it is, how good, on what evidence, and how to use it."""

from pipeline.registry.card import document
from pipeline.registry.card.contents import (
    Card as Card,  # part of what this package offers
    sections,
)


def rendered(card: Card) -> tuple[str, str]:
    """Return the card as GitHub Markdown and as a self-contained HTML page; equal cards give equal texts."""
    title, parts = f"{card.model} version {card.version}", sections(card)
    return document.markdown(title, parts), document.page(title, parts)
