"""The model card: what a registered version is, how good, on what evidence, and how to use it; kept beside it."""

from pipeline.registry.card import document
from pipeline.registry.card.contents import Card, sections

__all__ = ["Card", "rendered"]


def rendered(card: Card) -> tuple[str, str]:
    """Return the card in GitHub's Markdown and as one self-contained HTML page; the same card gives the same text."""
    title, parts = f"{card.model} version {card.version}", sections(card)
    return document.markdown(title, parts), document.page(title, parts)
