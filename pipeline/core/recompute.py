"""Training in less memory: what is quickly computed is not kept for the backward pass, but computed there once more.

A unit of SegNet keeps two tensors: the convolution's output, which normalisation needs in the backward pass, and the
ReLU's, which the next convolution needs. The second follows from the first. What unpooling makes, four times as large
as what it is made of, follows from that and the codes. The results are the same, bit for bit, and running statistics
are updated once, in the forward pass. The idea is that of Chen et al., 1604.06174, Sec. 4, and of In-Place ABN (Rota
Bulo et al., 1712.02616, Sec. 3), without inverting anything.
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.core.sync_batch_norm import SynchronisedBatchNorm2d

_recording: list["Recipes"] = []  # of the forward pass that is under way


@dataclass
class Recipe:
    """How a tensor is made again; it is kept between the two or more uses that the backward pass makes of it."""

    make: Callable[[], Tensor]
    uses: int = 0
    made: Tensor | None = None

    def take(self) -> Tensor:
        """Return the tensor for one of its uses."""
        self.uses -= 1
        made = self.make() if self.made is None else self.made
        self.made = made if self.uses > 0 else None
        return made


def taken(kept: Tensor | Recipe) -> Tensor:
    """Return a tensor that was kept, or for which a recipe was."""
    return kept.take() if isinstance(kept, Recipe) else kept


@dataclass
class Recipes:
    """The recipes of the tensors of a forward pass that still exist, by where their values lie."""

    by_place: dict[int, tuple[Recipe, Any]] = field(default_factory=dict)

    def add(self, tensor: Tensor, make: Callable[[], Tensor]) -> None:
        """Note how a tensor is made."""
        place = tensor.data_ptr()
        # Memory is used again once the tensor is gone, by tensors that have no such recipe.
        gone = weakref.ref(tensor, lambda _: self.by_place.pop(place, None))
        self.by_place[place] = (Recipe(make), gone)

    def pack(self, tensor: Tensor) -> Tensor | Recipe:
        """Return what the graph keeps of a tensor."""
        recipe, gone = self.by_place.get(tensor.data_ptr(), (None, None))
        original = gone() if gone is not None else None
        if recipe is None or original is None or (original.shape, original.dtype) != (tensor.shape, tensor.dtype):
            return tensor
        recipe.uses += 1
        return recipe

    def after(self, source: Tensor, operation: Callable[[Tensor], Tensor]) -> Callable[[], Tensor]:
        """Return a function that does an operation on a tensor, which is kept unless there is a recipe for it."""
        kept = self.pack(source.detach())
        return lambda: operation(taken(kept))


def derived(result: Tensor, source: Tensor, operation: Callable[[Tensor], Tensor]) -> None:
    """Note, if a forward pass is recorded, that `operation` makes `result` of `source`."""
    for recipes in _recording:
        recipes.add(result, recipes.after(source, operation))


@contextmanager
def recomputing(model: nn.Module) -> Iterator[None]:
    """Keep less of a forward pass in the block, for a backward pass at any later time.

    A normalisation before an in-place ReLU and every unpooling are computed anew.
    """
    recipes = Recipes()
    with ExitStack() as stack:
        for norm in _before_relu(model):
            hook = norm.register_forward_hook(_noted(recipes))
            stack.callback(hook.remove)
        stack.enter_context(torch.autograd.graph.saved_tensors_hooks(recipes.pack, taken))
        _recording.append(recipes)
        stack.callback(_recording.remove, recipes)
        yield


def _before_relu(model: nn.Module) -> Iterator[nn.Module]:
    """Yield the normalisations that an in-place ReLU follows."""
    for sequence in model.modules():
        if isinstance(sequence, nn.Sequential):
            for norm, after in pairwise(sequence):
                if isinstance(norm, nn.BatchNorm2d) and isinstance(after, nn.ReLU) and after.inplace:
                    yield norm


def _noted(recipes: Recipes) -> Callable[[Any, tuple[Tensor], Tensor], None]:
    """Return a hook that notes how the ReLU's output, in the place of a normalisation's, is made."""

    def note(norm: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        x = inputs[0].detach()
        if isinstance(norm, SynchronisedBatchNorm2d):
            again = norm.again()
            recipes.add(output, lambda: again(x).relu_())
        else:
            weight, bias, eps = norm.weight.detach(), norm.bias.detach(), norm.eps
            recipes.add(output, lambda: F.batch_norm(x, None, None, weight, bias, training=True, eps=eps).relu_())

    return note
