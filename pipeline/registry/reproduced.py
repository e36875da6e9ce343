"""Whether what is about to be registered belongs together: a model, its scores and params, as DVC ran the stages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.files import dvc_cache, safe_yaml

_LAST = "register"  # the stage that asks
_TODO = (
    "nothing was registered. Run dvc repro, so that what is registered is what was evaluated; if you ran the stages "
    "without DVC, run dvc commit first"
)


def check(root: Path, hashes: Mapping[str, str]) -> None:
    """Compare the working tree with dvc.lock: outputs, what stages made of each other's, and the params that they read.

    Where the register stage runs alone, a model, scores or options from elsewhere would be registered as if they had
    been evaluated. Without dvc.lock, nothing is compared.

    Args:
        root: the working tree.
        hashes: MD5 of every output, as DVC computes it, by path.

    Raises:
        ValueError: something differs.
    """
    stages = [stage for stage in dvc_cache.stages(root) if stage.name != _LAST]
    params = safe_yaml.read(root / "params.yaml") if stages else {}
    written = {path: (stage.name, md5) for stage in stages for path, md5 in stage.outs.items()}
    for path, (name, md5) in written.items():
        if hashes.get(path, md5) != md5:
            raise ValueError(
                f"expected {path} as the {name} stage wrote it, by dvc.lock with the MD5 {md5}, got {hashes[path]}; "
                f"{_TODO}"
            )
    for stage in stages:
        for path, md5 in stage.deps.items():
            if path in written and written[path][1] != md5:
                raise ValueError(
                    f"expected the {stage.name} stage to have read {path} as the {written[path][0]} stage wrote it, by "
                    f"dvc.lock with the MD5 {written[path][1]}, got {md5}; {_TODO}"
                )
        for key, value in stage.params.items():
            if _value(params, key) != value:
                raise ValueError(
                    f"expected {key} of params.yaml as the {stage.name} stage read it, by dvc.lock, got another value; "
                    f"{_TODO}"
                )


def _value(tree: Any, key: str) -> Any:
    """Return the value of a dotted key, as dvc.yaml names it; None if it is missing, as DVC records it."""
    for part in key.split("."):
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree
