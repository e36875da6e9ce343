"""A store whose SQLite file has no room, or may only be read: SQLite itself is told so before each statement."""

import pytest
import sqlalchemy
from mlflow.entities import Param
from mlflow.exceptions import MlflowException

from pipeline.tracking import delivery, reached, runs, store
from pipeline.tracking.outbox import UNSENT, Outbox
from tests.support import stores

REFUSED = {  # what SQLite is told, what takes it back, and what is said
    "full": ("max_page_count = 1", "max_page_count = 1000000", "database or disk is full; make room on its disk"),
    "read-only": (
        "query_only = 1",
        "query_only = 0",
        "attempt to write a readonly database; correct the owner or mode of that file and its folder",
    ),
}
LARGE = {f"key{number}": "x" * 6000 for number in range(20)}  # more than the free room of the file's pages


class Database:
    def __init__(self, refuse, accept):
        self.is_refusing, self._pragmas = False, (accept, refuse)

    def tell(self, _, cursor, *__):
        cursor.execute(f"PRAGMA {self._pragmas[self.is_refusing]}")


@pytest.fixture(params=REFUSED)
def database(request, without_user_settings, tmp_path, monkeypatch):
    """A store of its own, since each of its connections is told."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", stores.sqlite(tmp_path))
    refuse, accept, said = REFUSED[request.param]
    database = Database(refuse, accept)
    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", database.tell)
    yield database, said
    sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", database.tell)


def test_it_is_said_in_one_line_with_what_to_do_and_records_wait(
    database, project, request, monkeypatch, capfd, caplog
):
    (store_file, said), name = database, request.node.name
    monkeypatch.setattr(delivery, "_PAUSE_SECONDS", 0)
    run = runs.start("tests", name)
    store_file.is_refusing = True
    for part in range(2):  # a failed attempt is not said again
        runs.log_params(run, {f"{part}/{key}": value for key, value in LARGE.items()})
    waiting = (UNSENT / name).absolute()
    assert caplog.messages == [f"{run.uri} cannot be written: {said}; until it answers, records wait in {waiting}"]
    assert "Traceback" not in capfd.readouterr().err
    assert Outbox(UNSENT / name).kinds() == {"params": 2}
    store_file.is_refusing = False
    (sent,) = delivery.sync(UNSENT, store.address())
    assert (sent.sent, sent.error) == ({"params": 2}, None)


def test_a_command_says_it_too(database):
    (store_file, said), uri = database, store.address()
    client = store.client(uri)
    run = client.create_run(store.experiment_id(uri, "tests"))
    store_file.is_refusing = True
    params = [Param(key, value) for key, value in LARGE.items()]
    with pytest.raises(MlflowException) as caught:
        client.log_batch(run.info.run_id, params=params)
    assert str(reached.explained(caught.value)) == f"{uri} cannot be written: {said}"
