"""Starting a network from a trained one of the same layers, whose classes may be others or in another order."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from pipeline.core.models import MODELS
from pipeline.core.models.parts import check_trained

_NARROW = 1 / 16  # width of the networks that are compared; which dimensions count classes does not depend on it


def class_dimensions(network: str) -> dict[str, tuple[int, ...]]:
    """Return which dimensions of a network's tensors count classes, by tensor; tensors without any are left out.

    Example:
        >>> class_dimensions("segnet")
        {'classifier.weight': (0,), 'classifier.bias': (0,)}
    """
    with torch.random.fork_rng(devices=[]):
        two, three = (MODELS[network](num_classes, _NARROW).state_dict() for num_classes in (2, 3))
    sizes = {name: enumerate(zip(two[name].shape, three[name].shape, strict=True)) for name in two}
    differing = {name: tuple(i for i, (a, b) in pairs if a != b) for name, pairs in sizes.items()}
    return {name: dimensions for name, dimensions in differing.items() if dimensions}


def load_trained(
    model: nn.Module,
    network: str,
    tensors: Mapping[str, Tensor],
    *,
    classes: Sequence[str],
    trained_classes: Sequence[str],
) -> None:
    """Set a network's weights and statistics from those of a trained one, in place.

    What belongs to a class is taken from the trained class of the same name; a class without one keeps its initial
    values, as do the weights between it and other classes.

    Args:
        model: The network `network` (a key of MODELS), at any width, with `classes`.
        network: Its name.
        tensors: The state dict of a trained network.
        classes: Names of the classes, in index order.
        trained_classes: Those of the trained network.

    Raises:
        ValueError: a tensor is missing, has another shape, is not the network's, or holds what no training leaves. The
            network is then unchanged.
    """
    own, by_class = model.state_dict(), class_dimensions(network)
    for name, target in own.items():
        dimensions = by_class.get(name, ())
        sizes = (len(trained_classes) if i in dimensions else size for i, size in enumerate(target.shape))
        expected, trained = tuple(sizes), tensors.get(name)
        if trained is None or tuple(trained.shape) != expected:
            got = "none" if trained is None else tuple(trained.shape)
            raise ValueError(f"{name}: expected a tensor of shape {expected}, got {got}")
        check_trained(name, trained, target)
    if others := sorted(tensors.keys() - own.keys()):
        raise ValueError(f"expected the {len(own)} tensors of {network}, got {others[0]} besides")
    shared = [name for name in classes if name in trained_classes]
    here = torch.tensor([classes.index(name) for name in shared], dtype=torch.int64)
    there = torch.tensor([trained_classes.index(name) for name in shared], dtype=torch.int64)
    with torch.no_grad():
        for name, target in own.items():
            part, dimensions = tensors[name], by_class.get(name, ())
            for dimension in dimensions:
                part = part.index_select(dimension, there)
            _put(part, target, dimensions, here)


def _put(part: Tensor, target: Tensor, dimensions: Sequence[int], classes: Tensor) -> None:
    """Write `part` into a tensor, in which the given dimensions are those of `classes` only."""
    if not dimensions:
        target.copy_(part)
        return
    first, *others = dimensions
    rows = target.index_select(first, classes)
    _put(part, rows, others, classes)
    target.index_copy_(first, classes, rows)
