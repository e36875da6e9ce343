"""How good a model is on whole test images: the evaluate step and its page."""
