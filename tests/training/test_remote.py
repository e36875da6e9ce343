"""Training from a storage, in processes that see neither the tiles nor each other's folders."""

import shutil
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
import torch
from safetensors.torch import save_file

from pipeline.artifacts import tileset
from pipeline.artifacts.tileset import Tileset
from pipeline.files import lease
from pipeline.files.storage import Storage
from pipeline.files.storage_address import LOCAL, VARIABLE
from pipeline.params.steps import Storage as Settings
from pipeline.training import remote, run, train
from pipeline.training.initial import Initial
from pipeline.training.trainer import Job
from tests.support.tiny_data import write_tiles
from tests.support.tiny_training import CPU, SETTINGS, TINY, fit, ignore

INPUTS = {"data": "x.dir", "train": {"epochs": 3}}


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    return write_tiles(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def undisturbed(tiles, tmp_path_factory):
    return fit(tiles, SETTINGS, tmp_path_factory.mktemp("undisturbed") / "run").state


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return a function that begins a run on a machine of its own, whose repository and cache nobody else sees."""

    def begin(name, address, *, fresh=False):
        (tmp_path / name).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / name)
        cache = str(tmp_path / name / "cache")
        return remote.begun(Settings(address=address, cache=cache, cache_megabytes=1), INPUTS, fresh=fresh)

    return begin


def trained(begun, tiles, *, network=TINY, on_report=lambda epoch: None, say=lambda text: None, settings=SETTINGS):
    job = begun.publish(Job(tiles, network, settings, (1.0, 3.0)))
    # The paths that only the driver sees are gone.
    job = replace(job, tiles=tiles / "none")
    train.fit(job, folder=begun.folder, device=CPU, report=on_report, progress=ignore, pictures=ignore, say=say)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def addresses(kind, bucket, tmp_path):
    return bucket if kind == "object" else (tmp_path / "all").as_uri()


@pytest.fixture(params=["object", "shared"])
def address(request, bucket, tmp_path):
    return addresses(request.param, bucket, tmp_path)


def test_the_model_is_that_of_one_machine(machine, address, tiles, undisturbed):
    with machine("driver", address) as begun:
        trained(begun, tiles)
        assert not [*(begun.cache.folder / "runs").glob("*/step-*")]  # the storage has them
        result = begun.result()
    assert result.step == 7
    assert same(result.model, undisturbed.model)
    assert same(result.best, undisturbed.best)


@pytest.mark.parametrize("killed_after", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_another_machine_resumes_what_a_lost_one_left(machine, address, tiles, undisturbed, killed_after):
    def lose(epoch):
        if epoch["epoch"] == killed_after:
            raise KeyboardInterrupt

    with machine("first", address) as begun, pytest.raises(KeyboardInterrupt):
        trained(begun, tiles, on_report=lose)
    messages = []
    with machine("second", address) as begun:
        trained(begun, tiles, say=messages.append)
        result = begun.result()
    step = (3, 5)[killed_after - 1]
    name = begun.folder.name
    messages = [text for text in messages if not text.startswith("computing in ")]
    assert messages == [f"resuming run {name} at epoch {killed_after + 1} of 3, step {step + 1}"]
    assert same(result.model, undisturbed.model)


@pytest.mark.slow
def test_a_finished_run_is_not_trained_again_and_fresh_starts_over(machine, address, tiles):
    with machine("first", address) as begun:
        trained(begun, tiles)
    messages, epochs = [], []
    with machine("second", address) as begun:
        trained(begun, tiles, say=messages.append, on_report=epochs.append)
        assert begun.result().step == 7
    assert "is finished" in messages[0]
    assert epochs == []
    with machine("third", address, fresh=True) as begun:
        trained(begun, tiles, on_report=epochs.append)
    assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3]


def test_reading_tiles_does_not_parse_tiles_json_again(machine, address, tiles, monkeypatch):
    here, parsed, parse = Tileset(tiles, "train"), [], tileset.strict_json.parse
    monkeypatch.setattr(tileset.strict_json, "parse", lambda *args: parsed.append(1) or parse(*args))
    with machine("driver", address) as begun:
        find = begun.publish(Job(tiles, TINY, SETTINGS, (1.0, 1.0))).remote.find
        parsed.clear()
        fetched = Tileset(find, "train")
        assert len(parsed) == 2  # the header, and the digests by which files are found
        for i in range(len(here)):
            assert (fetched[i][1] == here[i][1]).all()
        assert sum(len(masks) for _, masks in fetched.batches([[i] for i in range(len(here))])) == 9
        assert len(parsed) == 2
        Tileset(find, "val")
        assert len(parsed) == 3  # its header


def test_initial_weights_travel(machine, address, tiles, tmp_path):
    start = Initial(tmp_path / "none.safetensors")
    save_file({"a": torch.zeros(1)}, start.file)
    with machine("driver", address) as begun:
        job = begun.publish(Job(tiles, TINY, SETTINGS, (1.0, 1.0), start))
        start.file.unlink()
        assert job.remote.weights().stat().st_size > 0


def test_two_machines_do_not_train_a_run_at_once(machine, bucket, monkeypatch):
    monkeypatch.setattr(lease, "SECONDS", 0.5)
    with machine("first", bucket) as first:
        assert f"runs/{first.folder.name}/lease" in Storage(bucket).names()
        assert (
            Storage(bucket).get(f"runs/{first.folder.name}/inputs.json") == b'{"data": "x.dir", "train": {"epochs": 3}}'
        )
        assert first.folder.parent == run.all_runs()
    assert f"runs/{first.folder.name}/lease" not in Storage(bucket).names()


def test_a_jobs_storage_takes_precedence_over_that_of_params(machine, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, f"file://{tmp_path / 'of the job'}")
    for address in (LOCAL, "s3://of-params/x"):
        with machine("a", address) as begun:
            assert begun.folder.is_relative_to(tmp_path / "of the job")
            assert begun.cache.storage.address == f"file://{tmp_path / 'of the job'}"


def test_without_a_storage_nothing_is_copied(machine, tiles, undisturbed, tmp_path):
    with machine("driver", "local") as begun:
        job = Job(tiles, TINY, SETTINGS, (1.0, 3.0))
        assert begun.publish(job) is job
        silent = partial(train.fit, device=CPU, report=ignore, progress=ignore, pictures=ignore, say=ignore)
        silent(job, folder=begun.folder)
        assert same(begun.result().model, undisturbed.model)
    assert not (tmp_path / "driver" / "cache").exists()
    shutil.rmtree(tmp_path / "driver")


@pytest.mark.slow
def test_an_interrupt_is_answered_by_what_is_kept_of_the_run(machine, tiles, bucket, tmp_path, caplog):
    caplog.set_level("INFO")

    def interrupted(address, *, after_training):
        caplog.clear()
        with suppress(KeyboardInterrupt), machine("one", address) as begun:
            if after_training:
                trained(begun, tiles)
            raise KeyboardInterrupt
        return caplog.messages[-1]

    anew = "no checkpoint was due yet (train.checkpoint_minutes): this run begins anew"
    for address in ((tmp_path / "all").as_uri(), bucket):
        assert interrupted(address, after_training=False) == anew
        assert interrupted(address, after_training=True) == "kept: the checkpoint after step 7"


def test_where_the_storage_does_not_tell_what_is_kept_its_reason_is_said(machine, bucket):
    gone = Storage("s3://no-such-bucket", patience=timedelta(seconds=1))
    with machine("one", bucket) as begun:
        said = replace(begun, cache=replace(begun.cache, storage=gone)).kept()
    start = "kept: the checkpoints that were copied to s3://no-such-bucket, which could not be asked: "
    assert said.startswith(start)
    assert "no-such-bucket" in said.removeprefix(start)
