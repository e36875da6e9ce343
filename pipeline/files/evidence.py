"""The evidence about a registered model: the files that lie beside its version, from which every claim can be checked.

They are copies of what the stages wrote, `lineage.json`, and the params as they were. A version's tag `evidence` is
their digest, and names their folder there.
"""

import json
import shutil
from pathlib import Path

from pipeline.files import digest, lineage, scores, validation
from pipeline.files.lineage import Lineage

PARAMS = "params.yaml"
SOURCES = {
    **{name: f"reports/{name}" for name in (*scores.READ, "intervals.json", "train.json", "validation.json")},
    "dataset.json": "data/raw/dataset.json",
    "model.json": "models/segnet/model.json",
    PARAMS: PARAMS,
}
"""Where each file comes from, below the working tree."""


def gather(root: Path, into: Path, origin: Lineage) -> dict[str, str]:
    """Copy the evidence in the working tree `root` into an existing empty folder; return the version's tags.

    Raises:
        ValueError: a file is missing.
    """
    for name, source in SOURCES.items():
        try:
            shutil.copyfile(root / source, into / name)
        except OSError as err:
            raise ValueError(f"expected {source}, which an earlier stage writes: {err}; run dvc repro") from err
    lineage.write(into, origin)
    return {
        "evidence": name_of(into),
        "git_commit": origin.commit,
        "git_dirty": "unknown" if origin.commit == "unknown" else "true" if origin.changed else "false",
        "dataset": str(json.loads((into / "dataset.json").read_text("utf-8"))["dataset"]),
        "data_md5": origin.hashes["data/raw"],
        "validation": "passed" if validation.read(into / "validation.json").ok else "failed",
    }


def name_of(folder: Path) -> str:
    """Return the digest of a folder of evidence: 32 hexadecimal digits over names and contents."""
    return digest.content_sha256(folder)[:32]
