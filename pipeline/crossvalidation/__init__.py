"""Scores of a recipe on parts of the training and validation images that it did not see; never on test images."""
