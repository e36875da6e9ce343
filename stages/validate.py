"""Judge data/raw; write reports/validation.json and reports/validation.html: python -m stages.validate."""

import sys
from pathlib import Path

from pipeline import params
from pipeline.artifacts import manifest, validation
from pipeline.validation import validate
from pipeline.validation.page import write_page
from stages import execute

RAW = Path("data/raw")
REPORT = Path("reports/validation.json")
PAGE = Path("reports/validation.html")


def main() -> None:
    """Read data/raw, write the report and the page, print warnings; errors end the stage with exit status 1."""
    settings = params.load().validation
    images = manifest.read(RAW)
    found = validate.run(images, settings)
    validation.write(found, REPORT)
    write_page(found, images, RAW, PAGE)
    for finding in found.warnings:
        print("warning:", validate.describe(finding))  # noqa: T201
    if not found.ok:
        errors = [f"error: {validate.describe(finding)}" for finding in found.errors]
        todo = f"validate: look at {PAGE}; correct the data, or change validate.severities in params.yaml"
        sys.exit("\n".join([*errors, todo]))
    print(f"validate: {len(found.findings)} checks, {len(found.warnings)} with a warning; see {PAGE}")  # noqa: T201


if __name__ == "__main__":
    execute(main)
