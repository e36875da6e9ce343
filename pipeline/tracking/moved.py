"""An sqlite store that was moved, renamed or copied together with its artifacts.

MLflow 3.17 records where artifacts lie by absolute paths, and has no call that changes them: under another name of its
folder, a store would find no model and write new ones where the folder was.
"""

import sqlite3
from contextlib import closing
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
_PATIENCE_S = 60


def follow(file: Path) -> None:
    """Let a store name the artifacts beside it where it names those of another folder called ARTIFACTS.

    What is not beside it, but still in that folder, is left there.
    """
    beside = file.with_name(ARTIFACTS)
    own = beside.as_uri()
    with closing(sqlite3.connect(file, timeout=_PATIENCE_S)) as database, database:  # all or nothing
        for table, column in _PLACES:
            is_other = f"{column} LIKE 'file:%' AND substr({column}, 1, ?) <> ?"
            query = f"SELECT rowid, {column} FROM {table} WHERE {is_other}"  # noqa: S608  # constants
            for row, uri in database.execute(query, (len(own), own)).fetchall():
                if (path := _followed(Path(unquote(urlsplit(uri).path)), beside)) is not None:
                    change = f"UPDATE {table} SET {column} = ? WHERE rowid = ?"  # noqa: S608  # constants
                    database.execute(change, (path.as_uri(), row))


def _followed(path: Path, beside: Path) -> Path | None:
    """Return where in `beside` the artifacts of a path are, or belong; None if the path is to be kept."""
    below = next((folder for folder in (path, *path.parents) if folder.name == ARTIFACTS), None)
    if below is None or (below.exists() and beside.exists() and below.samefile(beside)):
        return None
    followed = beside / path.relative_to(below)
    return followed if followed.exists() or not path.exists() else None
