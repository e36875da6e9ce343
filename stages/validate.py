"""Check data/raw; write reports/validation.json and reports/validation.html: python -m stages.validate."""

from pathlib import Path

from pipeline import params
from pipeline.artifacts import manifest, validation
from pipeline.files.printable import ManyLinesError
from pipeline.files.terminal import fail, say
from pipeline.validation import validate
from pipeline.validation.page import write_page
from stages import execute

RAW = Path("data/raw")
REPORT = Path("reports/validation.json")
PAGE = Path("reports/validation.html")


def main() -> None:
    """Read data/raw, write report and page, and print warnings; errors end the stage with exit status 1."""
    settings = params.load().validation
    images = manifest.scan(RAW)
    result = validate.run(images, settings)
    validation.write(result, REPORT)
    write_page(result, images, RAW, PAGE)
    for finding in result.warnings:
        say(f"warning: {validate.describe(finding)}")
    if not result.ok:
        errors = [f"error: {validate.describe(finding)}" for finding in result.errors]
        todo = f"validate: look at {PAGE}; correct the data, or change validate.severities in params.yaml"
        fail("", ManyLinesError(*errors, todo))
    if names := validate.names_to_fill_in(images.classes):
        say(f"note: {names}")
    say(f"validate: {len(result.findings)} checks, {len(result.warnings)} with a warning; see {PAGE}")


if __name__ == "__main__":
    execute(main)
