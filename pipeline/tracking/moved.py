"""An sqlite store that was moved, renamed or copied together with its artifacts.

MLflow 3.17 records where artifacts lie by absolute paths, and has no call that changes them: under another name of its
folder, a store would find no model and write new ones where the folder was.
"""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

ARTIFACTS = "mlartifacts"
"""Name of the folder beside an sqlite store in which its artifacts are kept."""
_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
_WITH_FILES = ("logged_models", "model_versions")
_PATIENCE_S = 60

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Place:
    """Where a row of a store says that artifacts lie: at or below `root`, another folder called ARTIFACTS."""

    table: str
    column: str
    row: int
    path: Path
    root: Path
    followed: Path
    """The same place in the folder beside the store."""


def follow(file: Path) -> None:
    """Let a store name the artifacts beside it where it names those of another folder called ARTIFACTS.

    Only those that are there: others may be on a disk that is away for now. What is at neither place, such as a run
    without artifacts, goes with the rest of its folder. A store that this user may not change keeps the places that it
    names, and a line of the log says so.

    Raises:
        TimeoutError: another process holds the store.
    """
    try:
        with closing(sqlite3.connect(file, timeout=_PATIENCE_S)) as database, database:  # all or nothing
            for place in _to_follow(list(_elsewhere(database, file.with_name(ARTIFACTS)))):
                change = f"UPDATE {place.table} SET {place.column} = ? WHERE rowid = ?"  # noqa: S608  # constants
                database.execute(change, (place.followed.as_uri(), place.row))
    except sqlite3.OperationalError as err:
        if err.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise TimeoutError(
                f"expected to correct where {file}, which was moved or copied, says that artifacts are, got a file "
                f"that another process has held for {_PATIENCE_S} s; try again when that has ended"
            ) from err
        _log.warning(
            f"{file} was moved or copied, and still says that artifacts are where it was, since it cannot be changed "
            f"here ({err}); they are looked for there until a user who may write it runs segnet status"
        )


def _elsewhere(database: sqlite3.Connection, beside: Path) -> Iterator[_Place]:
    """Yield the places in other folders called ARTIFACTS."""
    own = beside.as_uri()
    for table, column in _PLACES:
        is_other = f"{column} LIKE 'file:%' AND substr({column}, 1, ?) <> ?"
        query = f"SELECT rowid, {column} FROM {table} WHERE {is_other}"  # noqa: S608  # constants
        for row, uri in database.execute(query, (len(own), own)).fetchall():
            path = Path(unquote(urlsplit(uri).path))
            root = next((folder for folder in (path, *path.parents) if folder.name == ARTIFACTS), None)
            if root is not None and not (root.exists() and beside.exists() and root.samefile(beside)):
                yield _Place(table, column, row, path, root, beside / path.relative_to(root))


def _to_follow(places: list[_Place]) -> list[_Place]:
    """Return the places that are, or belong, beside the store."""
    brought = {place.root for place in places if place.path != place.root and place.followed.exists()}
    with_files = {place.root for place in places if place.table in _WITH_FILES}
    belong = brought | ({place.root for place in places} - with_files)
    return [place for place in places if place.followed.exists() or (place.root in belong and not place.path.exists())]
