import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn_metrics

from pipeline.core.metrics import confusion_matrix, scores


def test_a_4x4_image_worked_by_hand():
    target = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]])  # 3 is void
    prediction = torch.tensor([[0, 1, 1, 1], [0, 0, 1, 1], [2, 0, 0, 1], [2, 2, 2, 2]])
    counts = confusion_matrix(prediction, target, 3)
    assert counts.tolist() == [[3, 1, 0], [0, 4, 0], [1, 0, 3]]
    result = scores(counts.numpy())
    assert result.global_accuracy == pytest.approx(10 / 12)
    assert result.class_accuracies.tolist() == pytest.approx([3 / 4, 1, 3 / 4])
    assert result.class_accuracy == pytest.approx(10 / 12)
    assert result.class_ious.tolist() == pytest.approx([3 / 5, 4 / 5, 3 / 4])
    assert result.miou == pytest.approx((0.6 + 0.8 + 0.75) / 3)
    # Each class has 4 target pixels, so that the weighted mean is the plain one; 4, 5 and 3 are predicted.
    assert result.frequency_weighted_iou == pytest.approx((0.6 + 0.8 + 0.75) / 3)
    assert result.class_dices.tolist() == pytest.approx([6 / 8, 8 / 9, 6 / 7])
    assert result.dice == pytest.approx((6 / 8 + 8 / 9 + 6 / 7) / 3)


def test_a_4x4_image_of_unequal_classes_worked_by_hand():
    target = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1], [2, 3, 3, 3]])  # 3 is void
    prediction = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 1, 1], [0, 0, 1, 2]])
    counts = confusion_matrix(prediction, target, 3)
    assert counts.tolist() == [[9, 1, 0], [0, 2, 0], [1, 0, 0]]
    result = scores(counts.numpy())
    assert result.class_ious.tolist() == pytest.approx([9 / 11, 2 / 3, 0])
    assert result.class_dices.tolist() == pytest.approx([18 / 20, 4 / 5, 0])
    assert result.frequency_weighted_iou == pytest.approx((10 * 9 / 11 + 2 * 2 / 3 + 1 * 0) / 13)


def test_scores_equal_sklearns():
    generator = torch.Generator().manual_seed(5)
    target, prediction = (torch.randint(0, 6, (3, 40, 50), generator=generator) for _ in range(2))
    labelled = target != 5
    prediction = prediction.clamp(max=4)
    counts = confusion_matrix(prediction, target, 5)
    t, p = target[labelled].numpy(), prediction[labelled].numpy()
    assert np.array_equal(counts.numpy(), sklearn_metrics.confusion_matrix(t, p))
    result = scores(counts.numpy())
    assert result.global_accuracy == pytest.approx(sklearn_metrics.accuracy_score(t, p))
    assert result.class_accuracy == pytest.approx(sklearn_metrics.balanced_accuracy_score(t, p))
    assert result.miou == pytest.approx(sklearn_metrics.jaccard_score(t, p, average="macro"))
    assert result.class_ious.tolist() == pytest.approx(sklearn_metrics.jaccard_score(t, p, average=None).tolist())
    assert result.frequency_weighted_iou == pytest.approx(sklearn_metrics.jaccard_score(t, p, average="weighted"))
    assert result.class_dices.tolist() == pytest.approx(sklearn_metrics.f1_score(t, p, average=None).tolist())
    assert result.dice == pytest.approx(sklearn_metrics.f1_score(t, p, average="macro"))


def the_releases_scores(images, num_classes):
    """Return G, C and mIoU as compute_test_results.m counts them, pixel by pixel, from labels 0..C with C void."""
    cf = [[0] * (num_classes + 1) for _ in range(num_classes + 1)]
    annotated = 0
    for prediction, annotation in images:
        for predicted, truth in zip(prediction.flatten().tolist(), annotation.flatten().tolist(), strict=True):
            j, k = truth + 1, predicted + 1
            if j == num_classes + 1:
                j = k = 0
            if j > 0:
                annotated += 1
                cf[j][k] += 1
    labels = range(1, num_classes + 1)
    hits = sum(cf[j][j] for j in labels)
    accuracies = ious = 0.0
    for j in labels:
        row, column = sum(cf[j][k] for k in labels), sum(cf[k][j] for k in labels)
        if row > 0:
            accuracies += cf[j][j] / row
        if row + column - cf[j][j] > 0:
            ious += cf[j][j] / (row + column - cf[j][j])
    return hits / annotated, accuracies / num_classes, ious / num_classes


def labelled_images(num_classes, *, missing=()):
    """Return three pairs of a prediction and a target, half of whose pixels are predicted correctly."""
    rng = np.random.default_rng(8)
    known = [c for c in range(num_classes) if c not in missing]
    for _ in range(3):
        target = rng.choice([*known, num_classes], (24, 32))
        guess = rng.choice(known, (24, 32))
        right = (target != num_classes) & (rng.random((24, 32)) < 0.5)
        yield np.where(right, target, guess), target


