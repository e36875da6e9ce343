"""Every kind of image file is read exactly or refused, as the table in docs/reliability.md says."""

import pytest

from tests.support import image_table
from tests.support.image_kinds import KINDS

WRITTEN = image_table.PAGE.read_text("utf-8").partition(image_table.START)[2].partition(image_table.END)[0]
ROWS = WRITTEN.removeprefix(image_table.HEAD).splitlines(keepends=True)


def test_the_table_has_a_row_for_each_kind_and_no_other():
    assert len(ROWS) == len(set(ROWS)) == len(KINDS)


@pytest.mark.parametrize(
    "number", range(len(KINDS)), ids=lambda i: f"{KINDS[i].format} {KINDS[i].colours} {KINDS[i].bits}"
)
def test_a_kind_is_read_or_refused_as_the_table_says(number):
    """python -m tests.support.image_table writes the table anew; read what changed."""
    assert image_table.row(KINDS[number]) == ROWS[number]
