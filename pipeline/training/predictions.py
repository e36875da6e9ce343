"""What a training's page shows of the network: its predictions for a few validation tiles after each validation."""

import numpy as np
import torch
from torch import nn

from pipeline.core.arrays import Pixels
from pipeline.files import images, pictures
from pipeline.training.trainer import Trainer

BOX = 216, 288
"""Height and width of a picture, pixels."""
_NUM_TILES = 4


def shown(num_tiles: int) -> list[int]:
    """Return the numbers of the validation tiles that are shown, spread evenly.

    Example:
        >>> shown(48), shown(3)
        ([6, 18, 30, 42], [0, 1, 2])
    """
    number = min(_NUM_TILES, num_tiles)
    return [(2 * i + 1) * num_tiles // (2 * number) for i in range(number)]


@torch.inference_mode()
def predicted(trainer: Trainer, network: nn.Module) -> list[Pixels]:
    """Return the network's mask of each tile that is `shown`, (H, W) uint8, shrunk to fit into BOX.

    One tile after another: together they could need more memory than a part of a batch does.
    """
    masks, tiles = [], trainer.tiles["val"]
    network.eval()
    for i in shown(len(tiles)):
        pixels = torch.from_numpy(np.array(tiles[i][0])).to(trainer.device)
        image = pixels.permute(2, 0, 1)[None].to(torch.get_default_dtype(), memory_format=torch.channels_last)
        mask = trainer.learner.logits(network, image).argmax(dim=1)[0].to(torch.uint8).cpu().numpy()
        masks.append(images.resize_mask(mask, pictures.size_within(mask, BOX)))
    return masks
