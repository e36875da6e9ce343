"""What the classes of a data set are called, as the files beside its masks say."""
