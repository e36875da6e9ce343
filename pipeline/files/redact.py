"""Keeping secrets, of addresses and of the environment, out of messages and records.

What counts as a secret's name follows the keyword list of Yelp's detect-secrets 1.5 (plugins/keyword.py) and the
denylist of Sentry's scrubber (sentry_sdk/scrubber.py), read on 2026-11-26. Where these search for a word anywhere, some
names of harmless settings would match: TOKENIZERS_PARALLELISM, SSH_AUTH_SOCK, PWD. So words that also occur in such
names count only at a name's end, and those of sessions and of clients' addresses do not count.
"""

import os
import re
from collections.abc import Iterator
from urllib.parse import unquote

_ANYWHERE = (
    r"PASSWORD|PASSWD|PASSPHRASE|SECRET|CREDENTIAL|AUTHORIZATION|API[_-]?KEY|PRIV(ATE)?[_-]?KEY|KEY[_-]?PASS"
    r"|ACCESS[_-]?KEY(?![_-]?ID)|CONNECTION[_-]?STRING|WEBHOOK|SIGNATURE"
)
_AT_THE_END = r"TOKEN|(?<![A-Z])(PASS|AUTH|COOKIE|DSN|SIG|SAS|KEY)|(?<![A-Z])(?!(OLD)?PWD$)\w*PWD"
_NAME = re.compile(rf"{_ANYWHERE}|({_AT_THE_END})([_-]?\d+)?$")
_CERTAIN = re.compile(_ANYWHERE)
_ANY_KEY = re.compile(r"(^|[._-])KEY$")  # of a text, which is as often about a key of a mapping
_SHORTEST, _SHORTEST_UNCERTAIN = 4, 8  # characters; shorter values occur in any text
_A_WORD = 12  # characters; a shorter value may be part of another word, as postgres of postgresql
# The login of an address. A password may contain an unescaped "/"; in host:80/a@b, a port follows the colon.
_LOGIN = re.compile(r"//(?:[^/\s:@]*:(?!\d+/)(?P<password>\S*)|(?P<user>[^/\s]*))@")
# A text's own forms of a name with its value: name=value, as in libpq's settings and in queries; 'name': 'value', as in
# JSON and Python; and the header of HTTP (RFC 9110, section 11.4), whose value names a scheme first.
_ASSIGNED = re.compile(r"""(?P<name>[\w.-]*\w)=(?P<quote>['"]?)(?P<value>[^\s'"&;,)]+)""")
_QUOTED = re.compile(r"""(?P<q>['"])(?P<name>[\w.-]+)(?P=q)\s*[:=]\s*b?(?P<quote>['"])(?P<value>.*?)(?P=quote)""")
_HEADER = re.compile(
    r"""(?i)(\bauthorization['"]?\s*[:=]\s*(?:b(?=['"]))?['"]?)(?:(?:basic|bearer|digest|token)\s+)?[\w.~+/=-]+"""
)
_BEARER = re.compile(r"(?i)(\bbearer\s+)(?=\S*\d)[\w.~+/=-]{8,}")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_HIDDEN = "***"


def is_secret(name: str) -> bool:
    """Return whether a variable, header, setting or parameter of that name holds a secret.

    Example:
        >>> [is_secret(name) for name in ("OPENAI_API_KEY", "x-amz-signature", "PWD", "TOKENIZERS_PARALLELISM")]
        [True, True, False, False]
    """
    return _NAME.search(name.upper()) is not None


def redact(text: str) -> str:
    """Return a text without secrets: the user, password and query of every address, and the environment's secrets.

    Of the environment, the values of variables whose name says that they are secret, and the password in any
    variable's address; also values that the text itself gives such a name. Libraries quote all of them in their errors:
    requests quotes a token that ends in a newline, as one read from a file may.

    Example:
        >>> redact("https://me:secret@host.example/a?signature=b cannot be reached: password=secret")
        'https://host.example/a cannot be reached: password=***'
    """
    for secret, name in sorted(_of_the_environment(), key=lambda each: -len(each[0])):
        whole = rf"(?<![A-Za-z0-9]){re.escape(secret)}(?![A-Za-z0-9])" if len(secret) < _A_WORD else re.escape(secret)
        text = re.sub(whole, f"${name}", text)
    text = _LOGIN.sub("//", text)
    text = re.sub(r"\?[\w.~%-]+=[^\s'\")]*", "", text)
    text = _PRIVATE_KEY.sub(_HIDDEN, text)
    text = _HEADER.sub(rf"\g<1>{_HIDDEN}", text)
    text = _BEARER.sub(rf"\g<1>{_HIDDEN}", text)
    text = _QUOTED.sub(_without_value, text)
    return _ASSIGNED.sub(_without_value, text)


def _of_the_environment() -> Iterator[tuple[str, str]]:
    """Yield each secret of the environment, with the name of its variable."""
    for name, value in os.environ.items():
        if is_secret(name):
            shortest = _SHORTEST if _CERTAIN.search(name.upper()) else _SHORTEST_UNCERTAIN
            if len(value.strip()) >= shortest:
                yield value.strip(), name
        for login in _LOGIN.finditer(value):
            yield from ((each, name) for each in {*_forms(login["password"])} if len(each) >= _SHORTEST)
            if value.startswith("http"):  # where a token may stand in the user's place
                yield from ((each, name) for each in {*_forms(login["user"])} if len(each) >= _SHORTEST_UNCERTAIN)


def _forms(secret: str | None) -> tuple[str, ...]:
    """Return a secret as an address holds it, and as it is."""
    return (secret, unquote(secret)) if secret else ()


def _without_value(match: re.Match[str]) -> str:
    name = match["name"].upper()
    if not is_secret(name) or (_ANY_KEY.search(name) and not _CERTAIN.search(name)):
        return match[0]
    if match["value"].startswith(("$", _HIDDEN)):
        return match[0]
    start, end = match.start("value") - match.start(), match.end("value") - match.start()
    return match[0][:start] + _HIDDEN + match[0][end:]
