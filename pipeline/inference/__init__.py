"""Predicting masks of images of any size, exporting a model to one file, and measuring what networks cost."""
