"""From tiles to a model: the train step, one process of it, its checkpoints and its runs."""
