import numpy as np
import pytest
import torch

from pipeline.core.calibration import Reliability, reliability


def two_classes(confidences, right):
    """Return probabilities, prediction and target of pixels in one row; `right` says where class 0 is correct."""
    first = torch.tensor([confidences])
    target = torch.tensor([[0 if r else 1 for r in right]])
    return torch.stack([first, 1 - first]), torch.zeros_like(target), target


def plain_loop(probabilities, target, num_bins):
    """Count pixel by pixel; an exact comparison decides the bin."""
    pixels, correct, confidence = [0] * num_bins, [0] * num_bins, [0.0] * num_bins
    for y in range(target.shape[0]):
        for x in range(target.shape[1]):
            if target[y, x] == len(probabilities):
                continue
            column = probabilities[:, y, x].tolist()
            best = column.index(max(column))
            b = next(b for b in range(num_bins) if column[best] * num_bins <= b + 1)
            pixels[b] += 1
            correct[b] += int(best == target[y, x])
            confidence[b] += column[best]
    return pixels, correct, confidence


def test_two_bins_worked_by_hand():
    bins = reliability(*two_classes([0.25, 0.5, 0.75, 0.875, 1.0], [False, True, True, False, True]), num_bins=2)
    assert bins.pixels.tolist() == [2, 3]
    assert bins.correct.tolist() == [1, 2]
    assert bins.confidence.tolist() == [0.75, 2.625]
    assert bins.accuracies.tolist() == pytest.approx([1 / 2, 2 / 3])
    assert bins.confidences.tolist() == pytest.approx([0.375, 0.875])
    # 2/5 |1/2 - 3/8| + 3/5 |2/3 - 7/8|
    assert bins.expected_calibration_error == pytest.approx(0.05 + 0.125)


@pytest.mark.parametrize("num_bins", [1, 10, 15])
def test_counts_equal_a_plain_loop(num_bins):
    generator = torch.Generator().manual_seed(2)
    probabilities = (2 * torch.randn(5, 23, 31, generator=generator)).softmax(dim=0)
    target = torch.randint(0, 6, (23, 31), generator=generator).to(torch.uint8)  # 5 is void
    bins = reliability(probabilities, probabilities.argmax(dim=0).to(torch.uint8), target, num_bins=num_bins)
    pixels, correct, confidence = plain_loop(probabilities, target, num_bins)
    assert bins.pixels.tolist() == pixels
    assert bins.correct.tolist() == correct
    assert bins.confidence.tolist() == pytest.approx(confidence)
    assert [values.dtype for values in (bins.pixels, bins.correct, bins.confidence)] == [int, int, float]


def test_a_confidence_on_a_bound_belongs_to_the_bin_below_it():
    confidences = [0.25, 0.2500001, 0.5, 0.75, 1.0]
    assert reliability(*two_classes(confidences, [True] * 5), num_bins=4).pixels.tolist() == [1, 2, 1, 1]


def test_a_confidence_of_one_and_what_rounding_puts_above_belong_to_the_last_bin():
    assert reliability(*two_classes([1.0, 1.0000001], [True, True])).pixels.tolist() == [0] * 14 + [2]


def test_of_equally_likely_classes_the_predicted_one_is_judged():
    probabilities, target = torch.full((2, 1, 2), 0.5), torch.tensor([[0, 1]])
    for predicted in (0, 1):
        bins = reliability(probabilities, torch.full((1, 2), predicted), target, num_bins=2)
        assert (bins.pixels.tolist(), bins.correct.tolist()) == ([2, 0], [1, 0])


def test_void_counts_nowhere_and_alone_has_no_error():
    probabilities, prediction, target = two_classes([0.9, 0.6], [True, True])
    target[0, 1] = 2
    assert reliability(probabilities, prediction, target).pixels.sum() == 1
    bins = reliability(probabilities, prediction, torch.full_like(target, 2))
    assert not bins.pixels.any()
    assert not bins.correct.any()
    assert not bins.confidence.any()
    assert np.isnan(bins.expected_calibration_error)


def test_an_empty_bin_has_no_accuracy_and_adds_nothing_to_the_error():
    bins = reliability(*two_classes([0.75, 0.75], [True, False]), num_bins=2)
    assert np.isnan([bins.accuracies[0], bins.confidences[0]]).all()
    assert bins.expected_calibration_error == 0.25


def test_one_class_is_certain_and_right():
    bins = reliability(torch.ones(1, 2, 2), torch.zeros(2, 2).long(), torch.zeros(2, 2).long())
    assert bins.expected_calibration_error == 0
    assert bins.accuracies[-1] == 1


def test_a_model_that_is_right_as_often_as_it_is_sure_has_no_error_and_an_overconfident_one_does():
    generator = torch.Generator().manual_seed(3)
    sure = 0.5 + 0.5 * torch.rand(1, 200_000, generator=generator)
    target = (torch.rand(1, 200_000, generator=generator) > sure).long()
    prediction = torch.zeros_like(target)
    honest = reliability(torch.stack([sure, 1 - sure]), prediction, target)
    assert honest.expected_calibration_error < 0.01
    boastful = (sure + 1) / 2  # halves its doubt: on average 1/8 too confident
    bins = reliability(torch.stack([boastful, 1 - boastful]), prediction, target)
    assert bins.expected_calibration_error == pytest.approx(0.125, abs=0.01)


def test_the_counts_of_images_add_up_to_those_of_all_pixels():
    pixels = two_classes([0.3, 0.6, 0.9, 0.8], [True, False, True, True])
    first, second = ([values[..., part] for values in pixels] for part in (slice(0, 1), slice(1, 4)))
    added, together = reliability(*first) + reliability(*second), reliability(*pixels)
    assert added.pixels.tolist() == together.pixels.tolist()
    assert added.correct.tolist() == together.correct.tolist()
    assert added.confidence.tolist() == pytest.approx(together.confidence.tolist())
    assert added.expected_calibration_error == pytest.approx(together.expected_calibration_error)


def test_different_bins_do_not_add():
    pixels = two_classes([0.3], [True])
    with pytest.raises(ValueError, match=r"expected the same number of bins, got 15 and 10; .* same num_bins"):
        _: Reliability = reliability(*pixels) + reliability(*pixels, num_bins=10)


@pytest.mark.parametrize(
    "shapes", [((2, 4, 4), (4, 4), (2, 8)), ((2, 4, 4), (2, 8), (4, 4)), ((1, 2, 4, 4), (4, 4), (4, 4))]
)
def test_different_shapes_are_refused(shapes):
    probabilities, prediction, target = (torch.zeros(shape) for shape in shapes)
    with pytest.raises(ValueError, match=r"expected probabilities \(C, H, W\), prediction and target .* one image"):
        reliability(probabilities, prediction, target)


def test_no_bins_are_refused():
    with pytest.raises(ValueError, match="expected at least one bin, got 0; the paper uses 15"):
        reliability(*two_classes([0.3], [True]), num_bins=0)
