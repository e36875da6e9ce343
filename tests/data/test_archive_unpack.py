import stat
import struct
import zipfile

import pytest

from pipeline.data import archive
from pipeline.data.archive import ArchiveError
from pipeline.params.steps import Download
from tests.support.zipped import WHOLE, zipped

LIMITS = Download(attempts=1, timeout_seconds=0.5, max_members=10, max_megabytes=1, files_up_to=100)


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
        ("root/data/../../../evil", "which lies outside the target;"),
        ("/etc/evil", "which lies outside the target;"),
        ("root/data/..\\..\\evil", "which lies outside the target on Windows"),
        ("C:/evil", "which lies outside the target on Windows"),
    ],
)
def test_a_member_outside_the_target_is_refused(tmp_path, name, fault):
    with pytest.raises(
        ArchiveError, match=f"data.zip: expected only files and folders below the target, got .*{fault}"
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
    with pytest.raises(ArchiveError, match=r"got 'root/data/./a', which occurs twice"):
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

    with pytest.raises(ArchiveError, match=r"data.zip: expected an intact zip archive, got: Bad CRC-32 .*remove this"):
        unpack(tmp_path, bytes(bomb))
    assert (tmp_path / "out/a").stat().st_size <= 1_000


def test_an_archive_without_the_files_wanted_is_refused(tmp_path):
    with pytest.raises(ArchiveError, match="expected files in root/data/, got none; remove this archive and run again"):
        unpack(tmp_path, zipped([("else/a", b"1")]))


def test_a_member_that_begins_before_the_archive_is_refused(tmp_path):
    content = bytearray(WHOLE)
    place = content.index(b"PK\x05\x06") + 16  # where the directory begins, by the record at the end
    struct.pack_into("<I", content, place, struct.unpack_from("<I", content, place)[0] + 1)

    with pytest.raises(ArchiveError, match=r"an intact zip archive, got: a member that starts before .*; remove this"):
        unpack(tmp_path, bytes(content))


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("root/data/" + "y" * 256, "which is not a valid file name"),
        ("root/data/b/.", "which is not a valid file name"),
        ("root/data/" + "/".join(["y" * 200] * 5), "whose name is too long"),
        ("root/data/a/b", "which lies inside a file"),
    ],
    ids=["long name", "no name", "long path", "in a file"],
)
def test_a_member_that_no_file_system_takes_is_refused(tmp_path, name, fault):
    with pytest.raises(ArchiveError, match=f"below the target, got 'root/data/.*', {fault}; do not trust"):
        unpack(tmp_path, zipped([("root/data/a", b"1"), (name, b"2")]))


def test_a_member_of_a_method_without_a_limit_of_memory_is_refused(tmp_path):
    with pytest.raises(ArchiveError, match="'root/data/a', which is compressed by a method other than deflate; do not"):
        unpack(tmp_path, zipped([("root/data/a", b"1")], compress_type=zipfile.ZIP_LZMA))
