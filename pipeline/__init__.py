"""A distributed training pipeline for SegNet semantic segmentation.

In a notebook: `from pipeline import load_predictor, read_image, predict, draw_overlay, read_scores`. They are imported
when they are first used, and are all that this package offers to other programs.
"""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.notebook import (
        draw_overlay as draw_overlay,
        load_predictor as load_predictor,
        predict as predict,
        read_image as read_image,
        read_scores as read_scores,
    )

__all__ = ["draw_overlay", "load_predictor", "predict", "read_image", "read_scores"]  # by __getattr__


def __getattr__(name: str) -> Any:
    """Return one of the functions in __all__; by its name, since what they import is not part of every stage's code."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
    if not (Path(__file__).parent / "notebook").is_dir():
        raise ImportError(
            f"expected the whole package pipeline, got {Path(__file__).parent}, what a registered model brought of it; "
            f"import {name} before MLflow loads the model"
        )
    return getattr(importlib.import_module("pipeline.notebook"), name)
