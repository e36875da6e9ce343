"""From tiles to a model: the train step, its worker processes, checkpoints and runs."""
