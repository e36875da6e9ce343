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
    found = scores(counts.numpy())
    assert found.global_accuracy == pytest.approx(10 / 12)
    assert found.class_accuracies.tolist() == pytest.approx([3 / 4, 1, 3 / 4])
    assert found.class_accuracy == pytest.approx(10 / 12)
    assert found.class_ious.tolist() == pytest.approx([3 / 5, 4 / 5, 3 / 4])
    assert found.miou == pytest.approx((0.6 + 0.8 + 0.75) / 3)


def test_scores_equal_sklearns():
    generator = torch.Generator().manual_seed(5)
    target, prediction = (torch.randint(0, 6, (3, 40, 50), generator=generator) for _ in range(2))
    labelled = target != 5
    prediction = prediction.clamp(max=4)
    counts = confusion_matrix(prediction, target, 5)
    t, p = target[labelled].numpy(), prediction[labelled].numpy()
    assert np.array_equal(counts.numpy(), sklearn_metrics.confusion_matrix(t, p))
    found = scores(counts.numpy())
    assert found.global_accuracy == pytest.approx(sklearn_metrics.accuracy_score(t, p))
    assert found.class_accuracy == pytest.approx(sklearn_metrics.balanced_accuracy_score(t, p))
    assert found.miou == pytest.approx(sklearn_metrics.jaccard_score(t, p, average="macro"))


def test_a_class_in_neither_target_nor_prediction_is_nan_and_left_out_of_the_mean():
    found = scores(np.array([[3, 0, 1], [0, 0, 0], [0, 0, 4]]))
    assert np.isnan(found.class_ious[1])
    assert found.miou == pytest.approx((3 / 4 + 4 / 5) / 2)
    assert found.counted_classes == 2


def test_a_class_that_is_only_predicted_has_iou_zero_and_no_accuracy():
    found = scores(np.array([[3, 1], [0, 0]]))
    assert found.class_ious.tolist() == [0.75, 0]
    assert np.isnan(found.class_accuracies[1])
    assert found.class_accuracy == 0.75


def test_void_alone_has_no_score():
    counts = confusion_matrix(torch.zeros(2, 2, dtype=torch.int64), torch.full((2, 2), 4), 4)
    assert not counts.any()
    assert np.isnan(scores(counts.numpy()).miou)
    assert np.isnan(scores(counts.numpy()).global_accuracy)


def test_the_papers_class_accuracies_average_to_its_c():
    # Table 2, SegNet: eleven accuracies in per cent, and C = 71.20.
    table = [89.6, 83.4, 96.1, 87.7, 52.7, 96.4, 62.2, 53.45, 32.1, 93.3, 36.5]
    counts = np.zeros((12, 12), np.int64)
    for c, accuracy in enumerate(table):
        counts[c, c], counts[c, 11] = round(accuracy * 100), 10_000 - round(accuracy * 100)
    assert scores(counts).class_accuracy * 100 == pytest.approx(71.20, abs=0.05)


def test_metrics_are_named_by_split_and_class():
    named = scores(np.array([[1, 1], [0, 2]])).named("val", ("road", "sky"))
    assert named["val/iou/road"] == 0.5
    assert set(named) == {
        "val/miou", "val/class_accuracy", "val/global_accuracy", "val/iou/road", "val/iou/sky",
    }  # fmt: skip


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match="expected prediction and target of one shape"):
        confusion_matrix(torch.zeros(2, 2, dtype=torch.int64), torch.zeros(4, dtype=torch.int64), 2)
