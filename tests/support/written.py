"""The images of a data set, written into its folder as download does, but one after the other."""


def written(source):
    """Write the images of a source; return what it reports of each, by ascending id."""
    return [source.write(job) for job in source.jobs]
