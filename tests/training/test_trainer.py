"""A step, an epoch and the validation are the same on 1, 2 and 4 workers, and with accumulated gradients."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from pipeline.core import sampler
from pipeline.core.models import MODELS
from pipeline.data import tile
from pipeline.params.recipe import ImageLoss
from pipeline.params.steps import Tile
from pipeline.training import checkpoint
from pipeline.training.trainer import Job, Trainer
from tests.support.tiny_data import write_raw
from tests.support.tiny_training import CPU, SETTINGS, TINY

VOID, SKY = 2, 1
# Adam divides by a gradient's magnitude, and so amplifies errors where a gradient is zero.
SGD = SETTINGS.model_copy(update={"optimizer": "sgd", "learning_rate": 0.01})
PLAIN = SimpleNamespace(name="plain", width=1.0, dropout=0.0, vgg16=None, start_from=None)
SPARSE = SimpleNamespace(name="sparse", width=1.0, dropout=0.0, vgg16=None, start_from=None)
OF_TILES_ALONE = (PLAIN, SPARSE)  # without batch normalisation, whose statistics are those of a part
# name -> (dtype, network, changed settings)
CASES = {
    "float64": (torch.float64, TINY, {"ema_decay": 0.1}),
    "float32": (torch.float32, TINY, {"learning_rate": 0.001}),  # batches of 2x2 pixels amplify rounding errors
    "parts": (torch.float64, TINY, {"accumulation": 2, "batch_size": 8}),
    "statistics": (torch.float64, TINY, {"statistics_tiles": 5}),
    "plain": (torch.float64, PLAIN, {}),
    "lovasz": (torch.float64, PLAIN, {"image_loss": ImageLoss(name="lovasz_softmax", share=0.5)}),
    "dice": (torch.float64, PLAIN, {"image_loss": ImageLoss(name="dice", share=1.0), "loss": "focal"}),
    "smoothed": (torch.float64, PLAIN, {"label_smoothing": 0.1}),
    "rare": (torch.float64, PLAIN, {"rare_class_share": 0.5}),
    "dropout": (torch.float64, SPARSE, {}),
    "keyed": (torch.float64, PLAIN, {"order": "keyed"}),
    "moved": (
        torch.float64,
        PLAIN,
        {"rotation": 20.0, "border": "mirror", "hue": 30.0, "blur": 1.5, "noise": 9.0, "crop": (16, 24)},
    ),
    "hard": (torch.float64, PLAIN, {"loss": "hard_pixels", "learning_rate": 1.0}),
}


def plain(num_classes, width):
    """Return a network without batch normalisation, whose gradients are a sum over tiles."""
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, num_classes, 1))


def sparse(num_classes, width):
    """Return one whose features are dropped, at two places."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.Tanh(),
        nn.Dropout(0.5),
        nn.Sequential(nn.Conv2d(4, 4, 1), nn.Dropout(0.25)),
        nn.Conv2d(4, num_classes, 1),
    )


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """Write nine tiles per split; in the first step, one of two workers sees only void and the other all of the sky."""
    folder = tmp_path_factory.mktemp("toy")
    masks = np.random.default_rng(1).choice([0, VOID], (9, 32, 32)).astype(np.uint8)
    first = sampler.Order(9, SGD.seed).tiles_at(range(4))
    masks[first[:2]] = VOID
    masks[first[2], :16] = SKY
    pairs = [np.concatenate([masks[i], masks[i + 1]], axis=1) for i in range(0, 8, 2)]
    manifest = write_raw(folder / "raw", [(32, 64)] * 4 + [(32, 32)], [*pairs, masks[8]])
    settings = Tile(scale=1.0, height=32, width=32, stride_y=32, stride_x=32, drop_unlabelled=False, tiles_per_shard=4)
    tile.run(manifest, folder / "raw", folder / "tiles", settings)
    return folder / "tiles"


