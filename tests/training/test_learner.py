"""A step of one process's network; test_trainer.py tests several workers."""

import math
import os

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pipeline.core.image_losses import dice
from pipeline.core.models import MODELS
from pipeline.params.recipe import ImageLoss
from pipeline.training import checkpoint, learner
from pipeline.training.errors import TrainingError
from pipeline.training.learner import Learner
from tests.support.tiny_data import write_tiles
from tests.support.tiny_training import SETTINGS, TINY, fit

SGD = SETTINGS.model_copy(update={"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0})
IMAGES = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
NONE = torch.zeros(4)  # the numbers for dropout, of networks without
MASKS = torch.randint(0, 3, (4, 8, 8), generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    return write_tiles(tmp_path_factory.mktemp("toy"))


def plain():
    torch.manual_seed(3)
    return nn.Conv2d(3, 2, 1)


def test_a_step_descends_the_weighted_mean_over_the_batch():
    expected, model = plain(), plain()
    F.cross_entropy(expected(IMAGES), MASKS, torch.tensor([1.0, 3.0]), ignore_index=2).backward()
    Learner(model, SGD, (1.0, 3.0)).learn(IMAGES, MASKS, dropout=NONE, step=0, learning_rate=0.5)
    torch.testing.assert_close(model.weight, expected.weight - 0.5 * expected.weight.grad)


def test_the_average_of_the_weights_is_what_is_published():
    model = plain()
    before = model.weight.detach().clone()
    ours = Learner(model, SGD.model_copy(update={"ema_decay": 0.05}), (1.0, 3.0))
    ours.learn(IMAGES, MASKS, dropout=NONE, step=0, learning_rate=0.5)
    torch.testing.assert_close(ours.published().weight, 0.05 * before + 0.95 * model.weight)


def test_the_average_follows_the_weights_more_slowly_after_many_steps():
    model = plain()
    before = model.weight.detach().clone()
    ours = Learner(model, SGD.model_copy(update={"ema_decay": 0.75}), (1.0, 3.0))
    ours.learn(IMAGES, MASKS, dropout=NONE, step=10**6, learning_rate=0.5)
    torch.testing.assert_close(ours.published().weight, 0.75 * before + 0.25 * model.weight)


def test_without_an_average_the_weights_are_published():
    model = plain()
    assert Learner(model, SGD, (1.0, 3.0)).published() is model


@pytest.mark.parametrize("name", ["segnet", "unet", "bilinear", "deeplab_largefov", "bayesian_segnet_basic"])
def test_a_network_is_trained_by_deterministic_operations(name):
    model = MODELS[name](2, 1 / 16)
    images, masks = torch.rand(2, 3, 32, 32) * 255, torch.randint(0, 3, (2, 32, 32))
    with learner.deterministic():
        Learner(model, SGD, (1.0, 3.0)).learn(images, masks, dropout=NONE, step=0, learning_rate=0.01)
    assert not torch.are_deterministic_algorithms_enabled()


def test_deterministic_training_repeats_itself(tiles, tmp_path):
    settings = SETTINGS.model_copy(update={"deterministic": True, "epochs": 1})
    one, other = (fit(tiles, settings, tmp_path / name).state.model for name in "ab")
    assert all(torch.equal(value, other[name]) for name, value in one.items())


class Unpooling(nn.Module):
    """PyTorch's own unpooling, which has no deterministic version."""

    def __init__(self):
        super().__init__()
        self.last = nn.Conv2d(3, 2, 1)

    def forward(self, x):
        return self.last(F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2))


def test_an_operation_without_a_deterministic_version_is_named(tiles, tmp_path, monkeypatch):
    monkeypatch.setitem(MODELS, "unpooling", lambda classes, width: Unpooling())
    network = TINY.model_copy(update={"name": "unpooling"})
    with pytest.raises(TrainingError, match=r"train\.deterministic: expected deterministic .*, got: max_unpooling2d"):
        fit(tiles, SETTINGS.model_copy(update={"deterministic": True}), tmp_path / "run", network=network)
    assert not torch.are_deterministic_algorithms_enabled()


class Failing(nn.Conv2d):
    """A network that fails for a reason of its own."""

    def forward(self, x):
        raise ValueError("of another kind")


def test_another_error_of_a_network_is_raised_as_it_is():
    model = Failing(3, 2, 1)
    with pytest.raises(ValueError, match=r"^of another kind$"):
        Learner(model, SGD, (1.0, 3.0)).learn(IMAGES, MASKS, dropout=NONE, step=0, learning_rate=0.5)
    with pytest.raises(RuntimeError, match=r"^of another kind$"), learner.deterministic():
        raise RuntimeError("of another kind")


def test_deterministic_algorithms_stay_on_where_they_were(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    torch.use_deterministic_algorithms(True)
    try:
        with learner.deterministic():
            assert torch.are_deterministic_algorithms_enabled()
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    with learner.deterministic():
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_a_learner_resumes_from_what_it_gave(tmp_path):
    settings = SGD.model_copy(update={"ema_decay": 0.5, "momentum": 0.9})
    ours, theirs = Learner(plain(), settings, (1.0, 3.0)), Learner(plain(), settings, (1.0, 3.0))
    for step in range(2):
        ours.learn(IMAGES, MASKS, dropout=NONE, step=step, learning_rate=0.5)
    checkpoint.write(tmp_path, ours.into(checkpoint.beginning()), keep=1)
    theirs.load(checkpoint.last(tmp_path))
    for each in (ours, theirs):
        each.learn(IMAGES, MASKS, dropout=NONE, step=2, learning_rate=0.5)
    first, second = ours.into(checkpoint.beginning()), theirs.into(checkpoint.beginning())
    for part in ("model", "optimizer", "average"):
        mine, others = getattr(first, part), getattr(second, part)
        assert mine.keys() == others.keys() != set()
        assert all(torch.equal(value, others[name]) for name, value in mine.items()), part
    assert Learner(plain(), SGD, (1.0, 3.0)).into(checkpoint.beginning()).average == {}


def test_a_tensor_is_summed_over_all_workers_if_there_are_any(monkeypatch):
    tensor = torch.tensor([1.0, 2.0])
    learner.all_reduce(tensor)
    assert tensor.tolist() == [1, 2]
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda tensor: tensor.mul_(2))  # another has the same
    learner.all_reduce(tensor)
    assert tensor.tolist() == [2, 4]


def test_the_losses_of_a_batch_are_told_weighted_and_plain():
    logits, masks = torch.zeros(1, 2, 1, 4), torch.tensor([[[0, 1, 1, 2]]])  # ln 2 at each pixel; 2 is void
    sums = Learner(plain(), SGD, (1.0, 3.0)).losses(logits, masks)
    assert sums.tolist() == pytest.approx([7 * math.log(2), 7, 3 * math.log(2), 3])
    assert sums.dtype == torch.float64


def test_a_loss_of_images_has_its_share_of_a_step_and_of_what_is_told():
    settings = SGD.model_copy(update={"image_loss": ImageLoss(name="dice", share=0.25)})
    masks = MASKS.clone()
    masks[3] = 2  # void: three images have a loss
    expected, model = plain(), plain()
    pixels = F.cross_entropy(expected(IMAGES), masks, torch.tensor([1.0, 3.0]), ignore_index=2)
    images = dice(expected(IMAGES), masks) / 3
    (0.75 * pixels + 0.25 * images).backward()
    ours = Learner(model, settings, (1.0, 3.0))
    sums = ours.learn(IMAGES, masks, dropout=NONE, step=0, learning_rate=0.5)
    torch.testing.assert_close(model.weight, expected.weight - 0.5 * expected.weight.grad)
    means = ours.mean_losses(sums)
    assert sums[5] == 3
    assert means["loss_of_images"] == pytest.approx(images.item())
    assert means["loss"] == pytest.approx(0.75 * pixels.item() + 0.25 * images.item())
    assert means.keys() == {"loss", "loss_unweighted", "loss_of_images"}


@pytest.mark.parametrize("network", ["fcn", "fcn_fixed", "deconvnet"])
def test_batch_normalisation_of_a_single_value_is_an_error_that_names_tile_and_batch(network):
    model = MODELS[network](2, 1 / 16)
    learner = Learner(model, SETTINGS.model_copy(update={"batch_size": 1}), (1.0, 1.0))
    images, masks = torch.zeros(1, 3, 32, 32), torch.zeros(1, 32, 32, dtype=torch.int64)
    message = r"train\.batch_size: expected more than one value per channel .* reduces 1 tile of 32 x 32 pixels"
    with pytest.raises(TrainingError, match=message):
        learner.learn(images, masks, dropout=torch.zeros(1), step=0, learning_rate=0.1)
