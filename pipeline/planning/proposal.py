"""Params for a folder of images and masks, proposed after a look at it. Nothing of it is changed or sent anywhere."""

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.data import annotations, assignment, pairing
from pipeline.data.pairing import Pair
from pipeline.files import repository
from pipeline.params.dataset import FolderDataset
from pipeline.planning import annotated, contents, image_files, params_file, sizes
from pipeline.planning.contents import Contents
from pipeline.planning.listing import Listing, read as read_listing
from pipeline.planning.masks import globs, mask_files
from pipeline.planning.masks.families import Family
from pipeline.planning.names import class_table
from pipeline.planning.names.class_table import ClassTable
from pipeline.planning.params_file import line, text_of
from pipeline.planning.sizes import Machine, Sizes
from pipeline.planning.splits import list_files, split_files, split_rules
from pipeline.planning.splits.split_rules import SplitRule
from pipeline.planning.splits.split_words import split_of_folder


@dataclass(frozen=True)
class Proposal:
    """A params.yaml, and what was found and could not be decided."""

    text: str
    facts: tuple[str, ...]
    questions: tuple[str, ...]


@dataclass(frozen=True)
class _Layout:
    """Images with masks or annotations, and what the latter hold."""

    images: str | None
    masks: str | None
    pairs: tuple[Pair, ...]
    contents: Contents
    lists: dict[str, str]
    questions: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """Annotations in files that are named after splits."""
    family: Family | None = None
    """The pairs, unless lists or a file of annotations for many images name them."""


def propose(root: Path, path: str, machine: Machine, masks: str | None = None) -> Proposal:
    """Return params for the data set in the folder `root`.

    Args:
        root: the folder.
        path: the folder as dataset.path names it.
        machine: what will train.
        masks: glob of the masks or annotations, or their folder, if the caller knows it.

    Raises:
        ValueError: there are no images, or no masks were recognised, or the pipeline could not use them.
    """
    if (written := repository.written_folder(root)) is not None:
        raise ValueError(
            f"expected a data set outside {written}, whose content this pipeline replaces, got {root}; move the data "
            "set, for example to data/own"
        )
    listing = read_listing(root)
    own = _annotated(annotated.named_by(listing, masks)) or (_listed(listing) if masks is None else None)
    layout = own or _paired(listing, masks)
    table = class_table.propose(layout.contents, listing, str(layout.pairs[0].mask or ""))
    layout = _without_unlabelled(layout, table, listing)
    images = [str(pair.image) for pair in layout.pairs]
    lists, asked = (layout.lists, ()) if layout.lists else list_files.of_images(listing, layout.pairs)
    folders = {} if lists else split_rules.by_folder(images)
    masks_of = {str(pair.mask) for pair in layout.pairs}
    lists = lists or ({} if folders else split_files.named(listing, images, layout.files, masks_of))
    files = [] if asked else layout.files or [path for path in split_files.unread(listing) if path not in masks_of]
    rule = split_rules.propose(folders, lists, images, files)
    dataset, lines = _dataset(path, root, layout, table, rule)
    jobs = assignment.jobs(dataset, root)
    if not split_rules.fits(rule, jobs):
        dataset, lines = _dataset(path, root, layout, table, split_rules.without_sequences(rule))
        jobs = assignment.jobs(dataset, root)
    counts = Counter(job.split for job in jobs if assignment.is_whole(root, job))
    read, unread = image_files.look_at(root, images)
    chosen = sizes.propose(read, counts["train"], machine)
    text = params_file.compose(lines, _values(chosen, machine, len(jobs) - counts.total()))
    params_file.checked(text)
    questions = (*layout.questions, *table.questions, *asked, *rule.questions, *unread)
    facts = (*_facts(layout, table, counts, chosen, rule), *image_files.told(listing, root, jobs, layout.contents))
    return Proposal(text, facts, (*questions, *image_files.further_channels(listing, images)))


