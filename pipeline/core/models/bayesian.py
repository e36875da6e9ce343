"""Bayesian SegNet and Bayesian SegNet-Basic: dropout that can be sampled at test time.

Kendall, Badrinarayanan and Cipolla, "Bayesian SegNet: Model Uncertainty in Deep Convolutional Encoder-Decoder
Architectures for Scene Understanding", arXiv 1511.02680; dropout is placed as in the release's
Models/bayesian_segnet_train.prototxt and Models/bayesian_segnet_basic_train.prototxt. It drops single values with
probability 0.5 and doubles the others. Parameters and their names are those of the networks without dropout.
"""

from torch import nn

from pipeline.core.models.basic import segnet_basic
from pipeline.core.models.encoder_decoder import EncoderDecoder
from pipeline.core.models.segnet import segnet


def bayesian_segnet(num_classes: int, width: float) -> EncoderDecoder:
    """Return SegNet with dropout after pool3, pool4, pool5, and after the decoder levels 5, 4, 3."""
    return place_dropout(segnet(num_classes, width), 0.5)


def bayesian_segnet_basic(num_classes: int, width: float) -> EncoderDecoder:
    """Return SegNet-Basic with dropout after pool3, pool4, and after the decoder levels 4, 3."""
    return place_dropout(segnet_basic(num_classes, width), 0.5)


def place_dropout(model: EncoderDecoder, rate: float) -> EncoderDecoder:
    """Put dropout of `rate`, in [0, 1), into a SegNet or SegNet-Basic where the Bayesian ones have it; return it.

    The places are after the pooling of all encoder levels but the first two, and after their partners in the decoder.
    """
    for i in range(2, len(model.encoder)):
        model.after_pool[i] = nn.Dropout(rate)
        partner = model.decoder[len(model.decoder) - 1 - i]
        partner.append(nn.Dropout(rate))  # type: ignore[operator]  # a level is a Sequential
    return model


def sample_dropout(model: nn.Module) -> None:
    """Put the dropout layers of a model, and nothing else, into training mode; `model.eval()` undoes it.

    Each forward pass is then one sample: the mean of several samples' probabilities is the prediction, and their
    variance its uncertainty (Sec. 3). Batch normalisation keeps its mode.

    Raises:
        ValueError: the model has no dropout to sample.
    """
    layers = [module for module in model.modules() if isinstance(module, nn.Dropout)]
    if not layers:
        raise ValueError("expected a network with dropout to sample, got one without; choose a Bayesian network")
    for layer in layers:
        layer.train()
