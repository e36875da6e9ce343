"""What tests share: small stand-ins (tiny_...), real servers, and where the repository and its files lie."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The repository."""
SCENES = ROOT / "tests" / "support" / "scenes.yaml"
"""Params of the built-in data set, in small."""
