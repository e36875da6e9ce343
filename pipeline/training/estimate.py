"""What a training takes, from the time of its steps: said by segnet plan, and by training itself as it starts."""


def duration(seconds: float) -> str:
    """Return a time in words.

    Example:
        >>> [duration(seconds) for seconds in (0.4, 42, 89, 150, 5400, 100_000)]
        ['0.4 s', '42 s', '89 s', '2 min', '90 min', '28 h']
    """
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def in_words(seconds_per_epoch: float, num_epochs: float) -> str:
    """Return how long an epoch takes and how long the training, as one line."""
    return (
        f"{duration(seconds_per_epoch)} an epoch, {duration(seconds_per_epoch * num_epochs)} for {num_epochs:g} epochs"
    )
