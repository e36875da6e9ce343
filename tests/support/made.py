"""The images of a data set, made one after the other as download makes them, and not written."""


def made(source):
    """Return what a source reports of each image, by ascending id."""
    return [source.make(loaded) for job in source.jobs for loaded in source.load(job)]
