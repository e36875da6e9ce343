import subprocess
import sys

import numpy as np
import pytest

from tests.data.test_folder import settings, write


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
