"""The networks by name: one file per family, all built from the same parts.

All take RGB images in 0..255, as float: nothing normalises them beforehand, neither in training nor in prediction.
Batch normalisation after the first convolution absorbs their range; only SegNet-Basic's encoder (local response
normalisation) and U-Net (division by 255) rescale their input first. ImageNet weights have their preprocessing folded
into the first convolution (vgg.load_vgg16).
"""

from collections.abc import Callable

from torch import nn

from pipeline.core.models import basic, bayesian, decoder_study
from pipeline.core.models.deconvnet import deconvnet
from pipeline.core.models.deeplab_largefov import DeepLabLargeFOV
from pipeline.core.models.fcn import fcn, fcn_fixed
from pipeline.core.models.segnet import segnet
from pipeline.core.models.unet import UNet

# name -> builder(num_classes, width); every network maps images (N, 3, H, W), float, 0..255, to logits
# (N, num_classes, H, W).
MODELS: dict[str, Callable[[int, float], nn.Module]] = {
    "segnet": segnet,
    "bayesian_segnet": bayesian.bayesian_segnet,
    "bayesian_segnet_basic": bayesian.bayesian_segnet_basic,
    # The decoder study: Table 1 of the paper.
    "bilinear": decoder_study.bilinear,
    "segnet_basic": basic.segnet_basic,
    "segnet_basic_encoder_addition": decoder_study.segnet_basic_encoder_addition,
    "segnet_basic_single_channel_decoder": decoder_study.segnet_basic_single_channel_decoder,
    "fcn_basic": decoder_study.fcn_basic,
    "fcn_basic_no_addition": decoder_study.fcn_basic_no_addition,
    "fcn_basic_no_dim_reduction": decoder_study.fcn_basic_no_dim_reduction,
    "fcn_basic_no_addition_no_dim_reduction": decoder_study.fcn_basic_no_addition_no_dim_reduction,
    # The rivals: Tables 3, 4 and 6.
    "fcn": fcn,
    "fcn_fixed": fcn_fixed,
    "deconvnet": deconvnet,
    "deeplab_largefov": DeepLabLargeFOV,
    "unet": UNet,
}
