"""Storage, on a folder and on a real S3 server, with connections that break."""

import os
import resource
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from pipeline.files import storage
from pipeline.files.storage import Storage, StorageError
from tests.support import local_server, unreliable


@pytest.fixture
def place(kind, request, tmp_path):
    address = (tmp_path / "a b").as_uri() if kind == "file" else request.getfixturevalue("bucket")
    return Storage(address)


both = pytest.mark.parametrize("kind", ["file", "s3"])


@both
def test_objects_are_written_listed_read_and_removed(place, tmp_path):
    (tmp_path / "large").write_bytes(os.urandom(20_000_000))
    place.put("a/x", b"1")
    place.put("a/b/y", b"")
    place.put("ab", b"22")
    place.put("ab", b"333")
    place.put("large", tmp_path / "large")
    assert place.names() == ["a/b/y", "a/x", "ab", "large"]
    assert place.names("a") == ["a/b/y", "a/x"]
    assert place.names("none") == []
    assert (place.get("a/x"), place.get("a/b/y"), place.get("ab")) == (b"1", b"", b"333")
    assert (place.size("ab"), place.size("large"), place.size("none")) == (3, 20_000_000, None)
    place.fetch("large", tmp_path / "copy" / "large")
    assert (tmp_path / "copy" / "large").read_bytes() == (tmp_path / "large").read_bytes()
    place.delete(["a/x", "none", "ab"])
    assert place.names() == ["a/b/y", "large"]


@both
def test_what_is_missing_is_an_error_that_names_it(place, tmp_path):
    for read in (lambda: place.get("no/such"), lambda: place.fetch("no/such", tmp_path / "copy")):
        with pytest.raises(FileNotFoundError, match=r"expected .*/no/such, got no such object"):
            read()
    assert not (tmp_path / "copy").exists()


@both
def test_an_object_is_created_once(place):
    assert place.create("one", b"mine")
    assert not place.create("one", b"yours")
    assert place.get("one") == b"mine"


def test_an_object_is_replaced_if_it_is_still_that_version(bucket):
    place = Storage(bucket)
    place.put("one", b"1")
    _, version = place.get_version("one")
    assert place.replace("one", b"2", version)
    assert not place.replace("one", b"3", version)
    assert place.get("one") == b"2"
    place.delete(["one"])
    assert not place.replace("one", b"4", version)


def test_an_answer_that_breaks_off_is_read_again(wire, bucket, tmp_path):
    place, content = Storage(bucket), os.urandom(20_000_000)
    place.put("large", content)
    wire.down()  # no connection that is open is used again
    wire.up()
    wire.cuts, wire.cut_after = 3, 5_000_000
    place.fetch("large", tmp_path / "large")
    assert wire.cuts == 0
    assert (tmp_path / "large").read_bytes() == content


@both
def test_a_file_that_cannot_be_written_here_is_no_fault_of_the_storage(place, tmp_path, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it was tried again"))
    place.put("large", bytes(20_000_000))
    (tmp_path / "file").touch()
    expected = r"^expected to write {}, got: {}; make room on its disk, or correct its permissions$"
    with pytest.raises(StorageError, match=expected.format(tmp_path / "file/copy", "File exists")):
        place.fetch("large", tmp_path / "file/copy")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))  # as on a full disk, a part is written
    try:
        with pytest.raises(StorageError, match=expected.format(tmp_path / "copy", "File too large")):
            place.fetch("large", tmp_path / "copy")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["file"]


@pytest.mark.slow
def test_an_outage_of_seconds_delays_reads_and_writes(wire, bucket):
    place = Storage(bucket)
    place.put("one", b"1")
    wire.down()
    timer = threading.Timer(8, wire.up)
    timer.start()
    assert place.get("one") == b"1"
    timer.join()
    wire.down()
    timer = threading.Timer(8, wire.up)
    timer.start()
    place.put("two", b"2")
    timer.join()
    assert place.get("two") == b"2"


