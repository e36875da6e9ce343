"""The program's own files that a module depends on, found by parsing imports; nothing is imported or run."""

import ast
from collections.abc import Iterator
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
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = _file(root, name)
        if path is None or name in files:
            continue
        files[name] = path
        parent = name.rpartition(".")[0]
        waiting += [
            *([parent] if parent else []),
            *_imports(ast.parse(path.read_bytes()), {m.partition(".")[0] for m in modules}),
        ]
    return dict(sorted(files.items()))


def _file(root: Path, module: str) -> Path | None:
    path = root.joinpath(*module.split("."))
    places = (path / "__init__.py", path.with_suffix(".py"))
    return next((place for place in places if place.is_file()), None)


def _imports(tree: ast.AST, packages: set[str]) -> Iterator[str]:
    """Yield the names that a module imports from `packages`; some are not modules but members of one."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            names = []
            yield from _imports(node, packages)
        yield from (name for name in names if name.partition(".")[0] in packages)
