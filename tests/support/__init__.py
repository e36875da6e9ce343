"""Code shared by tests: small stand-ins (tiny_...), real servers, and paths of the repository."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The repository."""
SCENES = ROOT / "tests" / "support" / "scenes.yaml"
"""Params of a small version of the built-in data set."""
