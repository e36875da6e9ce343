"""Which files of a data set are masks, and which image each belongs to."""
