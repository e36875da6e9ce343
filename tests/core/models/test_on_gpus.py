import pytest
import torch

from pipeline.core.models import on_gpus


def switches():
    conv = torch.backends.cudnn.conv.fp32_precision
    return conv, torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.benchmark


def test_convolutions_are_rounded_only_if_asked_and_other_products_never():
    before = switches()
    assert before[0] == "tf32"  # what PyTorch does by itself
    with on_gpus.products():
        assert switches() == ("none", "ieee", False)
    with on_gpus.products(are_rounded=True, are_timed=True):
        assert switches() == ("tf32", "ieee", True)
    with pytest.raises(KeyError), on_gpus.products():
        raise KeyError
    assert switches()[::2] == before[::2]
    assert "tf32" not in switches()[1]


@pytest.mark.parametrize("are_rounded", [False, True])
def test_the_older_getters_that_the_compiler_uses_still_answer(are_rounded):
    with on_gpus.products(are_rounded=are_rounded):
        assert torch.backends.cudnn.allow_tf32 is are_rounded
        assert torch.get_float32_matmul_precision() == "highest"
        assert torch.backends.cuda.matmul.allow_tf32 is False
