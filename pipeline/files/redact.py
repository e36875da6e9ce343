"""What messages and records may show: addresses without their secrets, and none of the environment's."""

import os
import re

_SECRETS = ("PASSWORD", "SECRET", "TOKEN", "ACCESS_KEY", "CONNECTION_STRING")  # so end the names of variables with one
_SHORTEST = 4  # characters: shorter ones occur in any text


def redact(text: str) -> str:
    """Return a text without secrets: the user, password and query of every address, and what the environment keeps.

    Libraries quote both in their errors: requests a token that ends in a newline, as one from a file may.

    >>> redact("https://me:secret@host.example/a?signature=b cannot be reached")
    'https://host.example/a cannot be reached'
    """
    for name, value in os.environ.items():
        if name.endswith(_SECRETS) and len(value.strip()) >= _SHORTEST:
            text = text.replace(value.strip(), f"${name}")
    # A password may hold "/", which makes it no address; host:80/a@b is not one.
    text = re.sub(r"//(?:[^/\s:]*:(?!\d+/)\S*|[^/\s]*)@", "//", text)
    return re.sub(r"\?[\w.~%-]+=[^\s'\")]*", "", text)
