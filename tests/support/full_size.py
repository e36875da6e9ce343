"""The networks at full size without their weight: on PyTorch's meta device, which knows shapes alone."""

import torch

from pipeline.core.models import MODELS


def network(name, num_classes=11):
    with torch.device("meta"):
        return MODELS[name](num_classes, 1.0).eval()


def planes(model, modules, size=(360, 480)):
    """The shape (C, H, W) that each module is given, and that it makes, for one image of `size`; in order of use."""
    given, made = [], []

    def note(module, args, output):
        given.append(tuple(args[0].shape[1:]))
        made.append(tuple(output.shape[1:]))

    handles = [module.register_forward_hook(note) for module in modules]
    logits = model(torch.zeros(1, 3, *size, device=next(model.parameters()).device))
    for handle in handles:
        handle.remove()
    assert tuple(logits.shape[2:]) == size
    return given, made


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def weights(model):
    """The parameters of convolutions and deconvolutions, without biases and batch normalisation: the paper's count."""
    return sum(p.numel() for p in model.parameters() if p.ndim == 4)
