"""The phases of a training: which steps they have, what each step is given, and that it resumes within them."""

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from pipeline.artifacts.model import read_model
from pipeline.params.recipe import ImageLoss, Phase
from pipeline.tracking import registered
from pipeline.training import checkpoint, phases, train, trainer
from pipeline.training.trainer import Job, Trainer
from tests.support.tiny_data import write_tiles
from tests.support.tiny_training import CPU, SETTINGS, TINY, fit

SMALL = Phase(share=0.4, scale=0.5, learning_rate=0.4, final_rate=0.5, zoom=(0.5, 1.0))
ONES = torch.ones(4, dtype=torch.float64)
# Of three epochs (3, 2 and 2 steps), 1.2 and so one is in the early phase.
PHASES = SETTINGS.model_copy(
    update={"early_phases": (SMALL,), "learning_rate": 0.1, "optimizer": "sgd", "schedule": "cosine"}
)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """Write nine tiles of 64 x 64 pixels per split."""
    return write_tiles(tmp_path_factory.mktemp("toy"), side=64)


@pytest.mark.parametrize(
    ("epochs", "shares", "first"),
    [
        (20, (), [0]),
        (138, (0.89,), [0, 123]),  # 122.82
        (10, (0.15, 0.1), [0, 2, 3]),  # halves are rounded up, so that each has an epoch
        (10, (0.25, 0.5), [0, 3, 8]),
    ],
)
def test_shares_are_rounded_to_whole_epochs(epochs, shares, first):
    early = tuple(SMALL.model_copy(update={"share": share}) for share in shares)
    settings = SETTINGS.model_copy(update={"epochs": epochs, "early_phases": early})
    assert settings.first_epochs == first


def test_the_learning_rate_falls_in_each_phase_and_rises_in_the_first_alone():
    settings = PHASES.model_copy(update={"epochs": 5, "warmup_epochs": 0.5, "final_rate": 0.0})
    small, full = phases.phases(settings, lambda epoch: 4 * epoch)
    assert (small.steps, full.steps) == (range(8), range(8, 20))
    # Two steps of warm-up, then the cosine from 0.4 to 0.2 over six.
    assert [small.learning_rate_at(step) for step in (0, 1, 2, 5)] == pytest.approx([0.2, 0.4, 0.4, 0.3])
    assert [full.learning_rate_at(step) for step in (8, 14)] == pytest.approx([0.1, 0.05])
    assert (small.size(90, 121), full.size(90, 121)) == ((45, 60), (90, 121))


def test_each_step_is_given_tiles_of_its_phase(tiles, monkeypatch):
    worker, seen, zooms = Trainer(Job(tiles, TINY, PHASES, (1.0, 3.0)), CPU), [], []
    augment = phases.augment

    def learn(images, masks, *, step, learning_rate, **_):
        seen.append((step, tuple(images.shape), tuple(masks.shape), learning_rate))
        return ONES

    def noted(images, masks, random, settings, *, void):
        zooms.append(settings.zoom)
        return augment(images, masks, random, settings, void=void)

    worker.learner.learn = learn
    monkeypatch.setattr(phases, "augment", noted)
    for epoch in range(3):
        worker.train(epoch, checkpoint.beginning().sums, progress=lambda now: None, save=lambda sums: None)
    assert [step for step, *_ in seen] == list(range(7))
    assert [shape for _, shape, *_ in seen] == [(4, 3, 32, 32)] * 3 + [(4, 3, 64, 64)] * 4
    assert [shape for *_, shape, _ in seen] == [(4, 32, 32)] * 3 + [(4, 64, 64)] * 4
    assert zooms == [(0.5, 1.0)] * 3 + [SETTINGS.zoom] * 4
    cosine = [0.5 + 0.5 * np.cos(np.pi * part) for part in (0, 1 / 3, 2 / 3)]
    last = [0.5 + 0.5 * np.cos(np.pi * part) for part in (0, 1 / 4, 2 / 4, 3 / 4)]
    expected = [*(0.2 + 0.2 * part for part in cosine), *(0.1 * part for part in last)]
    assert [rate for *_, rate in seen] == pytest.approx(expected)


def test_epochs_of_an_early_phase_are_validated_at_full_size(tiles):
    worker = Trainer(Job(tiles, TINY, PHASES, (1.0, 3.0)), CPU)
    ((_, masks),) = worker.tiles["val"].batches([range(9)])
    assert worker._count(worker.published().eval())[0].sum() == (masks != 2).sum()


