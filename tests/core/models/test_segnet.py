"""SegNet against the numbers of the release's prototxt."""

import math

import pytest
import torch
from torch import nn

from pipeline.core.models import MODELS

# Models/segnet_train.prototxt: (in, out) of conv1_1 ... conv5_3, conv5_3_D ... conv1_1_D (the classifier).
CONVOLUTIONS = [
    *[(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256)],
    *[(256, 512), (512, 512), (512, 512), (512, 512), (512, 512), (512, 512)],
    *[(512, 512), (512, 512), (512, 512), (512, 512), (512, 512), (512, 256)],
    *[(256, 256), (256, 256), (256, 128), (128, 128), (128, 64), (64, 64), (64, 11)],
]


@pytest.fixture(scope="module")
def segnet():
    torch.manual_seed(0)
    return MODELS["segnet"](11, 1.0)


def test_it_has_the_releases_parameters(segnet):
    assert sum(p.numel() for p in segnet.parameters()) == 29_449_355


def test_its_convolutions_are_those_of_the_prototxt(segnet):
    found = [(m.in_channels, m.out_channels) for m in segnet.modules() if isinstance(m, nn.Conv2d)]
    assert found == CONVOLUTIONS
    assert all(
        m.kernel_size == (3, 3) and m.padding == (1, 1) and m.bias is not None
        for m in segnet.modules()
        if isinstance(m, nn.Conv2d)
    )
    assert sum(isinstance(m, nn.BatchNorm2d) for m in segnet.modules()) == 25
    assert sum(isinstance(m, nn.ReLU) for m in segnet.modules()) == 25


def test_its_planes_at_360x480_are_those_of_the_prototxt():
    torch.manual_seed(0)
    model = MODELS["segnet"](11, 1 / 16).eval()
    sizes = []
    for level in [*model.encoder, *model.decoder]:
        level.register_forward_hook(lambda _, args, out: sizes.append(tuple(out.shape[2:])))
    assert model(torch.zeros(1, 3, 360, 480)).shape == (1, 11, 360, 480)
    down = [(360, 480), (180, 240), (90, 120), (45, 60), (23, 30)]
    assert sizes == down + down[::-1]


def test_weights_begin_as_caffes_msra_filler(segnet):
    conv = segnet.encoder[4][1][0]
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (512 * 9)), rel=0.01)
    assert not conv.bias.any()
    assert segnet.encoder[4][1][1].bias.eq(0.001).all()


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (61, 32)])
def test_any_size_from_32_gives_logits_of_that_size(size):
    model = MODELS["segnet"](5, 1 / 16).eval()
    assert model(torch.zeros(2, 3, *size)).shape == (2, 5, *size)


@pytest.mark.parametrize("shape", [(1, 3, 31, 64), (1, 1, 64, 64), (3, 64, 64)])
def test_other_inputs_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected images \(N, 3, H, W\) with H, W >= 32, got"):
        MODELS["segnet"](2, 1 / 16)(torch.zeros(shape))


def test_one_image_can_be_learnt_by_heart():
    torch.manual_seed(0)
    image, mask = torch.rand(1, 3, 32, 32) * 255, torch.randint(0, 2, (1, 32, 32))
    mask[:, :, :] = (image.mean(dim=1) > 128).long()
    model = MODELS["segnet"](2, 1 / 8)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        loss = nn.functional.cross_entropy(model(image), mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (model(image).argmax(dim=1) == mask).float().mean() > 0.95
