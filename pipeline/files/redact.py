"""Keeping secrets, of addresses and of the environment, out of messages and records."""

import os
import re

_SECRETS = ("PASSWORD", "SECRET", "TOKEN", "ACCESS_KEY", "CONNECTION_STRING")  # endings of variable names
_SHORTEST = 4  # characters; shorter values occur in any text


def redact(text: str) -> str:
    """Return a text without secrets: the user, password and query of every address, and the environment's secrets.

    Libraries quote both in their errors: requests quotes a token that ends in a newline, as one read from a file may.

    >>> redact("https://me:secret@host.example/a?signature=b cannot be reached")
    'https://host.example/a cannot be reached'
    """
    for name, value in os.environ.items():
        if name.endswith(_SECRETS) and len(value.strip()) >= _SHORTEST:
            text = text.replace(value.strip(), f"${name}")
    # A password may contain an unescaped "/"; in host:80/a@b, a port follows the colon, not a password.
    text = re.sub(r"//(?:[^/\s:]*:(?!\d+/)\S*|[^/\s]*)@", "//", text)
    return re.sub(r"\?[\w.~%-]+=[^\s'\")]*", "", text)