def _annotated(listing: Listing) -> _Layout | None:
    which = annotated.find(listing)
    if which is None:
        return None
    pairs, drawings = annotations.read(listing.root, which.images, which.masks, which.kind)
    pictures = set(listing.pictures)
    there = {pair: drawing for pair, drawing in drawings.items() if pair.image in pictures}
    held = contents.of_drawings(listing.root, there, which.kind)
    files = {str(pair.mask) for pair in pairs} if which.family is None else set()
    named = tuple(sorted(file for file in files if split_files.is_named_after_split(file)))
    own = tuple(pair for pair in pairs if pair in there)
    return _Layout(which.images, which.masks, own, held, {}, which.questions, files=named, family=which.family)


def _listed(listing: Listing) -> _Layout | None:
    lists, pairs, questions = list_files.of_pairs(listing)
    if not lists:
        return None
    return _Layout(None, None, tuple(pairs), contents.of_masks(listing.root, pairs), lists, questions)


def _paired(listing: Listing, masks: str | None) -> _Layout:
    family, questions = mask_files.find(listing, masks)
    images_glob, masks_glob = globs.of(family)
    held = mask_files.contents_of(listing, family)
    return _Layout(images_glob, masks_glob, family.pairs, held, {}, tuple(questions), family=family)


def _without_unlabelled(layout: _Layout, table: ClassTable, listing: Listing) -> _Layout:
    """Leave out folders beside those of the splits without a mask, and a test split whose masks hold no labels.

    Such are LoveDA's Test, and Cityscapes' test, whose masks hold nothing but ignored labels.
    """
    if layout.family is None:
        return layout
    ignored = {row.label for row in table.rows if row.ignore}
    labelled: dict[tuple[str, str] | None, bool] = {}
    for image, held in layout.contents.by_mask.items():
        split = split_of_folder(image)
        labelled[split] = labelled.get(split, False) or not held.keys() <= ignored
    empty = {
        each[1] for each, has_labels in labelled.items() if each is not None and each[0] == "test" and not has_labels
    }
    bare, levels = _without_masks(layout, listing)
    if not empty | bare:
        return layout
    images, kept_masks = globs.of(layout.family, without=frozenset(empty), levels=levels)
    pairs = tuple(pair for pair in layout.pairs if not empty & set(Path(str(pair.image)).parts))
    notes = [(empty, "The masks in {} hold no labels"), (bare, "The images in {} have no masks")]
    asked = [f"{note.format(', '.join(sorted(each)))}. Default: they are left out" for each, note in notes if each]
    return replace(layout, images=images, masks=kept_masks, pairs=pairs, questions=(*layout.questions, *asked))


def _without_masks(layout: _Layout, listing: Listing) -> tuple[set[str], frozenset[int]]:
    """Return the folders beside those of the splits none of whose images has a mask, and the depths of folders."""
    paired = [str(pair.image) for pair in layout.pairs]
    named = {each for each in map(split_of_folder, paired) if each is not None}
    splits = {folder for _, folder in named}
    levels = frozenset(i for image in paired for i, name in enumerate(Path(image).parts[:-1]) if name in splits)
    if not split_rules.by_folder(paired):
        return set(), levels
    matched, _ = pairing.matches(listing.root, str(layout.images), str(layout.masks))
    parts = [Path(image).parts[:-1] for image in map(str, matched.to_pylist())]
    there = {Path(image).parts[level] for image in paired for level in levels if level < len(Path(image).parts) - 1}
    return {each[level] for each in parts for level in levels if level < len(each)} - there, levels


