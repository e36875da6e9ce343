"""pytest in a process that is forked from this one, so that it finds the large libraries imported already."""

import gc
import json
import os
import signal
import sys
import time
import traceback
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import ModuleType

import pytest

_OURS = ("pipeline", "stages", "tests")


def import_libraries():
    """Import what takes long, once; the program itself is imported by each process from its own tree."""
    from pipeline.tracking import store

    store.configure()
    import hypothesis
    import mlflow.pyfunc
    import mlflow.store.model_registry.sqlalchemy_store
    import mlflow.store.tracking.sqlalchemy_store
    import pandas
    import safetensors.torch
    import scipy.stats
    import sklearn.metrics
    import torch

    del hypothesis, mlflow, pandas, safetensors, scipy, sklearn, torch
    gc.freeze()  # pytest collects garbage twice, and would go through all of this


class Forked:
    """The fast tests of a tree, until one fails, in a process of their own."""

    def __init__(self, tree, tests, *, limit, traced=None):
        """Start the tests; record which lines of the folder `traced` of the tree each test runs, if it is given."""
        self.killed, self.output, self.seconds, self.lines = None, "", {}, {}
        self._until = time.monotonic() + limit
        with NamedTemporaryFile(delete=False) as file:
            self._log = Path(file.name)
        sys.stdout.flush()
        self._process = os.fork()
        if self._process == 0:
            try:
                os._exit(_run(tree, tests, self._log, traced))
            finally:  # whatever happens, this process does not return into its parent's program
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(70)

    def has_ended(self):
        """Return whether the tests have ended, and then set what they found."""
        process, status = os.waitpid(self._process, os.WNOHANG)
        late = process == 0 and time.monotonic() > self._until
        if process == 0 and not late:
            return False
        with suppress(ProcessLookupError):
            os.killpg(self._process, signal.SIGKILL)  # and whatever the tests have left behind
        if late:
            os.waitpid(self._process, 0)
        self.killed = late or os.waitstatus_to_exitcode(status) != 0
        self.output = self._log.read_text(errors="replace")
        self._log.unlink()
        trace = self._log.with_suffix(".json")
        if trace.exists():
            self.seconds, self.lines = json.loads(trace.read_text())
            trace.unlink()
        return True


def _run(tree, tests, log, traced):
    os.setsid()
    for source, descriptor in ((os.devnull, 0), (log, 1), (log, 2)):
        os.dup2(os.open(source, os.O_RDWR | os.O_APPEND), descriptor)
    os.chdir(tree)
    for name in [name for name in sys.modules if name.split(".")[0] in _OURS]:
        del sys.modules[name]
    sys.modules["__main__"] = ModuleType("__main__")  # which multiprocessing would import from this tree
    libraries = [path for path in sys.path if path.startswith((sys.prefix, sys.base_prefix))]
    sys.path[:] = [str(tree), *libraries]  # and no folder of this tree: benchmarks/ has a coverage.py
    os.environ |= {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    sys.dont_write_bytecode = True
    options = [
        "-x",
        "-q",
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-p",
        "no:hydra_pytest",
        "--assert=plain",
        "-m",
        "not slow",
        *tests,
    ]
    if traced is None:
        return int(pytest.main(options))
    tracer = Tracer(tree, traced)
    code = pytest.main(options, plugins=[tracer])
    log.with_suffix(".json").write_text(json.dumps((tracer.seconds, tracer.lines())))
    return int(code)


class Tracer:
    """A plugin that records the time of each test, and the lines that it runs, by coverage.py."""

    def __init__(self, tree, folder):
        import coverage

        self.seconds, self._tree = defaultdict(float), tree
        self._coverage = coverage.Coverage(data_file=None, include=[f"{tree}/{folder}/*"], config_file=False)
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self._coverage.switch_context(item.nodeid)
        began = time.monotonic()
        result = yield
        self.seconds[item.nodeid] += time.monotonic() - began
        self._coverage.switch_context("")
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef, request):
        """Record what a fixture of several tests runs as run by all tests of the file."""
        shared = fixturedef.scope != "function"
        if shared:
            self._coverage.switch_context("")
        result = yield
        if shared:
            self._coverage.switch_context(request._pyfuncitem.nodeid)
        return result

    def lines(self):
        """Return the tests by line by file; a line that runs outside tests has the test "" too."""
        self._coverage.stop()
        data = self._coverage.get_data()
        return {
            Path(path).relative_to(self._tree).as_posix(): data.contexts_by_lineno(path)
            for path in data.measured_files()
        }
