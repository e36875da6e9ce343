"""The program's own files that a module depends on, found by parsing imports; nothing is imported or run."""

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The folder that holds the package."""


def imported_files(*modules: str, root: Path = ROOT) -> dict[str, Path]:
    """Return the files of modules, of everything they import from the same packages, and of the packages around them.

    Imports inside functions count, since they run; those under `if TYPE_CHECKING:` do not.

    Args:
        modules: full names, such as pipeline.core.losses.
        root: the folder that holds the packages.

    Returns:
        The file of each module by its full name, sorted.

    Raises:
        ValueError: a module does not exist.
    """
    files: dict[str, Path] = {}
    missing = [name for name in modules if _file(root, name) is None]
    if missing:
        raise ValueError(f"expected modules below {root}, got {', '.join(missing)}; correct the name")
    packages = {name.partition(".")[0] for name in modules}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = _file(root, name)
        if path is None or name in files:
            continue
        files[name] = path
        parent = name.rpartition(".")[0]
        imported = (each for each in _imported(path.read_bytes()) if each.partition(".")[0] in packages)
        waiting += [*([parent] if parent else []), *imported]
    return dict(sorted(files.items()))


def _file(root: Path, module: str) -> Path | None:
    path = root.joinpath(*module.split("."))
    places = (path / "__init__.py", path.with_suffix(".py"))
    return next((place for place in places if place.is_file()), None)


@lru_cache(maxsize=1024)
def _imported(source: bytes) -> tuple[str, ...]:
    """Return the names that a module imports; some are not modules but members of one.

    Registering a model asks twice about the same files, and parsing them takes 0.05 s of a core.
    """
    return tuple(_imports(ast.parse(source)))


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        else:
            yield from _imports(node)
