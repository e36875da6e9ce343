"""The model of random weights as a registered version, and a picture in which it predicts several classes."""

import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from pipeline.artifacts.spec import read_spec
from pipeline.registry import model_files, versions
from pipeline.registry.versions import RegisteredModel
from pipeline.tracking import runs, store

OPTIONS = {"overlap": 0.25, "precision": "bfloat16", "flip": True, "scales": [1.0, 0.5], "samples": 0, "seed": 1}
PICTURE = np.random.default_rng(0).integers(0, 256, (40, 70, 3), np.uint8)  # larger than the model's tiles


@contextmanager
def registered(name, folder, uri):
    """Register the model in `folder`; yield the version's address while MLFLOW_TRACKING_URI names its store."""
    spec, tags = asdict(read_spec(folder)), {"fingerprint": "a", "evidence": "b"}
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as evidence:
        Path(evidence, "scores.json").write_text("{}")
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        patch.setattr(sys, "dont_write_bytecode", False)  # as it is unless somebody has asked for it
        run = runs.start(name, "run-a")
        model = RegisteredModel(run.uri, name)
        version = model_files.add(run, model, folder, OPTIONS, spec, evidence=Path(evidence), tags=tags)
        yield version.address


def laid_out(uri, name, *folders):
    """Add versions whose files lie as the register stage leaves them: <folder>/artifacts/segnet; 1 becomes champion."""
    client = store.client(uri)
    client.create_registered_model(name)
    for folder in folders:
        client.create_model_version(name, str(folder))
    versions.set_alias(RegisteredModel(uri, name), "champion", "1")
