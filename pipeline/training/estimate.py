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


def in_words(epoch_seconds: float, whole_seconds: float, num_epochs: float) -> str:
    """Return how long an epoch takes at the tiles' full size, and how long the training, as one line.

    Example:
        >>> in_words(42, 420, 10)
        '42 s an epoch, 7 min for 10 epochs'
        >>> in_words(42, 168, 10)
        '42 s an epoch at full size, 3 min for 10 epochs, of which some are smaller'
    """
    is_uniform = abs(whole_seconds - epoch_seconds * num_epochs) <= 0.001 * whole_seconds
    size, smaller = ("", "") if is_uniform else (" at full size", ", of which some are smaller")
    return f"{duration(epoch_seconds)} an epoch{size}, {duration(whole_seconds)} for {num_epochs:.0f} epochs{smaller}"
