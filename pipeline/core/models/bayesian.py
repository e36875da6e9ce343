"""Bayesian SegNet and Bayesian SegNet-Basic: dropout that can be sampled at test time.

Kendall, Badrinarayanan and Cipolla, "Bayesian SegNet: Model Uncertainty in Deep Convolutional Encoder-Decoder
Architectures for Scene Understanding", arXiv 1511.02680; dropout is placed as in the release's
Models/bayesian_segnet_train.prototxt and Models/bayesian_segnet_basic_train.prototxt. It drops single values with
probability 0.5 and doubles the others. Parameters and their names are those of the networks without dropout.
"""

from torch import nn

from pipeline.core.models import basic, segnet, vgg
from pipeline.core.models.encoder_decoder import EncoderDecoder


def bayesian_segnet(num_classes: int, width: float) -> EncoderDecoder:
    """Return SegNet with dropout after pool3, pool4, pool5, and after the decoder levels 5, 4, 3."""
    encoder, decoder = vgg.encoder(width), segnet.decoder(width)
    for level in decoder[:3]:
        level.append(nn.Dropout(0.5))
    return EncoderDecoder(encoder, decoder, segnet.classifier(num_classes, width), after_pool=vgg.deep_dropout())


def bayesian_segnet_basic(num_classes: int, width: float) -> EncoderDecoder:
    """Return SegNet-Basic with dropout after pool3, pool4, and after the decoder levels 4, 3."""
    encoder, decoder = basic.encoder(width), basic.decoder(width)
    for level in decoder[:2]:
        level.append(nn.Dropout(0.5))
    after_pool = [nn.Identity(), nn.Identity(), nn.Dropout(0.5), nn.Dropout(0.5)]
    return EncoderDecoder(encoder, decoder, basic.classifier(num_classes, width), after_pool=after_pool)


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
