"""Killing any process at any moment, for tests/test_torture.py and benchmarks/torture.py.

Moments are exact: a Python audit hook, which a sitecustomize.py on PYTHONPATH installs, makes the process that is about
to open or rename a certain file wait until the kill.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.support import left_behind
from tests.support.left_behind import until
from tests.support.repository import Repository

EPOCHS = 6
CHANGES = {
    r"\n  epochs: 2\b": f"\n  epochs: {EPOCHS}",
    r"deterministic: false": "deterministic: true",
    r"num_workers: auto": "num_workers: 1",
}
EARLY = ("download", "validate", "tile")
STEPS_OF_AN_EPOCH = 3
MOMENTS = {
    "state": rf"os\.rename .*/runs/.*/\.step-0+{2 * STEPS_OF_AN_EPOCH}\.",
    "download": r"open .*/\.raw\.\d+\.partial/.*_0002\.png",
    "validate": r"os\.rename (.*/)?reports/\.validation\.html\.",
    "tile": r"os\.rename .*/\.tiles\.\d+\.partial/\.val-",
    "train": r"os\.rename (.*/)?reports/\.history\.csv\.",
    "evaluate": r"os\.rename (.*/)?reports/\.images\.parquet\.",
    "upload": r"open .*/mlartifacts/.*model\.safetensors",
    "register": r"os\.rename (.*/)?reports/\.registration\.json\.",
}
"""Events at which a stage has written some files but not this one; state is in train, upload in register."""
VICTIMS = {
    "driver": r"\S*python\S* -m stages\.train$",
    "worker": r"ray::RayTrainWorker",
    "raylet": r"\S*/raylet/raylet",
    "gcs_server": r"\S*/gcs/gcs_server",
}
"""Command lines of a training's processes; the last two are Ray's head."""
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")
HOLD = r"""
import os, re, sys, time
_pattern, _place = re.compile(os.environ.get("HOLD_AT", "$")), os.environ.get("HOLD_PLACE", "")
def _hold(event, args):
    if event not in ("open", "os.rename") or not _pattern.match(f"{event} {args[0]}"):
        return
    if event == "open" and not args[2] & (os.O_WRONLY | os.O_RDWR):
        return
    try:
        held = os.open(_place + "/held", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return
    os.write(held, b"%d\n" % os.getpid())
    os.close(held)
    while not os.path.exists(_place + "/go"):
        time.sleep(0.02)
sys.addaudithook(_hold)
"""


@dataclass(frozen=True)
class Scenario:
    """Which process is killed, and with which signal."""

    target: str
    """A key of MOMENTS: the process writing then; of VICTIMS: while training; "dvc in <stage>": while that writes."""
    signal: str

    def __str__(self):
        return f"{self.target}, {self.signal}"

    @property
    def stage(self):
        name = self.target.removeprefix("dvc in ")
        return "train" if name in {*VICTIMS, "state"} else "register" if name == "upload" else name

    @property
    def moment(self):
        return MOMENTS[self.target if self.target in MOMENTS else "state" if self.stage == "train" else self.stage]


TARGETS = ("driver", "dvc in train", "worker", "raylet", "gcs_server", *MOMENTS, "dvc in tile")
SCENARIOS = [Scenario(target, signal) for signal in SIGNALS for target in TARGETS]


@dataclass
class Outcome:
    """The result of a scenario."""

    scenario: str
    status: int | None = None
    """Exit status of the killed dvc repro; negative: the signal that ended it."""
    ended_seconds: float = 0.0
    """From the kill until it ended."""
    gone_seconds: float = 0.0
    """From the kill until none of its processes was left."""
    again_seconds: float = 0.0
    """Duration of the next dvc repro, which starts at once, whatever is left of the previous one."""
    output: str = ""
    """The last lines that the killed pipeline and dvc printed."""
    faults: list[str] = field(default_factory=list)


class Torture:
    """A small pipeline in a folder, which is restored to the starting point of each scenario."""

    def __init__(self, folder):
        """Run the pipeline undisturbed, and keep copies from before the stages that scenarios start with."""
        self.folder, self.root, self.hold = folder, folder / "repository", folder / "hold"
        self.hold.mkdir(parents=True)
        (self.hold / "sitecustomize.py").write_text(HOLD)
        self.root.mkdir()
        self.repository = Repository(self.root)
        params = self.root / "params.yaml"
        text = params.read_text()
        for old, new in CHANGES.items():
            text, count = re.subn(old, new, text)
            assert count, f"params.yaml has no {old}"
        params.write_text(text)
        for first, last in {
            "download": "tile",
            "train": "train",
            "evaluate": "evaluate",
            "register": "register",
        }.items():
            shutil.copytree(self.root, folder / f"before {first}", symlinks=True)
            self.repository.run("dvc", "repro", last)
        self.undisturbed = left_behind.files(self.root)

    def run(self, scenario, **settings):
        """Kill, check, run dvc repro again at once with `settings` in its environment, and check again."""
        goal = "tile" if scenario.stage in EARLY else "register"
        shutil.rmtree(self.root)
        before = "download" if scenario.stage in EARLY else scenario.stage
        shutil.copytree(self.folder / f"before {before}", self.root, symlinks=True)
        for mark in ("held", "go"):
            (self.hold / mark).unlink(missing_ok=True)
        outcome, struck = Outcome(str(scenario)), time.monotonic()
        with (self.folder / "log").open("w") as log:
            dvc = self._start(goal, scenario.moment, log)
            try:
                struck = self._strike(scenario, dvc)
                outcome.status = dvc.wait(240)
            except (subprocess.TimeoutExpired, LookupError, ValueError) as err:
                outcome.faults.append(f"{type(err).__name__}: {err}")
            (self.hold / "go").touch()
        outcome.ended_seconds = time.monotonic() - struck
        survivors = set(left_behind.processes(self.root))
        lines = [line for line in (self.folder / "log").read_text().splitlines() if line.strip()]
        outcome.output = "\n".join(lines[-3:])
        outcome.faults += self._wrong_files("struck")
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(until, lambda: not survivors & left_behind.processes(self.root).keys(), 400)
            waiting.add_done_callback(lambda _: setattr(outcome, "gone_seconds", time.monotonic() - struck))
            self._again(goal, outcome, settings)
        return outcome

    def _start(self, goal, moment, log):
        path = f"{self.hold}{os.pathsep}{self.root}"
        # dvc runs stages in $SHELL: dash stays between dvc and the stage, whereas bash would replace itself.
        own = {"SHELL": "/bin/sh", "PYTHONPATH": path, "HOLD_AT": moment, "HOLD_PLACE": str(self.hold)}
        environment = self.repository.environment(**own)
        command = ["dvc", "repro", goal]
        return subprocess.Popen(command, cwd=self.root, env=environment, stdout=log, stderr=log, start_new_session=True)

    def _strike(self, scenario, dvc):
        """Kill at the scenario's moment, then release the waiting process; return the time of the kill."""
        held, number = self.hold / "held", getattr(signal, scenario.signal)
        if not until(lambda: held.exists() and held.read_text().endswith("\n"), 240, dvc):
            raise LookupError(f"the moment did not come: {(self.folder / 'log').read_text()[-1500:]}")
        victim = int(held.read_text())
        if scenario.target in VICTIMS:
            pattern = re.compile(VICTIMS[scenario.target])
            matching = {pid for pid, command in left_behind.processes(self.root).items() if pattern.match(command)}
            (victim,) = matching
            (self.hold / "go").touch()  # it is killed while training continues
        if scenario.target.startswith("dvc"):
            # A terminal's Ctrl-C reaches the whole process group; other signals are sent to dvc only.
            (os.killpg if number == signal.SIGINT else os.kill)(dvc.pid, number)
        else:
            os.kill(victim, number)
        struck = time.monotonic()
        time.sleep(0.5)
        (self.hold / "go").touch()
        return struck

    def _again(self, goal, outcome, settings):
        start = time.monotonic()
        try:
            self.repository.run("dvc", "repro", goal, **settings)
        except (AssertionError, subprocess.TimeoutExpired) as err:
            outcome.faults.append(f"dvc repro again: {str(err)[-1500:]}")
        outcome.again_seconds = time.monotonic() - start
        if orphans := left_behind.orphans(self.root, 150):
            outcome.faults.append(f"still running: {orphans}")
        outcome.faults += self._wrong_files("after dvc repro again", goal)
        if held := left_behind.locks(self.root):
            outcome.faults.append(f"dvc holds locks: {held}")
        if goal == "register":
            outcome.faults += left_behind.wrong_records(self.repository, EPOCHS)

    def _wrong_files(self, when, goal=None):
        """Return differences from the undisturbed files; with a goal, all of its files must exist, and no others."""
        files = left_behind.files(self.root)
        partial = {name for name in files if ".partial" in name}
        wrong = sorted(name for name in files.keys() - partial if self.undisturbed.get(name) != files[name])
        faults = [f"{when}: not as undisturbed: {wrong}"] if wrong else []
        if goal:
            early = ("data/", "reports/validation")
            wanted = {name for name in self.undisturbed if goal == "register" or name.startswith(early)}
            if missing := sorted(wanted - files.keys()):
                faults.append(f"{when}: missing: {missing}")
            if partial:
                faults.append(f"{when}: partially written: {sorted(partial)}")
        return faults
