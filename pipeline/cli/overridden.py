"""The params of a command that takes values of params.yaml on its command line: -S key=value."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline import params
from pipeline.cluster import overrides
from pipeline.files import safe_yaml
from pipeline.params import Params


def read(wanted: Sequence[str]) -> tuple[Params, bytes]:
    """Return the params with the values wanted, and the text of params.yaml with them.

    Raises:
        ValueError: there is no params.yaml, a value cannot be obeyed, or the first stage would refuse the params.
    """
    if not wanted or not _has_sections(params.PATH):
        return params.load(), params.PATH.read_bytes()
    text = overrides.overridden(params.PATH.read_bytes(), wanted)
    with TemporaryDirectory() as folder:
        path = Path(folder) / params.PATH.name
        path.write_bytes(text)
        try:
            return params.load(path), text
        except params.ParamsError as err:
            name = f"{params.PATH} with {' '.join(f'-S {each}' for each in wanted)}"
            raise params.ParamsError(*(str(line).replace(str(path), name) for line in err.args)) from err


def _has_sections(path: Path) -> bool:
    """Return whether a file can be read and is a mapping; if not, the params say what is wrong with it."""
    try:
        return isinstance(safe_yaml.read(path), dict)
    except ValueError:
        return False
