"""Which images of a data set are to train, val and test with."""
