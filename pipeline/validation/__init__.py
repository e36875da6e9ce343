"""Whether data is fit to train on: the validate step, its tables of findings, and its page."""
