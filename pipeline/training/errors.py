"""The error of a training that all workers meet."""


class TrainingError(ValueError):
    """Training cannot continue, for a reason that occurs on all workers at the same step: retrying will not help."""