def an_epoch(tiles, dtype, network, settings):
    """Train an epoch; return what each step added to the losses, the weights, and the validation counts."""
    MODELS.update(plain=plain, sparse=sparse)
    torch.set_default_dtype(dtype)
    try:
        worker = Trainer(Job(tiles, network, settings, (1.0, 3.0)), CPU)
        learn, steps = worker.learner.learn, []
        worker.learner.learn = lambda *shares, **options: steps.append(learn(*shares, **options)) or steps[-1]
        worker.train(0, checkpoint.beginning().sums, progress=lambda now: None, save=lambda sums: None)
        network = worker.published()
        weights = {name: value.clone() for name, value in network.state_dict().items()}
        counts, losses = worker._count(network.eval())
        return {"steps": torch.stack(steps), "weights": weights, "counts": counts, "losses": losses}
    finally:
        torch.set_default_dtype(torch.float32)
        del MODELS["plain"], MODELS["sparse"]


def one_of(rank, world_size, address, tiles, folder, parts):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=world_size)
    try:
        for name, (dtype, network, changes) in CASES.items():
            settings = SGD.model_copy(update={"accumulation": parts if network in OF_TILES_ALONE else 1, **changes})
            torch.save(an_epoch(tiles, dtype, network, settings), folder / f"{name}{rank}.pt")
    finally:
        dist.destroy_process_group()


@pytest.fixture(scope="module")
def alone(tiles):
    return {
        name: an_epoch(tiles, dtype, network, SGD.model_copy(update=changes))
        for name, (dtype, network, changes) in CASES.items()
    }


def assert_same(actual, expected, tolerance):
    bounds = {"rtol": tolerance, "atol": tolerance}
    torch.testing.assert_close(actual["steps"], expected["steps"], **bounds)
    for name, value in expected["weights"].items():
        torch.testing.assert_close(actual["weights"][name], value, **bounds, msg=lambda text, name=name: name + text)
    assert torch.equal(actual["counts"], expected["counts"])
    torch.testing.assert_close(actual["losses"], expected["losses"], **bounds)


# Two workers split their share of the plain network's batch into two parts; four workers do not split theirs.
@pytest.mark.parametrize(("world_size", "parts"), [(2, 2), pytest.param(4, 1, marks=pytest.mark.slow)])
def test_several_workers_train_the_model_that_one_would(tiles, alone, tmp_path, world_size, parts):
    arguments = (world_size, f"file://{tmp_path}/meet", tiles, tmp_path, parts)
    mp.spawn(one_of, arguments, nprocs=world_size)
    for name, expected in alone.items():
        assert expected["counts"][SKY].sum() == 512  # pixels, all in one tile
        for rank in range(world_size):
            result = torch.load(tmp_path / f"{name}{rank}.pt")
            assert_same(result, expected, 1e-5 if name == "float32" else 1e-10)


@pytest.mark.parametrize("parts", [2, 4])
@pytest.mark.parametrize("name", [name for name, (_, network, _) in CASES.items() if network in OF_TILES_ALONE])
def test_a_batch_in_parts_gives_the_same_step(tiles, alone, name, parts):
    dtype, network, changes = CASES[name]
    result = an_epoch(tiles, dtype, network, SGD.model_copy(update={**changes, "accumulation": parts}))
    assert_same(result, alone[name], 1e-10)


def test_a_step_on_void_only_changes_no_weight(tiles):
    worker = Trainer(Job(tiles, TINY, SGD.model_copy(update={"weight_decay": 0.0}), (1.0, 3.0)), CPU)
    before = {name: value.clone() for name, value in worker.learner.published().named_parameters()}
    images, masks = torch.rand(4, 3, 32, 32) * 255, torch.full((4, 32, 32), VOID)
    sums = worker.learner.learn(images, masks, dropout=torch.zeros(len(images)), step=0, learning_rate=0.1)
    assert sums.tolist() == [0, 0, 0, 0]
    assert all(torch.equal(value, before[name]) for name, value in worker.learner.published().named_parameters())
