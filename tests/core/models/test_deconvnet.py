"""The paper's DeconvNet against DeconvNet's published layers."""

from torch import nn

from tests.support import full_size

# (in, out, kernel) of fc6-deconv, deconv5_1 ... deconv1_2 (1505.04366, Table 3), with the paper's 1024 for 4096.
DECONVOLUTIONS = [
    (1024, 512, 7),
    *[(512, 512, 3)] * 3,
    *[(512, 512, 3), (512, 512, 3), (512, 256, 3)],
    *[(256, 256, 3), (256, 256, 3), (256, 128, 3)],
    *[(128, 128, 3), (128, 64, 3)],
    *[(64, 64, 3), (64, 64, 3)],
]


def test_its_deconvolutions_are_the_published_ones():
    model = full_size.network("deconvnet")
    layers = [
        (m.in_channels, m.out_channels, *m.kernel_size) for m in model.modules() if isinstance(m, nn.ConvTranspose2d)
    ]
    assert layers == [(a, b, k, k) for a, b, k in DECONVOLUTIONS]


def test_its_weights_are_those_of_the_published_layers():
    fully_connected = 512 * 1024 * 49 + 1024 * 1024
    expected = 14_710_464 + fully_connected + sum(a * b * k * k for a, b, k in DECONVOLUTIONS) + 64 * 11
    assert full_size.weights(full_size.network("deconvnet")) == expected == 81_885_568


def test_its_planes_at_360x480_mirror_vgg16s():
    model = full_size.network("deconvnet")
    _, middle = full_size.planes(model, model.after_pool[-1])
    assert middle == [(512, 12, 15), (1024, 12, 15), (1024, 12, 15), (512, 12, 15)]
    unpooled, decoded = full_size.planes(model, model.decoder)
    assert unpooled == [(512, 23, 30), (512, 45, 60), (256, 90, 120), (128, 180, 240), (64, 360, 480)]
    assert decoded == [(512, 23, 30), (256, 45, 60), (128, 90, 120), (64, 180, 240), (64, 360, 480)]


def test_every_layer_but_the_classifier_is_normalised():
    model = full_size.network("deconvnet")
    assert sum(isinstance(m, nn.BatchNorm2d) for m in model.modules()) == 13 + 2 + len(DECONVOLUTIONS)


def test_deep_layers_drop_where_bayesian_segnets_do():
    layers = [
        key for key, m in full_size.network("deconvnet").named_modules() if isinstance(m, nn.Dropout) and m.p == 0.5
    ]
    assert layers == ["after_pool.2", "after_pool.3", "after_pool.4.0", "decoder.0.3", "decoder.1.3", "decoder.2.3"]
