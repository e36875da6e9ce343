import pytest

from pipeline.data import archive
from pipeline.data.archive import ArchiveError
from pipeline.params.steps import Download
from tests.support.zipped import WHOLE, zipped

LIMITS = Download(attempts=4, timeout_seconds=0.5, max_members=10, max_megabytes=1, files_up_to=100)


@pytest.fixture
def pauses(monkeypatch):
    """No mirror, an empty cache, and pauses between attempts that are recorded instead of waited for."""
    pauses = []
    monkeypatch.delenv("SEGNET_MIRROR", raising=False)
    monkeypatch.setattr(archive.time, "sleep", pauses.append)
    return pauses


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(archive.pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache" / "segnet"


def ok(body=WHOLE):
    return 200, body, len(body)


def fetch(server):
    return archive.fetch("data.zip", f"{server.url}/public.zip", LIMITS)


def test_a_transfer_that_breaks_and_a_server_error_are_tried_again_after_doubled_pauses(server, cache, pauses):
    server.answers = [(200, WHOLE[:100], len(WHOLE)), (500, b"", 0), (200, WHOLE[:-30], None), ok()]

    path = fetch(server)

    assert path == cache / "data.zip"
    assert path.read_bytes() == WHOLE
    assert pauses == [1, 2, 4]
    assert [p.name for p in cache.iterdir()] == ["data.zip"]  # nothing of the broken transfers is left


def test_the_cached_archive_is_not_fetched_again(server, cache, pauses):
    server.answers = [ok()]

    assert fetch(server) == fetch(server)
    assert server.paths == ["/public.zip"]


def test_a_broken_transfer_is_never_taken_for_a_whole_one(server, cache, pauses):
    server.answers = [(200, WHOLE[:-30], None)] * 4

    with pytest.raises(ArchiveError, match=r"expected an intact zip archive, got: .*not a zip file \(attempt 4 of 4\)"):
        fetch(server)
    assert list(cache.iterdir()) == []


def test_a_damaged_member_is_found_by_its_checksum(server, cache, pauses):
    place = WHOLE.index(b"root/other.txt") + len("root/other.txt")
    server.answers = [ok(WHOLE[:place] + b"\x05" + WHOLE[place + 1 :])] * 4

    with pytest.raises(ArchiveError, match="expected an intact"):
        fetch(server)


def test_a_server_that_falls_silent_is_given_up(server, cache, pauses):
    server.answers = [("silent", b"", 0)] * 4

    with pytest.raises(
        ArchiveError, match=r"(?s)timed out.*\(attempt 4 of 4\).*Check the network, or set SEGNET_MIRROR"
    ):
        fetch(server)


def test_a_missing_file_is_not_asked_for_again(server, cache, pauses):
    server.answers = [(404, b"", 0)]

    with pytest.raises(ArchiveError, match=rf"{server.url}/public.zip: 404 .*\(attempt 1 of 4\)"):
        fetch(server)
    assert pauses == []


def test_too_many_requests_are_tried_again(server, cache, pauses):
    server.answers = [(429, b"", 0), ok()]

    assert fetch(server).read_bytes() == WHOLE


def test_an_address_that_is_none_is_not_tried_again(cache, pauses):
    with pytest.raises(ArchiveError, match=r"No connection adapters .*\(attempt 1 of 4\)"):
        archive.fetch("data.zip", "gopher://127.0.0.1/a.zip", LIMITS)


def test_an_archive_that_must_not_be_unpacked_is_not_fetched_again(server, cache, pauses):
    server.answers = [ok(zipped([("../evil", b"")]))]

    with pytest.raises(ArchiveError, match="which lies outside"):
        fetch(server)
    assert pauses == []
    assert list(cache.iterdir()) == []


def test_a_mirror_folder_is_tried_first_and_used_where_it_lies(server, cache, pauses, tmp_path, monkeypatch):
    (tmp_path / "data.zip").write_bytes(WHOLE)
    monkeypatch.setenv("SEGNET_MIRROR", str(tmp_path))

    assert fetch(server) == tmp_path / "data.zip"
    assert server.paths == []
    assert not cache.exists()


def test_a_mirror_address_is_tried_first(server, cache, pauses, monkeypatch):
    monkeypatch.setenv("SEGNET_MIRROR", f"{server.url}/mirror/")
    server.answers = [ok()]

    assert fetch(server).read_bytes() == WHOLE
    assert server.paths == ["/mirror/data.zip"]


@pytest.mark.parametrize("held", [None, WHOLE[:-30]], ids=["missing", "truncated"])
def test_where_the_mirror_fails_the_public_address_is_tried_and_it_is_said(
    held, server, cache, pauses, tmp_path, monkeypatch, caplog
):
    if held is not None:
        (tmp_path / "data.zip").write_bytes(held)
    monkeypatch.setenv("SEGNET_MIRROR", str(tmp_path))
    server.answers = [ok()]

    assert fetch(server) == cache / "data.zip"
    assert f"{tmp_path}/data.zip: {'no such file' if held is None else 'expected an intact zip archive'}" in caplog.text


def test_a_password_in_the_mirrors_address_is_not_said(server, cache, pauses, monkeypatch, caplog):
    monkeypatch.setenv("SEGNET_MIRROR", server.url.replace("://", "://me:secret@") + "/mirror")
    server.answers = [(500, b"", 0)] * 4 + [(404, b"", 0)]

    with pytest.raises(ArchiveError, match=rf"{server.url}/mirror/data.zip: 500 .*attempt 4 of 4") as caught:
        fetch(server)
    assert [message.partition(": ")[0] for message in caplog.messages[:4]] == [f"{server.url}/mirror/data.zip"] * 4
    assert "secret" not in caplog.text + str(caught.value)


def test_the_error_names_every_place_that_was_tried(server, cache, pauses, tmp_path, monkeypatch):
    monkeypatch.setenv("SEGNET_MIRROR", str(tmp_path))
    server.answers = [(403, b"", 0)]

    with pytest.raises(
        ArchiveError, match=rf"(?s)archive data.zip, got\n  {tmp_path}/data.zip: no such.*public.zip: 403"
    ):
        fetch(server)


def test_an_archive_is_found_where_fetch_would_take_it_from(server, cache, pauses, tmp_path, monkeypatch):
    server.answers = [(404, b"", 0), ok(), ok()]
    url = f"{server.url}/public.zip"
    with pytest.raises(ArchiveError) as caught:
        archive.find("data.zip", url)
    assert caught.value.args[0] == f"expected the archive data.zip in the cache, {url}, got none"
    assert archive.find("data.zip", url) == url
    monkeypatch.setenv("SEGNET_MIRROR", f"{server.url}/mirror/".replace("//", "//me:secret@"))
    assert archive.find("data.zip", url) == f"{server.url}/mirror/data.zip"
    assert server.paths[-1] == "/mirror/data.zip"
    cache.mkdir(parents=True)
    (cache / "data.zip").touch()
    assert archive.find("data.zip", url) == str(cache / "data.zip")


def test_an_archive_is_nowhere_if_the_mirror_lacks_it_too(cache, pauses, tmp_path, monkeypatch):
    monkeypatch.setenv("SEGNET_MIRROR", str(tmp_path))
    with pytest.raises(ArchiveError, match=f"in the cache, {tmp_path} or http://127.0.0.1:9/a.zip, got none"):
        archive.find("data.zip", "http://127.0.0.1:9/a.zip")
