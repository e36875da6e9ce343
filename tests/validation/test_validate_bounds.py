import math

import numpy as np

from pipeline.validation import validate


def test_the_extreme_is_the_value_that_decides():
    values = np.array([math.nan, 5.0, 4.5, 3.0])
    lowest, highest = validate._Bound("contrast", low=4.5), validate._Bound("contrast", high=4.5)
    assert (lowest.extreme(values), highest.extreme(values)) == (3.0, 5.0)
    assert (lowest.failing(values).tolist(), highest.failing(values).tolist()) == ([3], [1])
    assert math.isnan(lowest.extreme(values[:1]))
    assert math.isnan(highest.extreme(values[:0]))
