import numpy as np

from pipeline.core.calibration import Reliability
from pipeline.evaluation.report import reliability_chart


def test_a_bin_lies_where_its_confidence_and_accuracy_are():
    pixels, correct, confidence = np.array([0, 100, 0, 300]), np.array([0, 20, 0, 210]), np.array([0, 40.0, 0, 270])
    low, high = reliability_chart.bins(Reliability(pixels, correct, confidence))
    assert (low.dot.x, low.dot.y, low.sure_y) == (205.2, 191.6, 147.2)  # 0.4 of 388; 0.2 and 0.4 of 222
    assert (high.left, high.width, high.share_height, low.share_height) == (341, 97, 60, 20)
    assert high.dot.text == "confidence 75% to 100%: mean confidence 90.0%, accuracy 70.0%; 75.0% of the pixels"
