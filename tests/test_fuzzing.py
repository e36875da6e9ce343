"""Broken input of every kind gives a correct result or our own error, quickly and in bounded memory.

This tries a few cases of each reader; benchmarks/fuzzing.py tries thousands.
"""

import subprocess
import sys
import zipfile
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from pipeline.files import decoding
from pipeline.inference import served_model
from tests.support import readers_of_data_sets, readers_of_files, readers_of_images, readers_of_input
from tests.support.mutations import declared
from tests.support.readers import outcome

READERS = {
    reader.name: reader
    for module in (readers_of_input, readers_of_data_sets, readers_of_images, readers_of_files)
    for reader in module.READERS
}
QUICK = settings(
    max_examples=25,
    deadline=timedelta(seconds=10),
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def small_images(monkeypatch):
    monkeypatch.setattr(decoding, "MAX_PIXELS", readers_of_input.MAX_PIXELS)
    monkeypatch.setattr(served_model, "MAX_PIXELS", 2**16)


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_broken_input_is_read_correctly_or_refused(reader):
    tried = []
    QUICK(given(reader.cases)(lambda case: tried.append(outcome(reader, case))))()
    assert len(tried) > 10


# Run under a memory limit, since each file of a few kilobytes expands to gigabytes.
IN_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
from pipeline import params
from pipeline.data import archive
from pipeline.files import images
from pipeline.params.steps import Download

taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + 200_000_000, resource.RLIM_INFINITY))
limits = Download(attempts=1, timeout_seconds=1.0, max_members=10, max_megabytes=100, files_up_to=100)
folder = Path(sys.argv[1])
readers = {".zip": lambda path: archive.unpack(path, "a", folder / "out", limits), ".yaml": params.load}
for path in sorted(folder.iterdir()):
    try:
        readers.get(path.suffix, images.read_image)(path)
    except ValueError as err:
        print(path.name, err)
"""


def test_bombs_are_refused_in_little_memory(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as packed, packed.open("a/b", "w") as member:
        for _ in range(300):
            member.write(bytes(1_000_000))
    (tmp_path / "params.yaml").write_bytes(readers_of_input.BOMB)
    (tmp_path / "size.png").write_bytes(declared(30_000, 30_000))
    command = [sys.executable, "-c", IN_LITTLE_MEMORY, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    archive, params, size = done.stdout.splitlines()
    assert "at most 100 MB, got 300.0 MB when unpacked" in archive
    assert "its aliases expand to more than 100,000 values; write the values out" in params
    assert "expected 1 to 400,000,000 pixels, got 30000 x 30000; cut it into parts" in size
