"""DeepLab-LargeFOV on VGG16, as the paper compares it, without the CRF.

Chen et al., "Semantic Image Segmentation with Deep Convolutional Nets and Fully Connected CRFs", 1412.7062, Sec. 3 and
4, with the changes of the SegNet paper's Sec. 4 (arXiv 1511.00561v3): batch normalisation after every convolution but
the classifier, dropout in deep layers, scores of 45x60 for 360x480. That text says that pool3's stride is set to 1; but
45x60 is what DeepLab's release gives, where the first three poolings halve and the last two do not, as here. Left open,
and decided here: the three that halve are VGG16's own 2x2 (the release's 3x3 with Caffe's rounding would give 46x61);
dropout follows pool3, pool4 and pool5 and, as released, fc6 and fc7; scores are interpolated to the image's size in
training too. The model has 82 MB; Table 6 gives 83.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.core.models import vgg
from pipeline.core.models.parts import ConvNormRelu, check_input, crop, initialise, scaled
from pipeline.core.pooling import pool


class DeepLabLargeFOV(nn.Module):
    """VGG16 at an eighth of the image's size, dilated by 2 in conv5 and by 12 in fc6."""

    def __init__(self, num_classes: int, width: float) -> None:
        """Build the network.

        Args:
            num_classes: C, the channels of the logits.
            width: Factor on every channel count but C.
        """
        super().__init__()
        deep, full = scaled(512, width), scaled(1024, width)
        self.encoder = nn.ModuleList(vgg.encoder(width, last_dilation=2))
        self.after_pool = nn.ModuleList(vgg.deep_dropout())
        self.fully_connected = nn.Sequential(
            nn.AvgPool2d(3, stride=1, padding=1),  # pool5a
            ConvNormRelu(deep, full, dilation=12),
            nn.Dropout(0.5),
            ConvNormRelu(full, full, kernel_size=1),
            nn.Dropout(0.5),
        )
        self.classifier = nn.Conv2d(full, num_classes, kernel_size=1)
        self.upsampling = nn.Upsample(scale_factor=8, mode="bilinear")
        initialise(self)

    def forward(self, x_N3HW: Tensor) -> Tensor:
        """Return logits (N, C, H, W) of RGB images (N, 3, H, W), 0..255, float, H and W >= 32.

        Raises:
            ValueError: the input is not (N, 3, H, W) with H and W >= 32.
        """
        check_input(x_N3HW)
        x = x_N3HW
        for number, (level, after_pool) in enumerate(zip(self.encoder, self.after_pool, strict=True), start=1):
            x = level(x)
            x = pool(x)[0] if number <= 3 else F.max_pool2d(x, 3, stride=1, padding=1)
            x = after_pool(x)
        scores = self.classifier(self.fully_connected(x))
        return crop(self.upsampling(scores), x_N3HW.shape[2:])
