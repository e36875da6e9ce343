"""What three workers compute alike, whether a training was interrupted or not: a sum of three depends on its order."""

from copy import deepcopy

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from pipeline.core.models import MODELS
from pipeline.training import checkpoint
from pipeline.training.learner import Learner
from tests.support.tiny_training import SETTINGS

pytestmark = pytest.mark.slow
SGD = SETTINGS.model_copy(update={"optimizer": "sgd", "precision": "float32"})
STEPS = 4
INTERRUPTED = (0, 2)  # after these steps, 0-based: DDP laid its buckets out anew in its second or third pass


def learner(parts):
    torch.manual_seed(0)
    model = MODELS["unet"](2, 1 / 16).to(memory_format=torch.channels_last)
    return Learner(model, SGD.model_copy(update={"accumulation": parts}), (1.0, 1.0))


def step(learner, number):
    """Take a step on random images, of which each worker has others; return what training would resume from."""
    generator = torch.Generator().manual_seed(STEPS * dist.get_rank() + number)
    images = torch.rand(2, 3, 32, 32, generator=generator).contiguous(memory_format=torch.channels_last) * 255
    masks = torch.randint(0, 2, (2, 32, 32), generator=generator)
    learner.learn(images, masks, dropout=torch.zeros(2), step=number, learning_rate=0.01)
    return deepcopy(learner.into(checkpoint.beginning()))


def one_of(rank, address, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=3)
    try:
        for parts in (1, 2):
            first = learner(parts)
            begun = {name: value.clone() for name, value in first.published().state_dict().items()}
            states = [step(first, number) for number in range(STEPS)]
            for number in INTERRUPTED:
                resumed = learner(parts)
                resumed.load(deepcopy(states[number]))
                after = [step(resumed, later) for later in range(number + 1, STEPS)]
                differing = [
                    name
                    for state, expected in zip(after, states[number + 1 :], strict=True)
                    for name, value in expected.model.items()
                    if not torch.equal(state.model[name], value)
                ]
                torch.save((begun, differing), folder / f"{parts}-{number}-{rank}.pt")
    finally:
        dist.destroy_process_group()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workers")
    mp.spawn(one_of, (f"file://{folder}/meet", folder), nprocs=3)
    return folder


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("number", INTERRUPTED)
def test_three_workers_that_resume_compute_the_bits_of_an_uninterrupted_training(folder, parts, number):
    for rank in range(3):
        assert torch.load(folder / f"{parts}-{number}-{rank}.pt")[1] == []


def test_nothing_is_learnt_before_the_first_step(folder):
    torch.manual_seed(0)
    expected = MODELS["unet"](2, 1 / 16).state_dict()
    begun, _ = torch.load(folder / "1-0-2.pt")
    assert begun.keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in begun.items())