def pooled(images, num_classes):
    return sum(confusion_matrix(torch.from_numpy(p), torch.from_numpy(t), num_classes).numpy() for p, t in images)


def test_scores_are_those_of_the_papers_script_where_all_classes_occur():
    images = list(labelled_images(11))
    result = scores(pooled(images, 11))
    assert (result.global_accuracy, result.class_accuracy, result.miou) == pytest.approx(
        the_releases_scores(images, 11)
    )


def test_an_absent_class_is_a_zero_to_the_papers_script_and_left_out_here():
    images = list(labelled_images(11, missing=(4, 10)))
    result = scores(pooled(images, 11))
    assert result.counted_classes == 9
    script = the_releases_scores(images, 11)
    assert (result.global_accuracy, result.class_accuracy * 9 / 11, result.miou * 9 / 11) == pytest.approx(script)


def test_a_class_in_neither_target_nor_prediction_is_nan_and_left_out_of_the_mean():
    result = scores(np.array([[3, 0, 1], [0, 0, 0], [0, 0, 4]]))
    assert np.isnan(result.class_ious[1])
    assert result.miou == pytest.approx((3 / 4 + 4 / 5) / 2)
    assert result.counted_classes == 2
    assert np.isnan(result.class_dices[1])
    assert result.dice == pytest.approx((6 / 7 + 8 / 9) / 2)
    assert result.frequency_weighted_iou == pytest.approx((4 * 3 / 4 + 4 * 4 / 5) / 8)


def test_a_class_that_is_only_predicted_has_iou_zero_and_no_accuracy():
    result = scores(np.array([[3, 1], [0, 0]]))
    assert result.class_ious.tolist() == [0.75, 0]
    assert np.isnan(result.class_accuracies[1])
    assert result.class_accuracy == 0.75
    assert result.counted_classes == 2  # of mIoU
    assert result.class_dices.tolist() == pytest.approx([6 / 7, 0])
    assert result.frequency_weighted_iou == 0.75  # no target pixel, no weight


def test_void_alone_has_no_score():
    counts = confusion_matrix(torch.zeros(2, 2, dtype=torch.int64), torch.full((2, 2), 4), 4)
    assert not counts.any()
    result = scores(counts.numpy())
    named = result.named_in_full("test", "abcd")
    assert len(named) == 17
    assert np.isnan(list(named.values())).all()
    assert result.counted_classes == 0


def test_one_class_that_is_all_there_is_scores_one():
    result = scores(confusion_matrix(torch.zeros(4, 4).long(), torch.zeros(4, 4).long(), 1).numpy())
    assert set(result.named_in_full("test", ["all"]).values()) == {1.0}
    assert result.counted_classes == 1


def test_the_papers_class_accuracies_average_to_its_c():
    # Table 2, SegNet: eleven accuracies in per cent, and C = 71.20.
    table = [89.6, 83.4, 96.1, 87.7, 52.7, 96.4, 62.2, 53.45, 32.1, 93.3, 36.5]
    counts = np.zeros((11, 11), np.int64)
    for c, accuracy in enumerate(table):
        counts[c, c] = round(accuracy * 100)
        counts[c, (c + 1) % 11] = 10_000 - counts[c, c]  # the others are taken for the next class
    result = scores(counts)
    assert (result.class_accuracies * 100).tolist() == pytest.approx(table)
    assert result.class_accuracy * 100 == pytest.approx(71.20, abs=0.03)


def test_metrics_are_named_by_split_and_class():
    named = scores(np.array([[1, 1], [0, 2]])).named("val", ("road", "sky"))
    assert named["val/iou/road"] == 0.5
    assert set(named) == {
        "val/miou", "val/class_accuracy", "val/global_accuracy", "val/iou/road", "val/iou/sky",
    }  # fmt: skip


def test_the_full_list_adds_dice_accuracies_and_the_weighted_iou_to_the_names():
    result = scores(np.array([[1, 1], [0, 2]]))
    full, named = result.named_in_full("test", ("road", "sky")), result.named("test", ("road", "sky"))
    assert {name: full.pop(name) for name in named} == named
    assert full == {
        "test/frequency_weighted_iou": pytest.approx((2 * 1 / 2 + 2 * 2 / 3) / 4),
        "test/dice": pytest.approx((2 / 3 + 4 / 5) / 2),
        "test/accuracy/road": 0.5, "test/accuracy/sky": 1.0,
        "test/dice/road": pytest.approx(2 / 3), "test/dice/sky": pytest.approx(4 / 5),
    }  # fmt: skip


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match="expected prediction and target of the same shape"):
        confusion_matrix(torch.zeros(2, 2, dtype=torch.int64), torch.zeros(4, dtype=torch.int64), 2)
