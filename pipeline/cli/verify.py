"""`segnet verify | trace`: whether a version is what its record says, and how to reproduce it."""

import shlex
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pipeline.artifacts import scores
from pipeline.cli import completion
from pipeline.cli.model import Name, named
from pipeline.cli.status import Json
from pipeline.files import git, safe_yaml
from pipeline.files.redact import redact
from pipeline.files.terminal import complain, error_line, say, say_file, say_json
from pipeline.registry import evidence, model_files, verify as step, versions

Number = Annotated[
    str, typer.Argument(help="Version number.", metavar="VERSION", autocompletion=completion.version_numbers)
]


def verify(version: Number, *, name: Name = None, json: Json = False) -> None:
    """Check everything that is available of a version: files, scores, params, commit, data, log and verdict.

    It stops at the first broken link, with exit code 1.
    """
    subject, links = versions.version(named(name), version), list[step.Link]()
    model = subject.model.name
    for link in step.verify(subject, Path()):
        links.append(link)
        if not json:
            say(f"{link.state:11}  {link.name}: {error_line(link.detail)}")
    whole = links[-1].state != "broken"
    if json:
        trees = [asdict(link) | {"detail": redact(link.detail)} for link in links]
        say_json({"model": model, "version": version, "whole": whole, "links": trees})
    if not whole:
        complain(f"segnet: {model} version {version} is broken at: {links[-1].name}")
        raise typer.Exit(1)


def trace(
    version: Number,
    *,
    name: Name = None,
    params: Annotated[bool, typer.Option("--params", help="Print the version's params.yaml instead.")] = False,
    json: Json = False,
) -> None:
    """Print the commands that reproduce a version, and the expected result."""
    subject = versions.version(named(name), version)
    model = subject.model.name
    with model_files.evidence(subject, subject.tags.get("evidence")) as folder:
        text, paths = (folder / evidence.PARAMS).read_text("utf-8"), _paths(folder / evidence.PARAMS)
        origin, scored = evidence.read_lineage(folder), scores.read(folder)
    if params:
        say_file(text)
        return
    place = shlex.quote(f"../{model}-{version}")  # their names come from whoever may write to the store
    has_commit = origin.commit != "unknown"
    commands = [
        *([f"git worktree add --detach {place} {origin.commit}"] if has_commit else []),
        f"segnet trace {version} --name {shlex.quote(model)} --params > {place}/params.yaml",
        *_links(paths, place),
        f"cd {place}",
        "make setup",
        "source .venv/bin/activate",
        "dvc repro evaluate",
    ]
    expected = {
        "training run": scored.run,
        "models/segnet": origin.hashes["models/segnet"],
        "test mIoU": scored.metrics["test/miou"],
    }
    source = origin.start_from
    lost = [path for path in origin.changed if path != evidence.PARAMS]
    if json:
        say_json({"commands": commands, "expected": expected, "differed_from_the_commit": lost, **asdict(origin)})
        return
    if not has_commit:
        say(f"# It was registered outside a git checkout: put the code that trained it into {place} first.")
    if source is not None:  # an alias may point elsewhere by now
        at = f"set model.start_from to {source['version']} in its params.yaml" if source["version"] else "from a folder"
        say(f"# It started from the model of training {source['run']}, SHA-256 {source['sha256']}: {at}.")
    for path in lost:
        say(f"# {path} differed from the commit, and only its hash is kept: the result may differ.")
    say(*commands)
    say("# Expected result: " + ", ".join(f"{key} {value}" for key, value in expected.items()))


def _paths(params: Path) -> list[Path]:
    """Return the paths that a version's params.yaml names; none if it cannot be read, which verify says."""
    try:
        tree = safe_yaml.read(params)
        dataset, model = tree["dataset"], tree["model"]
        named = [dataset.get("path"), model.get("start_from"), (model.get("vgg16") or {}).get("path")]
        return [Path(name) for name in named if name is not None and ":/" not in name]
    except (ValueError, LookupError, TypeError, AttributeError):
        return []


def _links(paths: Iterable[Path], place: str) -> list[str]:
    """Return commands that link into another checkout, `place`, what lies in this one, and git lacks, at some paths."""
    inside = [path for path in paths if path.parts[:1] not in ((), ("..",), ("~",)) and not path.is_absolute()]
    return [
        f"mkdir -p {place}/{shlex.quote(str(path.parent))} && "
        f'ln -s "$PWD"/{shlex.quote(str(path))} {place}/{shlex.quote(str(path))}'
        for path in inside
        if not git.text("ls-files", "--", str(path))
    ]