def _dataset(path: str, root: Path, layout: _Layout, table: ClassTable, rule: SplitRule) -> tuple[FolderDataset, str]:
    """Return the section dataset, and its lines."""
    title = re.sub(r"[^a-z0-9]+", "-", root.resolve().name.lower()).strip("-") or "own"
    kind, number = layout.contents.kind, len(layout.contents.by_mask)
    rows = []
    classes: list[dict[str, object]] = []
    for row in table.rows:
        value = None if kind == "colour" else row.label
        tree: dict[str, object] = {"name": row.name, "value": value, "colour": list(row.colour), "ignore": row.ignore}
        classes.append(tree)
        rows.append(f"    - {text_of(tree)} # {row.share:.2%}")
    what = "masks" if kind in ("index", "colour") else "annotated images"
    names = f"; names: {table.source}" if table.source else "; names to fill in"
    reason = "each line of the lists names an image and its mask" if layout.images is None else ""
    values: dict[str, object] = {
        "name": "folder", "title": title, "path": path, "images": layout.images, "masks": layout.masks,
        "mask_kind": kind, "classes": classes, "sequence": rule.sequence, "splits": dict(rule.rule),
    }  # fmt: skip
    lines = [
        line("name", "folder", ""),
        line("title", title, f"the registered model is segnet-{title}"),
        line("path", path, ""),
        line("images", layout.images, reason or f"{len(layout.pairs)} of them have masks"),
        line("masks", layout.masks, reason or "paired by what the wildcards match" if what == "masks" else ""),
        line("mask_kind", kind, _KINDS[kind]),
        f"  classes: # share of the pixels in {number} of {layout.contents.num_masks} {what}{names}",
        *rows,
        line("sequence", rule.sequence, rule.sequence_reason),
        line("splits", dict(rule.rule), rule.reason),
    ]
    return FolderDataset.model_validate_json(params_file.as_json(values)), "\n".join(lines)


_KINDS = {
    "index": "a pixel holds the value of its class",
    "colour": "a pixel holds the colour of its class",
    "coco": "polygons in COCO's JSON",
    "panoptic": "COCO's segments: id = R + 256 G + 65536 B",
    "labelme": "polygons in LabelMe's JSON, a file for each image",
    "cvat": "shapes in CVAT's XML",
    "yolo": "polygons in YOLO's text, a file for each image",
}


def _values(chosen: Sizes, machine: Machine, alone: int) -> dict[tuple[str, str], tuple[object, str]]:
    whole = "an entire image" if chosen.is_whole else "images differ in size, or are too large to be one tile"
    stride = "no overlap: a tile is an image" if chosen.is_whole else "tiles overlap, and cover an image to its edge"
    values: dict[tuple[str, str], tuple[object, str]] = {
        ("tile", "scale"): (
            chosen.scale,
            "for training; predictions have the images' full size" if chosen.scale < 1 else "",
        ),
        ("tile", "height"): (chosen.height, whole),
        ("tile", "width"): (chosen.width, ""),
        ("tile", "stride_y"): (chosen.stride_y, stride),
        ("tile", "stride_x"): (chosen.stride_x, ""),
        ("model", "width"): (chosen.model_width, f"of the paper's channels, for {machine}"),
        ("train", "batch_size"): (chosen.batch_size, f"about {chosen.tiles} training tiles"),
        ("train", "epochs"): (chosen.epochs, f"about {chosen.effort} on {machine}; segnet plan measures it"),
    }
    if alone:
        values[("validate", "missing_pair")] = ("warning", f"{alone} images or masks are alone, and left out")
    return values


def _facts(layout: _Layout, table: ClassTable, counts: Counter[str], chosen: Sizes, rule: SplitRule) -> tuple[str, ...]:
    ignored = [row.name for row in table.rows if row.ignore]
    names = list(dict.fromkeys(row.name for row in table.rows if not row.ignore))
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    left = f"; ignored: {', '.join(dict.fromkeys(ignored))}" if ignored else ""
    where = "named by the lists" if layout.images is None else f"{layout.images} with {layout.masks}"
    splits = ", ".join(f"{split} {counts[split]}" for split in ("train", "val", "test") if counts[split])
    what = "an image is a tile" if chosen.is_whole else f"about {chosen.tiles} training tiles"
    return (
        f"images: {len(layout.pairs)}, {where}",
        f"masks: {layout.contents.kind}, {len(names)} classes: {shown}{left}",
        f"splits: {splits} images; {rule.reason}",
        f"tiles: {chosen.width} x {chosen.height} at scale {chosen.scale:g}; {what}",
        f"training: {chosen.epochs} epochs in batches of {chosen.batch_size}",
    )
