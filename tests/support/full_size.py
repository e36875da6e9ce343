"""Networks at full size without memory for weights: on PyTorch's meta device, which only tracks shapes."""

import torch

from pipeline.core.models import MODELS


def network(name, num_classes=11):
    with torch.device("meta"):
        return MODELS[name](num_classes, 1.0).eval()


def planes(model, modules, size=(360, 480)):
    """Return the input and output shapes (C, H, W) of each module for one image of `size`, in order of use."""
    inputs, outputs = [], []

    def note(module, args, output):
        inputs.append(tuple(args[0].shape[1:]))
        outputs.append(tuple(output.shape[1:]))

    handles = [module.register_forward_hook(note) for module in modules]
    logits = model(torch.zeros(1, 3, *size, device=next(model.parameters()).device))
    for handle in handles:
        handle.remove()
    assert tuple(logits.shape[2:]) == size
    return inputs, outputs


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def weights(model):
    """Count the weights of convolutions and deconvolutions, without biases and batch norm, as the paper does."""
    return sum(p.numel() for p in model.parameters() if p.ndim == 4)
