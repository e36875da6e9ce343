import torch

from tests.support.tiny_networks import predictor


def test_a_gpu_does_not_round_the_factors_of_convolutions_to_ten_bits():
    seen = []

    class Watched(torch.nn.Module):
        def forward(self, x):
            seen.append(torch.backends.cudnn.allow_tf32)
            return x[:, :2]

    one = predictor(Watched())
    for device in ("cpu", "cuda"):
        one._device = torch.device(device)
        one._network(torch.zeros(1, 3, 40, 40))
    assert seen == [True, False]  # on a CPU, it has no effect
    assert torch.backends.cudnn.allow_tf32
