import subprocess
import sys

import numpy as np
import pytest

from pipeline.files.threads import Images
from tests.data.test_folder import settings, write
from tests.support import ROOT


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
def test_large_images_are_worked_on_one_at_a_time_where_memory_has_no_room_for_two(tmp_path):
    root = tmp_path / "fields"
    for split in ("train", "val", "test"):
        write(root / f"images/{split}/{split}_1.png", np.zeros((1, 1, 3)))
        write(root / f"masks/{split}/{split}_1.png", np.zeros((5000, 6000, 3)), compress_level=1)
    chosen = settings(root, mask_kind="colour")
    script = (
        "import sys; from pathlib import Path\n"
        "from pipeline.data import download, folder\n"
        "from pipeline.files import threads\n"
        "from pipeline.params.dataset import FolderDataset\n"
        "def peak():\n"
        "    status = Path('/proc/self/status').read_text()\n"
        "    return int(status.split('VmHWM:')[1].split()[0]) * 1024\n"
        "before = peak()\n"
        "threads._MEMORY = 400_000_000\n"
        "source = folder.source(FolderDataset.model_validate_json(sys.argv[1]))\n"
        "list(download.files(source, Path(sys.argv[2])))\n"
        "print(peak() - before)\n"
    )

    command = [sys.executable, "-c", script, chosen.model_dump_json(), str(tmp_path)]
    increase = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert 210_000_000 < increase < 400_000_000  # at least 7 bytes per pixel: decoded, and as an array


# Prints what download or tile takes beyond the imported program: each in a process of its own, since one that has freed
# memory may keep it, and take it again unseen.
OF_STEP = """
import os, sys
from pathlib import Path
from pipeline.artifacts import manifest
from pipeline.data import download, tile
from pipeline.files import cores
from pipeline.params.dataset import FolderDataset
from tests.data.test_folder_refused import LIMITS
from tests.data.test_tile import settings
def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
cores.usable = lambda: [0]
folder, before = Path(sys.argv[3]), peak()
if sys.argv[1] == "download":
    download.run(FolderDataset.model_validate_json(sys.argv[2]), LIMITS, folder / "raw")
else:
    tile.run(manifest.read(folder / "raw"), folder / "raw", folder / "tiles", settings(scale=0.9))
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
def test_an_uncompressed_image_takes_what_is_reckoned_with_at_most(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (4000, 5000, 3), dtype=np.uint8)
    for split, size in (("train", 5000), ("val", 8), ("test", 8)):
        write(tmp_path / f"fields/images/{split}/{split}_1.bmp", pixels[:size, :size])
        green = np.broadcast_to([0, 160, 0], pixels[:size, :size].shape)
        write(tmp_path / f"fields/masks/{split}/{split}_1.bmp", green)
    chosen = settings(tmp_path / "fields", mask_kind="colour").model_dump_json()
    for step in ("download", "tile"):
        command = [sys.executable, "-c", OF_STEP, step, chosen, str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        assert 15 < int(done.stdout) / (4000 * 5000) < Images(1, 1).bytes_per_pixel, step
