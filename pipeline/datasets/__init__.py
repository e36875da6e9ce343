"""Where images come from: one module a data set, each with a `write` that fills data/raw and returns its `Source`."""
