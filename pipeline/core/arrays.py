"""The arrays that pass between the rooms."""

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""An image (H, W, 3), RGB from 0 to 255, or a mask (H, W) of class values."""
Counts = npt.NDArray[np.int64]
"""Numbers of pixels."""
Floats = npt.NDArray[np.float64]
"""Scores, weights, probabilities."""
