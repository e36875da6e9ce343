"""params.yaml as text: the preset for own data, with proposed values and the reason for each beside it."""

import hashlib
import json
import re
from collections.abc import Mapping
from itertools import chain, count
from pathlib import Path
from tempfile import TemporaryDirectory

import pipeline
from pipeline import params
from pipeline.files import git

PRESETS = Path(pipeline.__file__).parents[1] / "presets"
_PLAIN = re.compile(r"[A-Za-z][\w-]*( [\w-]+)*")
_SCHEMA = "# yaml-language-server: $schema=params.schema.json\n"
_HEADING = "# Proposed by segnet init. What each value means: docs/params.md. Digest of what follows: "
_EARLIER = "# Proposed by segnet init. What each value means: pipeline/params/. Digest of what follows: "
"""What earlier programs wrote, without the line of the schema."""
_RESERVED = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def text_of(value: object) -> str:
    """Return a value as YAML on one line.

    Example:
        >>> text_of({"by": "list", "val": {"share": 0.15}, "test": None, "name": "a: b"})
        '{by: list, val: {share: 0.15}, test: null, name: "a: b"}'
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {text_of(each)}" for key, each in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(text_of, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _RESERVED:
        return value
    if isinstance(value, str) and value.isprintable() and "\\" in value and "'" not in value:
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False)


def line(key: str, value: object, reason: str, indent: int = 2) -> str:
    """Return a line of a section, with its reason as a comment."""
    start = f"{' ' * indent}{key}: {text_of(value)}"
    return f"{start} # {' '.join(reason.split())}" if reason else start


def as_json(tree: Mapping[str, object]) -> str:
    """Return a section as JSON, through which params are validated."""
    return json.dumps(tree)


def compose(dataset: str, values: Mapping[tuple[str, str], tuple[object, str]]) -> str:
    """Return the text of params.yaml.

    Args:
        dataset: lines of the section dataset, without its name.
        values: values of other sections, by section and key, each with its reason.

    Raises:
        ValueError: the presets are not there, or lack a key.
    """
    try:
        preset = (PRESETS / "folder.yaml").read_text("utf-8")
    except OSError as err:
        raise ValueError(
            f"expected the presets beside the program: {err}; run it from a clone of the repository"
        ) from err
    _, _, rest = preset.partition("\ndownload:\n")
    text = f"dataset:\n{dataset}\n\ndownload:\n{rest}"
    for (section, key), (value, reason) in values.items():
        text = _with(text, section, key, value, reason)
    return f"{_SCHEMA}{_HEADING}{_digest(text)}\n{text}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_proposal(text: str) -> bool:
    """Return whether a text is as `compose` returned it, or that of an earlier program."""
    heading, _, rest = text.removeprefix(_SCHEMA).partition("\n")
    return heading in (f"{_HEADING}{_digest(rest)}", f"{_EARLIER}{_digest(rest)}")


def _with(text: str, section: str, key: str, value: object, reason: str) -> str:
    """Return the text with another value of a key, which may lie deeper in the section."""
    start = re.search(rf"^{section}:\n", text, re.MULTILINE)
    match = re.compile(rf"^( +){key}: .*$", re.MULTILINE).search(text, start.end()) if start else None
    if match is None:
        raise ValueError(f"expected {section}.{key} in {PRESETS / 'folder.yaml'}, got none; restore that file")
    return f"{text[: match.start()]}{line(key, value, reason, len(match[1]))}{text[match.end() :]}"


def check(path: Path, *, force: bool) -> str:
    """Return what becomes of a params.yaml that is there, in words; "" if there is none.

    Raises:
        ValueError: it has changes that neither git nor a preset could give back, and `force` is not given.
    """
    if not path.exists():
        return ""
    now = path.read_bytes()
    for preset in sorted(PRESETS.glob("*.yaml")):
        if preset.read_bytes() == now:
            return f"{path} was a copy of presets/{preset.name}"
    if _is_proposal(now.decode(errors="replace")):
        return f"the earlier {path} was an unchanged proposal"
    if now == _committed(path, force=force):
        return f"git checkout {path} restores the earlier file"
    if not force:
        raise ValueError(
            f"expected {path} to be as git or a preset has it, got one with changes of its own; commit it, or give "
            f"--force, which keeps it as {kept(path)}; nothing was changed"
        )
    return f"the earlier {path} is now {kept(path)}"


def kept(path: Path) -> Path:
    """Return where a params.yaml with changes is kept: beside those that were kept earlier."""
    names = (f"{path.stem}.before_init{number}{path.suffix}" for number in chain([""], map("_{}".format, count(2))))
    return next(place for place in map(path.with_name, names) if not place.exists())


def _committed(path: Path, *, force: bool) -> bytes | None:
    """Return a file as of the last commit; None if it is in none, or with `force`, if git does not read the repository.

    Raises:
        RefusedError: a ValueError; git does not read it, and `force` is not given.
    """
    try:
        done = git.run("show", f"HEAD:./{path.name}", folder=path.parent)
    except git.RefusedError:
        if force:
            return None
        raise
    return None if done is None or done.returncode else done.stdout


def checked(text: str) -> params.Params:
    """Return the params that a text is, as the stages would read them.

    Raises:
        ParamsError: a value is invalid.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "params.yaml"
        path.write_text(text, "utf-8")
        return params.load(path)
