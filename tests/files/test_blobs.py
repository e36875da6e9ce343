"""Files by their SHA-256 in a storage and in the caches of machines."""

import hashlib
import os
import threading
import time
from pathlib import Path

import pytest

from pipeline.files import blobs
from pipeline.files.blobs import Cache
from pipeline.files.storage import Storage, StorageError


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def publish(bucket, tmp_path):
    """Return a function that publishes contents, and returns their digests."""

    def publish(*contents):
        files = {}
        for content in contents:
            path = tmp_path / "made" / sha256(content)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
            files[sha256(content)] = path
        blobs.publish(Storage(bucket), files)
        return list(files)

    return publish


def kept(cache):
    return {path.name for path in (cache.folder / "blobs").iterdir()}


def test_a_file_is_published_once_and_fetched_once_by_a_machine(publish, bucket, tmp_path, monkeypatch):
    put, fetched = [], []
    monkeypatch.setattr(Storage, "put", recording(Storage.put, put))
    monkeypatch.setattr(Storage, "fetch", recording(Storage.fetch, fetched))
    [first] = publish(b"one")
    first, second = publish(b"one", b"two")
    assert put == [blobs.name(first), blobs.name(second)]
    for cache in (Cache(Storage(bucket), tmp_path / name, 1000) for name in ("a", "a", "b")):
        assert cache.path(first).read_bytes() == b"one"
    assert fetched == [blobs.name(first)] * 2  # by two machines


def recording(function, names):
    def called(storage, name, *arguments):
        names.append(name)
        return function(storage, name, *arguments)

    return called


def test_threads_and_processes_of_a_machine_fetch_a_file_once(publish, bucket, tmp_path, monkeypatch):
    fetched = []
    monkeypatch.setattr(Storage, "fetch", recording(Storage.fetch, fetched))
    [name] = publish(os.urandom(1_000_000))
    caches = [Cache(Storage(bucket), tmp_path / "cache", 10**9) for _ in range(6)]
    threads = [threading.Thread(target=cache.path, args=(name,)) for cache in caches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fetched) == 1


def test_what_was_used_least_recently_makes_room(publish, bucket, tmp_path):
    one, two, three, huge = publish(b"1" * 40, b"2" * 40, b"3" * 40, b"4" * 500)
    cache = Cache(Storage(bucket), tmp_path / "cache", 100)
    for name in (one, two, one, three):
        cache.path(name)
        time.sleep(0.01)  # the clock of a file system may be coarse
    assert kept(cache) == {one, three}
    assert cache.path(two).read_bytes() == b"2" * 40
    assert kept(cache) == {two, three}
    assert cache.path(huge).stat().st_size == 500  # alone it is larger than the limit
    assert kept(cache) == {huge}


def test_a_file_that_arrives_changed_is_fetched_again(publish, bucket, tmp_path, monkeypatch):
    [name] = publish(b"right")
    fetch, arrivals = Storage.fetch, iter([b"wrong", b""])

    def damaged(storage, name, path):
        fetch(storage, name, path)
        path.write_bytes(next(arrivals, path.read_bytes()))

    monkeypatch.setattr(Storage, "fetch", damaged)
    cache = Cache(Storage(bucket), tmp_path / "cache", 100)
    assert cache.path(name).read_bytes() == b"right"


def test_another_file_under_a_name_is_an_error_that_names_it_and_leaves_nothing(publish, bucket, tmp_path):
    [name] = publish(b"right")
    Storage(bucket).put(blobs.name(name), b"wrong")
    cache = Cache(Storage(bucket), tmp_path / "cache", 100)
    with pytest.raises(
        StorageError, match=rf"expected {bucket}/{blobs.name(name)} to have this SHA-256, got .*; remove"
    ):
        cache.path(name)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.parent.name != "locks"] == []


def test_a_partly_published_file_is_published_again(publish, bucket):
    [name] = publish(b"right")
    Storage(bucket).put(blobs.name(name), b"r")
    publish(b"right")
    assert Storage(bucket).get(blobs.name(name)) == b"right"


def test_a_file_that_was_not_published_is_an_error(bucket, tmp_path):
    cache = Cache(Storage(bucket), tmp_path / "cache", 100)
    with pytest.raises(StorageError, match=r"got no such object; submit or train again: the driver writes"):
        cache.path(sha256(b"none"))


def test_a_folder_that_all_machines_mount_needs_no_copies(tmp_path):
    (tmp_path / "file").write_bytes(b"one")
    storage, cache = Storage((tmp_path / "all").as_uri()), tmp_path / "cache"
    blobs.publish(storage, {sha256(b"one"): tmp_path / "file"})
    path = Cache(storage, cache, 1).path(sha256(b"one"))
    assert (path.read_bytes(), path.is_relative_to(tmp_path / "all"), cache.exists()) == (b"one", True, False)
    with pytest.raises(
        StorageError, match=r"expected the file .*, got nothing at this path; mount .*all on every node"
    ):
        Cache(storage, cache, 1).path(sha256(b"two"))


def test_the_cache_may_lie_in_the_home_folder_of_each_machine(publish, bucket, tmp_path, monkeypatch):
    [name] = publish(b"one")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert Cache(Storage(bucket), Path("~/kept"), 100).path(name) == tmp_path / "home" / "kept" / "blobs" / name
