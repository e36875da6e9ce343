import io
import stat
import struct
import zipfile

import pytest

from pipeline.datasets import archive
from pipeline.datasets.archive import ArchiveError
from pipeline.params.steps import Download

LIMITS = Download(attempts=4, timeout_seconds=0.5, max_members=10, max_megabytes=1)


def zipped(members, **options):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members:
            packed.writestr(name, content, **options)
    return buffer.getvalue()


WHOLE = zipped([("root/data/a.txt", b"alpha" * 1000), ("root/data/deep/b.txt", b"beta"), ("root/other.txt", b"no")])


@pytest.fixture
def pauses(monkeypatch):
    """No mirror, an empty cache, and the pauses between attempts, which are not waited for."""
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

    with pytest.raises(ArchiveError, match=r"expected a whole zip archive, got: .*not a zip file \(attempt 4 of 4\)"):
        fetch(server)
    assert list(cache.iterdir()) == []


def test_a_damaged_member_is_found_by_its_checksum(server, cache, pauses):
    place = WHOLE.index(b"root/other.txt") + len("root/other.txt")
    server.answers = [ok(WHOLE[:place] + b"\x05" + WHOLE[place + 1 :])] * 4

    with pytest.raises(ArchiveError, match="expected a whole"):
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
    assert f"{tmp_path}/data.zip: {'no such file' if held is None else 'expected a whole zip archive'}" in caplog.text


def test_the_error_names_every_place_that_was_tried(server, cache, pauses, tmp_path, monkeypatch):
    monkeypatch.setenv("SEGNET_MIRROR", str(tmp_path))
    server.answers = [(403, b"", 0)]

    with pytest.raises(
        ArchiveError, match=rf"(?s)archive data.zip, got\n  {tmp_path}/data.zip: no such.*public.zip: 403"
    ):
        fetch(server)


def unpack(tmp_path, content, limits=LIMITS):
    (tmp_path / "data.zip").write_bytes(content)
    archive.unpack(tmp_path / "data.zip", "root/data", tmp_path / "out", limits)
    return {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()}


def test_only_the_files_inside_are_unpacked_without_the_prefix(tmp_path):
    assert unpack(tmp_path, WHOLE) == {"a.txt", "deep/b.txt"}
    assert (tmp_path / "out/a.txt").read_bytes() == b"alpha" * 1000


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("root/data/../../../evil", "which lies outside;"),
        ("/etc/evil", "which lies outside;"),
        ("root/data/..\\..\\evil", "which lies outside on Windows"),
        ("C:/evil", "which lies outside on Windows"),
    ],
)
def test_a_member_outside_the_target_is_refused(tmp_path, name, fault):
    with pytest.raises(
        ArchiveError, match=f"data.zip: expected files and folders below the target only, got .*{fault}"
    ):
        unpack(tmp_path, zipped([("root/data/a.txt", b"a"), (name, b"evil")]))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_link_or_device_is_refused(tmp_path, kind):
    link = zipfile.ZipInfo("root/data/link")
    link.create_system, link.external_attr = 3, (kind | 0o777) << 16

    with pytest.raises(ArchiveError, match="got 'root/data/link', which is a link or device; do not trust"):
        unpack(tmp_path, zipped([(link, b"/etc/passwd")]))


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")  # zipfile's, as the archive is made
def test_a_member_that_comes_twice_is_refused(tmp_path):
    with pytest.raises(ArchiveError, match=r"got 'root/data/./a', which comes twice"):
        unpack(tmp_path, zipped([("root/data/a", b"1"), ("root/data/./a", b"2")]))


def test_an_encrypted_member_is_refused(tmp_path):
    content = bytearray(zipped([("root/data/a", b"1")]))
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag in the central directory

    with pytest.raises(ArchiveError, match="got 'root/data/a', which is encrypted"):
        unpack(tmp_path, bytes(content))


def test_too_many_members_are_refused(tmp_path):
    with pytest.raises(ArchiveError, match=r"at most 10 members, got 11; .* raise download.max_members"):
        unpack(tmp_path, zipped([(f"root/data/{i}", b"") for i in range(11)]))


def test_a_bomb_is_refused_by_the_size_in_its_headers(tmp_path):
    bomb = zipped([("root/data/a", bytes(600_000)), ("root/data/b", bytes(600_000))])

    assert len(bomb) < 2_000
    with pytest.raises(ArchiveError, match=r"at most 1 MB, got 1.2 MB when unpacked; .* raise download.max_megabytes"):
        unpack(tmp_path, bomb)
    assert not (tmp_path / "out").exists()


def test_a_bomb_whose_header_tells_a_smaller_size_is_stopped_at_that_size(tmp_path):
    bomb = bytearray(zipped([("root/data/a", bytes(5_000_000))]))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", bomb, bomb.index(signature) + offset, 1_000)

    with pytest.raises(ArchiveError, match=r"data.zip: expected a whole zip archive, got: Bad CRC-32 .*remove this"):
        unpack(tmp_path, bytes(bomb))
    assert (tmp_path / "out/a").stat().st_size <= 1_000


def test_an_archive_without_the_files_wanted_is_refused(tmp_path):
    with pytest.raises(ArchiveError, match="expected files in root/data/, got none; remove this archive and run again"):
        unpack(tmp_path, zipped([("else/a", b"1")]))
