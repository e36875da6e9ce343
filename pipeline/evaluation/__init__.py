"""How good a model is on full test images: the evaluate step and its page."""
