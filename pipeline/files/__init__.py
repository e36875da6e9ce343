"""Reading and writing files at all: whole or not at all, by their digests, under locks."""
