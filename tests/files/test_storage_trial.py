"""A storage that is tried out before any work."""

import pytest

from pipeline.files.storage import Storage, StorageError
from pipeline.files.storage_trial import try_out


@pytest.mark.parametrize("kind", ["file", "s3"])
def test_a_storage_in_order_passes_and_nothing_stays(kind, request, tmp_path):
    place = Storage(tmp_path.as_uri() if kind == "file" else request.getfixturevalue("bucket"))
    place.put("one", b"1")
    try_out(place)
    assert place.names() == ["one"]


def test_a_bucket_that_is_not_there_does_not_pass(bucket):
    with pytest.raises(
        StorageError, match=r"^expected to write s3://no-such-bucket/trial-\w+, got NoSuchBucket; create"
    ):
        try_out(Storage("s3://no-such-bucket"))


@pytest.mark.parametrize("kept", [b"", b"other", None])
def test_a_server_that_gives_back_something_else_does_not_pass_and_nothing_stays(tmp_path, kept):
    class Forgetful(Storage):
        def put(self, name, content):
            if kept is not None:
                super().put(name, kept)

    place = Forgetful(tmp_path.as_uri())
    expected = (
        rf"^expected {tmp_path.as_uri()}/trial-\w+ as it was just written, got {kept or b''!r}; look at the server$"
    )
    with pytest.raises(StorageError, match=expected):
        try_out(place)
    assert place.names() == []