@pytest.mark.parametrize(
    "killed_at", [3, *(pytest.param(step, marks=pytest.mark.slow) for step in (1, 4))]
)  # at the end of the early phase, within it, within the last
def test_training_resumes_within_any_phase_as_if_uninterrupted(tiles, tmp_path, monkeypatch, killed_at):
    image_loss = ImageLoss(name="dice", share=0.5)  # whose sums a checkpoint holds, too
    settings = PHASES.model_copy(update={"checkpoint_minutes": 1e-9, "momentum": 0.9, "image_loss": image_loss})
    monkeypatch.setattr(trainer, "_CHECK_EVERY", 1)
    expected = fit(tiles, settings, tmp_path / "uninterrupted").state
    write = checkpoint.write

    def kill(folder, state, *, keep):
        write(folder, state, keep=keep)
        if state.step == killed_at:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "write", kill)
    with pytest.raises(KeyboardInterrupt):
        fit(tiles, settings, tmp_path / "run")
    monkeypatch.setattr(checkpoint, "write", write)
    rest = fit(tiles, settings, tmp_path / "run").state
    assert all(torch.equal(value, expected.model[name]) for name, value in rest.model.items())
    assert all(torch.equal(value, expected.optimizer[name]) for name, value in rest.optimizer.items())
    assert [each["train/loss_of_images"] for each in rest.history] == [
        each["train/loss_of_images"] for each in expected.history
    ]


def two_epochs(tiles):
    """Train the early phase and an epoch of the last one in float64; return the weights."""
    torch.set_default_dtype(torch.float64)
    try:
        settings = PHASES.model_copy(update={"learning_rate": 0.01, "precision": "float32"})
        worker = Trainer(Job(tiles, TINY, settings, (1.0, 3.0)), CPU)
        for epoch in range(2):
            worker.train(epoch, checkpoint.beginning().sums, progress=lambda now: None, save=lambda sums: None)
        return worker.learner.published().state_dict()
    finally:
        torch.set_default_dtype(torch.float32)


def one_of(rank, world_size, address, tiles, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=world_size)
    try:
        torch.save(two_epochs(tiles), folder / f"{rank}.pt")
    finally:
        dist.destroy_process_group()


@pytest.mark.slow
def test_two_workers_train_the_phases_that_one_would(tiles, tmp_path):
    mp.spawn(one_of, (2, f"file://{tmp_path}/meet", tiles, tmp_path), nprocs=2)
    expected = two_epochs(tiles)
    for rank in range(2):
        for name, value in torch.load(tmp_path / f"{rank}.pt").items():
            torch.testing.assert_close(value, expected[name], rtol=1e-9, atol=1e-9)


def test_a_crop_is_shrunk_with_its_tile(tiles):
    worker, seen = Trainer(Job(tiles, TINY, PHASES.model_copy(update={"crop": (64, 32)}), (1.0, 3.0)), CPU), []
    worker.learner.learn = lambda images, masks, **_: seen.append((images.shape[2:], masks.shape[1:])) or ONES
    for epoch in range(2):
        worker.train(epoch, checkpoint.beginning().sums, progress=lambda now: None, save=lambda sums: None)
    assert seen == [((32, 16), (32, 16))] * 3 + [((64, 32), (64, 32))] * 2


def test_dropout_is_trained_with_and_not_published(tiles, tmp_path):
    network = TINY.model_copy(update={"dropout": 0.25})
    rates = [
        m.p
        for m in Trainer(Job(tiles, network, SETTINGS, (1.0, 3.0)), CPU).learner.published().modules()
        if isinstance(m, torch.nn.Dropout)
    ]
    assert rates == [0.25] * 6
    one_epoch = SETTINGS.model_copy(update={"epochs": 1})
    job, header, _ = train.prepare(tiles, network, one_epoch, tiles, registered.fetch)
    state = fit(tiles, one_epoch, tmp_path / "run", network=network).state
    train.write_outcome(state, train.spec(job, header, "a"), job, {}, model=tmp_path / "model", reports=tmp_path)
    assert not any(isinstance(m, torch.nn.Dropout) for m in read_model(tmp_path / "model")[1].modules())


def test_the_work_of_epochs_counts_the_pixels_of_their_tiles():
    early = (Phase(share=0.5, scale=0.5, learning_rate=0.1, final_rate=0.1, zoom=(1.0, 1.0)),)
    settings = SETTINGS.model_copy(update={"epochs": 8, "early_phases": early})
    assert [phases.full_epochs(settings, done) for done in (0, 2, 4, 5.5, 8)] == [0, 0.5, 1, 2.5, 5]