@pytest.mark.slow
def test_silence_of_seconds_delays_every_kind_of_request(s3_server, bucket, monkeypatch, tmp_path):
    place = Storage(bucket)
    place.put("one", b"1")
    place.put("old", b"1")
    _, version = place.get_version("one")
    monkeypatch.setattr(storage, "_CONNECT", timedelta(seconds=0.2))  # so that many attempts fail
    with ThreadPoolExecutor() as threads:
        with unreliable.silence() as port:
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
            calls = {
                "read": lambda place: place.get("old"),
                "listed": lambda place: "old" in place.names(),
                "sized": lambda place: place.size("old"),
                "written": lambda place: place.put("two", b"2"),
                "created": lambda place: place.create("three", b"3"),
                "replaced": lambda place: place.replace("one", b"4", version),
                "removed": lambda place: place.delete(["none"]),
                "copied": lambda place: place.fetch("old", tmp_path / "copy"),
            }
            answers = {name: threads.submit(call, Storage(bucket)) for name, call in calls.items()}
            time.sleep(12)
            assert not any(each.done() for each in answers.values())
        with unreliable.proxy(urlsplit(s3_server["AWS_ENDPOINT_URL"]).port, port):
            expected = {"read": b"1", "listed": True, "sized": 1, "created": True, "replaced": True}
            assert {name: each.result(60) for name, each in answers.items()} == dict.fromkeys(calls) | expected
    assert [place.get(name) for name in ("one", "two", "three")] == [b"4", b"2", b"3"]
    assert (tmp_path / "copy").read_bytes() == b"1"


def test_silence_that_lasts_is_an_error(bucket, monkeypatch):
    monkeypatch.setattr(storage, "_CONNECT", timedelta(seconds=0.2))
    place = Storage(bucket, patience=timedelta(seconds=1))
    with unreliable.silence() as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        with pytest.raises(StorageError, match=rf"expected to remove {bucket}/one, got: .*; check address, network"):
            place.delete(["one"])


def test_what_a_folder_says_is_an_error_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it was tried again"))
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"expected to write file://.*/file/one, got: .*; check address"):
        Storage(tmp_path.as_uri()).put("file/one", b"1")


def test_an_outage_that_lasts_is_an_error(wire, bucket, monkeypatch, tmp_path):
    monkeypatch.setattr(storage, "_RETRY", timedelta(seconds=1))
    place = Storage(bucket)
    place.put("one", b"1")
    wire.down()
    for what, act in (("write", lambda: place.put("one", b"2")), ("read", lambda: place.fetch("one", tmp_path / "1"))):
        with pytest.raises(StorageError, match=rf"expected to {what} {bucket}/one, got: .*; check address, network"):
            act()
    assert not (tmp_path / "1").exists()
    wire.up()
    assert Storage(bucket).get("one") == b"1"


@pytest.mark.parametrize(
    ("verb", "act"),
    [
        ("list", lambda place: place.names()),
        ("write", lambda place: place.put("a", b"1")),
        ("create", lambda place: place.create("a", b"1")),
        ("replace", lambda place: place.replace("a", b"1", "version")),
        ("read", lambda place: place.get("a")),
        ("remove", lambda place: place.delete(["a"])),
    ],
)
def test_a_bucket_that_is_not_there_is_no_missing_object(bucket, verb, act):
    expected = rf"^expected to {verb} s3://no-such-bucket/x/a?, got NoSuchBucket; create the bucket or container, or"
    with pytest.raises(StorageError, match=expected) as error:
        act(Storage("s3://no-such-bucket/x"))
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in str(error.value)


def test_a_server_that_has_no_place_for_objects_is_no_missing_object(bucket, monkeypatch):
    with local_server.answering(404) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        place = Storage(bucket)
        for verb, write in (("write", place.put), ("create", place.create)):
            with pytest.raises(StorageError, match=rf"expected to {verb} {bucket}/a, got .* 404 .*; create the bucket"):
                write("a", b"1")
        with pytest.raises(FileNotFoundError, match="got no such object"):
            place.get("a")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "bucket/prefix",
        "/a/folder",
        "s3://",
        "file://host/folder",
        "ftp://host/x",
        "s3://key:hidden@bucket/x",
        "s3://b/?sig=hidden",
    ],
)
def test_an_address_that_is_none_is_refused_without_its_secret(address):
    with pytest.raises(ValueError, match=r"expected s3://bucket/prefix, gs://.* got .*; correct the address") as error:
        Storage(address)
    assert "hidden" not in str(error.value)
