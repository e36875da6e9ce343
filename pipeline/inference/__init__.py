"""From any image to its mask, the same way everywhere; a model as one file; what networks cost."""
