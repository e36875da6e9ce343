"""What a worker does before it calls the function; the rest is tested on real clusters in test_run*.py."""

import re

import pytest

from pipeline.cluster import worker


def test_a_node_that_joined_later_and_does_not_see_a_path_is_named_with_it(tmp_path):
    worker.check_seen([tmp_path], "10.0.0.7")
    message = (
        f"expected node 10.0.0.7 to see {tmp_path / 'tiles'}, got nothing at this path; put it on storage that every"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        worker.check_seen([tmp_path, tmp_path / "tiles"], "10.0.0.7")
