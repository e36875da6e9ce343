"""The structure that SegNet and its relatives share: the decoder unpools at the places of the encoder's pooling.

Badrinarayanan, Kendall and Cipolla, arXiv 1511.00561v3, Fig. 2.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from pipeline.core.models.parts import check_input, initialise
from pipeline.core.pooling import pool, unpool


class EncoderDecoder(nn.Module):
    """Encoder levels, each before its pooling; decoder levels, each after its partner's unpooling; a classifier."""

    def __init__(
        self,
        encoder: Sequence[nn.Module],
        decoder: Sequence[nn.Module],
        classifier: nn.Module,
        *,
        after_pool: Sequence[nn.Module] = (),
    ) -> None:
        """Join and initialise the parts.

        Args:
            encoder: The levels, from the image inwards; each keeps height and width.
            decoder: As many levels, deepest first; each keeps height and width.
            classifier: From the last level's features to logits.
            after_pool: Applied to each encoder level's pooled features; each keeps height and width. None if empty.
        """
        super().__init__()
        self.encoder = nn.ModuleList(encoder)
        self.after_pool = nn.ModuleList(after_pool or [nn.Identity() for _ in encoder])
        self.decoder = nn.ModuleList(decoder)
        self.classifier = classifier
        initialise(self)

    def forward(self, x_N3HW: Tensor) -> Tensor:
        """Return logits (N, C, H, W) of RGB images (N, 3, H, W), 0..255, float, H and W >= 32.

        Raises:
            ValueError: the input is not (N, 3, H, W) with H and W >= 32.
        """
        check_input(x_N3HW)
        x, memory = x_N3HW, []
        for level, after_pool in zip(self.encoder, self.after_pool, strict=True):
            x = level(x)
            size = (x.shape[2], x.shape[3])
            x, codes = pool(x)
            x = after_pool(x)
            memory.append((codes, size))
        for level in self.decoder:
            codes, size = memory.pop()
            x = level(unpool(x, codes, size))
        logits: Tensor = self.classifier(x)
        return logits
