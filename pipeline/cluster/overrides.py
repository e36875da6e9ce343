"""Values of params.yaml for one job alone."""

from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.representer import RoundTripRepresenter

from pipeline.cluster.failures import JobError

PARAMS = "params.yaml"


class _Representer(RoundTripRepresenter):
    """Writes null as it is written in params.yaml."""


_Representer.add_representer(type(None), lambda self, _: self.represent_scalar("tag:yaml.org,2002:null", "null"))


def overridden(text: bytes, overrides: Sequence[str]) -> bytes:
    """Return the text of params.yaml with values replaced, comments and order kept.

    Raises:
        ValueError: an override is not of the form section.key=value, or names no key of params.yaml.
    """
    if not overrides:
        return text
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.preserve_quotes = True
    yaml.width = 4096  # no line is broken that was not
    tree = yaml.load(text)
    for override in overrides:
        name, equals, value = override.partition("=")
        *parents, key = name.split(".")
        section = tree
        for part in parents:
            section = section.get(part) if isinstance(section, Mapping) else None
        if not equals or not isinstance(section, Mapping) or key not in section:
            raise JobError(f"-S: expected section.key=value with a key of {PARAMS}, got {override!r}; correct it")
        try:
            section[key] = yaml.load(StringIO(value))  # type: ignore[index]
        except YAMLError as err:
            raise JobError(f"-S: expected a value in YAML, got {override!r}; put it in quotes") from err
    written = BytesIO()
    yaml.dump(tree, written)
    return written.getvalue()
