"""Which errors are of the disk: it is full, may only be read, or is broken."""

import errno

_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


def refuses(err: BaseException) -> bool:
    """Return whether an error is the disk's refusal to write or read, which may pass once someone makes room."""
    return isinstance(err, OSError) and err.errno in _ERRORS
