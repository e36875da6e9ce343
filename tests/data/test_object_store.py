"""A data set in an S3 store, of a real server, and its copy on this machine."""

import logging
import os

import pytest

from pipeline.data import folder, object_store
from pipeline.files.storage import Storage, StorageError
from tests.data.test_folder import entries, root, settings, write  # noqa: F401  # root is a fixture
from tests.support.made import made


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The folder of the user's downloads."""
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache"


@pytest.fixture
def store(bucket):
    return Storage(bucket)


@pytest.fixture
def fetched(monkeypatch):
    """The names that were fetched, in any order."""
    names, fetch = [], Storage.fetch

    def counted(self, name, path):
        names.append(name)
        fetch(self, name, path)

    monkeypatch.setattr(Storage, "fetch", counted)
    return names


def copy(address):
    """The files of a copy, by name."""
    place = object_store.copied(address)
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def test_a_data_set_in_a_store_gives_what_the_folder_gives(root, store, tmp_path, caplog):  # noqa: F811
    caplog.set_level(logging.INFO, "pipeline")
    for path in root.rglob("*.*"):
        store.put(path.relative_to(root).as_posix(), path)
    here = entries(root)

    there = {f"{e.split}/{e.name}": e for e in made(folder.source(settings(root, path=store.address)))}

    assert list(there) == list(here)
    for name, entry in here.items():
        assert there[name].image.content == entry.image.content
        assert there[name].mask.content == entry.mask.content
    size = sum(path.stat().st_size for path in root.rglob("*.*")) / 1e6
    assert f"copying 6 of 6 files ({size:.1f} MB) of {store.address} to {tmp_path / 'cache'}" in caplog.text


def test_only_what_is_new_or_was_changed_is_fetched_again_and_what_is_gone_is_removed(store, fetched, caplog):
    caplog.set_level(logging.INFO, "pipeline")
    for name in ("a/1", "a/2", "b/1", "c/1/x"):
        store.put(name, name.encode())
    assert copy(store.address) == {name: name.encode() for name in ("a/1", "a/2", "b/1", "c/1/x")}
    fetched.clear()
    caplog.clear()
    assert len(copy(store.address)) == 4
    assert (fetched, caplog.text) == ([], "")

    store.put("a/2", b"longer than before")
    store.put("b/1/y", b"where a file was")
    store.put("c/1", b"where a folder was")
    store.delete(["b/1", "c/1/x"])
    assert copy(f"{store.address}/") == {
        "a/1": b"a/1",
        "a/2": b"longer than before",
        "b/1/y": b"where a file was",
        "c/1": b"where a folder was",
    }
    assert sorted(fetched) == ["a/2", "b/1/y", "c/1"]


def test_a_change_that_keeps_the_size_is_told_by_its_time(store, fetched):
    store.put("a", b"1")
    path = object_store.copied(store.address) / "a"
    store.put("a", b"2")
    os.utime(path, ns=(0, 0))  # as if the second had been written later than within the same second
    assert copy(store.address) == {"a": b"2"}
    assert fetched == ["a", "a"]


def test_an_interrupted_copy_goes_on_where_it_ended(store, fetched, monkeypatch):
    for i in range(40):
        store.put(f"{i:02}", b"x")
    monkeypatch.setattr(object_store, "_REQUESTS", 1)
    fetch = Storage.fetch

    def fetch_or_fail(self, name, path):
        if name == "25":
            raise StorageError("the network is gone")
        fetch(self, name, path)

    with monkeypatch.context() as broken:
        broken.setattr(Storage, "fetch", fetch_or_fail)
        with pytest.raises(StorageError, match="the network is gone"):
            copy(store.address)
    assert len(fetched) >= 25
    begun = len(fetched)
    assert copy(store.address) == {f"{i:02}": b"x" for i in range(40)}
    assert "25" in fetched[begun:]
    assert len(fetched) == 40


def test_empty_objects_that_stand_for_folders_are_none(store):
    store.put("images/1", b"x")
    store.put("images", b"")
    assert copy(store.address) == {"images/1": b"x"}


def test_names_that_cannot_be_files_are_refused_before_anything_is_fetched(store, fetched):
    store.put("a/1", b"x")
    store.put("a", b"x")
    with pytest.raises(ValueError, match=r"got a, which is a folder of other objects too; rename that object"):
        copy(store.address)
    store.delete(["a", "a/1"])
    store.put("x" * 256, b"x")
    with pytest.raises(ValueError, match=r"expected names of files below s3://.*, got 'xxx.*'; rename that object"):
        copy(store.address)
    assert fetched == []


def test_a_store_with_nothing_is_an_error_that_leaves_the_copy(store):
    store.put("a", b"1")
    place = object_store.copied(store.address)
    store.delete(["a"])
    for look in (object_store.copied, object_store.available):
        with pytest.raises(ValueError, match=rf"expected files below {store.address}, got none; correct dataset.path"):
            look(store.address)
    assert (place / "a").read_bytes() == b"1"


def test_what_is_available_is_counted_and_not_copied(store, fetched):
    for name in ("a/1", "a/2"):
        store.put(name, b"x")
    assert object_store.available(store.address) == f"2 files in {store.address}"
    assert fetched == []
