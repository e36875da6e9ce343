"""Names from right to left, and where a page would let them reorder what is around them."""

import re
from html.parser import HTMLParser

from pipeline.files.direction import isolated

# Arabic, and Hebrew of two words.
ROAD, SKY = (
    "\u0637\u0631\u064a\u0642",
    "\u05e9\u05de\u05d9\u05dd \u05db\u05d7\u05d5\u05dc\u05d9\u05dd",
)
_ALONE = {"bdi", "title", "option", "script", "style"}  # isolate their text, or hold nothing else, or are not shown


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.loose, self.isolated = [], [], 0

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "link", "br", "img", "input"):
            self.open.append(tag)
        self.loose += [value for name, value in attributes if name != "value" and _reorders(value or "")]

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        self.isolated += isolated(data) != data
        self.loose += [data] if _reorders(data) and self.open[-1] not in _ALONE else []


def _reorders(text):
    """Return whether a run is not between FSI and PDI."""
    bare = re.sub("\u2068[^\u2069]*\u2069", "", text)
    return isolated(bare) != bare


def loose(html):
    """Return the texts and attributes of a page in which a name could reorder its neighbours; there must be names."""
    page = _Page()
    page.feed(html)
    assert page.isolated, "the page has no such name"
    return page.loose
