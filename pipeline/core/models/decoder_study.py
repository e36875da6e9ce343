"""The variants of SegNet-Basic whose decoders the paper compares.

Badrinarayanan et al., arXiv 1511.00561v3, Sec. 3.2 and Table 1. None of them was released: the text gives their layers,
and the parameter counts of Table 1 (in millions, convolution weights only) settle most of what it leaves open. All
have SegNet-Basic's encoder with its normalisations, and biases where it has them. Left open, and decided here:

* Upsampling doubles the size: deconvolutions have an 8x8 kernel, stride 2 and padding 3. The last row or column is
  cropped where pooling rounded up. (46 rows to 45 at 360x480.)
* No batch normalisation and no ReLU in decoders that only upsample: the text mentions none.
* EncoderAddition adds the encoder's maps from before pooling, the only ones of the decoder output's size. FCN-Basic's
  are from after pooling (caption of Fig. 3), so its last upsampling has no partner.
* Bilinear-Interpolation and FCN-Basic reduce to classes before they upsample: 0.612 and 0.645 million (printed: 0.625
  and 0.65). The variants without dimensionality reduction classify last and have 1.661 million (printed: 1.625).
"""

from collections.abc import Sequence
from itertools import zip_longest

from torch import Tensor, nn

from pipeline.core.models import basic
from pipeline.core.models.encoder_decoder import EncoderDecoder
from pipeline.core.models.parts import LearntUpsampling, check_input, crop, initialise, scaled
from pipeline.core.pooling import pool, unpool


def segnet_basic_encoder_addition(num_classes: int, width: float) -> nn.Module:
    """Return SegNet-Basic in which each decoder level adds the features of its encoder level."""
    return EncoderAddition(basic.encoder(width), basic.decoder(width), basic.classifier(num_classes, width))


def segnet_basic_single_channel_decoder(num_classes: int, width: float) -> nn.Module:
    """Return SegNet-Basic in which each decoder filter sees only its own channel; 624,768 weights."""
    decoder = basic.decoder(width, single_channel=True)
    return EncoderDecoder(basic.encoder(width), decoder, basic.classifier(num_classes, width))


def bilinear(num_classes: int, width: float) -> nn.Module:
    """Return an encoder whose class scores are upsampled by fixed bilinear interpolation; 612,224 weights."""
    upsampling = [nn.Upsample(scale_factor=2, mode="bilinear") for _ in range(4)]
    return UpsamplingDecoder(width, [basic.classifier(num_classes, width)], upsampling, nn.Identity())


def fcn_basic(num_classes: int, width: float) -> nn.Module:
    """Return FCN-Basic: learnt upsampling of class scores, plus those of the encoder's features; 645,312 weights."""
    reductions = [basic.classifier(num_classes, width) for _ in range(4)]
    return UpsamplingDecoder(width, reductions, _learnt(num_classes), nn.Identity())


def fcn_basic_no_addition(num_classes: int, width: float) -> nn.Module:
    """Return FCN-Basic without the encoder's features."""
    return UpsamplingDecoder(width, [basic.classifier(num_classes, width)], _learnt(num_classes), nn.Identity())


def fcn_basic_no_dim_reduction(num_classes: int, width: float) -> nn.Module:
    """Return FCN-Basic that upsamples and adds all channels, and classifies last; 1,660,800 weights."""
    bridges = [nn.Identity() for _ in range(4)]
    return UpsamplingDecoder(width, bridges, _learnt(scaled(64, width)), basic.classifier(num_classes, width))


def fcn_basic_no_addition_no_dim_reduction(num_classes: int, width: float) -> nn.Module:
    """Return FCN-Basic that upsamples all channels, without the encoder's features; 1,660,800 weights."""
    upsampling = _learnt(scaled(64, width))
    return UpsamplingDecoder(width, [nn.Identity()], upsampling, basic.classifier(num_classes, width))


def _learnt(channels: int) -> list[LearntUpsampling]:
    return [LearntUpsampling(channels, stride=2, kernel_size=8) for _ in range(4)]


class EncoderAddition(EncoderDecoder):
    """A decoder that adds the encoder's features to its own, level by level."""

    def forward(self, x_N3HW: Tensor) -> Tensor:
        """Return logits (N, C, H, W) of RGB images (N, 3, H, W), 0..255, float, H and W >= 32.

        Raises:
            ValueError: the input is not (N, 3, H, W) with H and W >= 32.
        """
        check_input(x_N3HW)
        x, memory = x_N3HW, []
        for level in self.encoder:
            features = level(x)
            x, codes = pool(features)
            memory.append((codes, features))
        for level in self.decoder:
            codes, features = memory.pop()
            x = level(unpool(x, codes, (features.shape[2], features.shape[3]))) + features
        logits: Tensor = self.classifier(x)
        return logits


class UpsamplingDecoder(nn.Module):
    """SegNet-Basic's encoder, and a decoder that upsamples and adds the encoder's pooled features."""

    def __init__(
        self, width: float, bridges: Sequence[nn.Module], upsampling: Sequence[nn.Module], classifier: nn.Module
    ) -> None:
        """Join and initialise the parts.

        Args:
            width: Factor on the encoder's channels.
            bridges: From an encoder level's pooled features to the decoder, deepest first; at least one.
            upsampling: Four modules that double height and width, deepest first.
            classifier: From the upsampled features to logits.
        """
        super().__init__()
        self.encoder = nn.ModuleList(basic.encoder(width))
        self.bridges = nn.ModuleList(bridges)
        self.upsampling = nn.ModuleList(upsampling)
        self.classifier = classifier
        initialise(self)

    def forward(self, x_N3HW: Tensor) -> Tensor:
        """Return logits (N, C, H, W) of RGB images (N, 3, H, W), 0..255, float, H and W >= 32.

        Raises:
            ValueError: the input is not (N, 3, H, W) with H and W >= 32.
        """
        check_input(x_N3HW)
        x, sizes, pooled = x_N3HW, [], []
        for level in self.encoder:
            sizes.append(x.shape[2:])
            x, _ = pool(level(x))
            pooled.append(x)
        del pooled[: -len(self.bridges)]  # frees features that no bridge uses
        x = self.bridges[0](pooled.pop())
        for upsample, bridge in zip_longest(self.upsampling, self.bridges[1:]):
            x = crop(upsample(x), sizes.pop())
            if bridge is not None:
                x = x + bridge(pooled.pop())
        logits: Tensor = self.classifier(x)
        return logits
