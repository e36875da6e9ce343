"""The addresses of servers, as variables of the environment name them."""

from urllib.parse import urlsplit

from pipeline.files.redact import redact


def is_http(address: str) -> bool:
    """Return whether an address is one of a server: http:// or https://, a host, and perhaps port and path.

    Example:
        >>> [is_http(each) for each in ("https://host/a", "http://[::1]:80", "host:80", "http//host", "http://host:x")]
        [True, True, False, False, False]
    """
    if not address.startswith(("http://", "https://")) or not address.isprintable() or " " in address:
        return False
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or an open bracket
        return False


def shown(address: str) -> str:
    """Return what stands in an address's place, which may be none, without user and password, for a message.

    Example:
        >>> [shown(each) for each in ("me:secret@host/a", "htp://me:secret@host", "https:me:secret@host")]
        ['host/a', 'htp://host', 'host']
    """
    return redact(address if "://" in address else address.rpartition("@")[2])
