"""Bayesian networks: the mean and the variance of samples; and uncertainty without samples."""

import numpy as np
import pytest
import torch

from pipeline.inference.predict import Band
from tests.support.tiny_networks import Brightness, Drop, Recorder, blended, image, network, predictor


@pytest.mark.parametrize("size", [(32, 48), (33, 48), (70, 90)])
def test_mean_and_variance_are_those_of_the_samples_of_each_window(size):
    model = Recorder(network("bayesian_segnet"))
    bands = list(predictor(model, samples=5).bands(image(*size)))
    samples = model.probabilities().reshape(-1, 5, 2, 32, 48)
    means, variances = blended(size, samples.mean(axis=1)), blended(size, samples.var(axis=1))
    assert variances.max() > 1e-5
    probabilities = torch.cat([band.probabilities for band in bands], dim=1)
    np.testing.assert_allclose(probabilities, means, rtol=0, atol=1e-6)
    np.testing.assert_allclose(torch.cat([band.variance for band in bands], dim=1), variances, rtol=1e-3, atol=1e-8)
    uncertainty = torch.cat([band.uncertainty for band in bands])
    np.testing.assert_allclose(uncertainty, variances.mean(axis=0), rtol=1e-3, atol=1e-8)


def test_samples_are_repeatable_and_another_seed_gives_others():
    results = [predictor(Drop(), samples=3, seed=seed).probabilities(image(40, 60)) for seed in (1, 1, 2)]
    assert np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])


def test_what_dropout_drops_depends_on_the_windows_place_alone():
    wide, narrow = Recorder(Drop()), Recorder(Drop())
    predictor(wide, samples=3).mask(image(32, 72))
    predictor(narrow, samples=4).mask(image(32, 48))
    assert len(wide.seen) == 2 * 3
    assert torch.equal(torch.cat(wide.seen[:3]), torch.cat(narrow.seen[:3]))
    assert len({tuple(logits.flatten().tolist()) for logits in wide.seen}) == 6


def test_sampling_leaves_the_global_generator_as_it_was():
    before = torch.random.get_rng_state()
    for _ in predictor(Drop(), samples=2).bands(image(70, 90)):
        assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_samples_with_flip_are_of_both_images():
    model = Recorder(Drop())
    (band,) = predictor(model, samples=2, flip=True).bands(image(32, 48))
    passes = model.probabilities()  # of the first sample the image and its mirror image, then of the second
    samples = (passes[0::2] + passes[1::2, :, :, ::-1]) / 2
    np.testing.assert_allclose(band.probabilities, samples.mean(axis=0), rtol=0, atol=1e-6)
    np.testing.assert_allclose(band.variance, samples.var(axis=0), rtol=0, atol=1e-6)


def test_a_model_without_dropout_cannot_be_sampled():
    with pytest.raises(ValueError, match="expected a network with dropout to sample, got one without"):
        predictor(Brightness(), samples=1)


# Uncertainty ------------------------------------------------------------------------------------------------------


def test_without_samples_uncertainty_is_the_normalised_entropy():
    band = Band(0, torch.tensor([0.5, 1.0, 0.75, 0.0]).expand(1, 1, 4), None)
    band = Band(0, torch.cat([band.probabilities, 1 - band.probabilities]), None)
    # -(3/4 log2(3/4) + 1/4 log2(1/4)) = 2 - 3/4 log2(3) = 0.81128 bits, of at most 1.
    assert band.uncertainty.tolist() == [[1, 0, pytest.approx(0.81128, abs=1e-5), 0]]


def test_with_samples_uncertainty_is_their_variance_averaged_over_the_classes():
    variance = torch.tensor([0.25, 0.0, 0.05])[:, None, None]
    assert Band(0, torch.full((3, 1, 1), 1 / 3), variance).uncertainty.tolist() == [[pytest.approx(0.1)]]
