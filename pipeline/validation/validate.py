"""Judging a data set before any training time is spent: Great Expectations on the extremes of the manifest's tables.

Whether a column of a million values is within a bound, its lowest or highest value says: so Great Expectations judges
one row of extremes, whatever the number of images. What is wrong is looked up by its number, and alone put in words.
"""

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.artifacts.manifest import Rows
from pipeline.artifacts.validation import Finding, Offender, Validation
from pipeline.core.classes import ClassTable
from pipeline.params.class_name import is_placeholder
from pipeline.params.steps import Severity, Validate
from pipeline.validation import facts
from pipeline.validation.groups import Table
from pipeline.validation.tables import summary, tables_of

_GX_SEVERITIES: dict[Severity, str] = {"error": "critical", "warning": "warning"}


@dataclass(frozen=True)
class Check:
    """The table that a check examines, and the texts of its finding."""

    table: str
    """Key of what `tables_of` returns; also the word for its rows."""
    expected: str
    """What must hold; braces are filled from the section `validate` of params.yaml."""
    extreme: str
    """The value nearest to, or farthest beyond, the bound; braces are filled with it as `extreme` and, for differing
    bits, the limit up to which they are counted."""
    offence: str
    """What is wrong with a row; braces are filled with its columns."""


@dataclass(frozen=True)
class _Bound:
    """Between what each value of a check's column must lie; NaN is not judged."""

    column: str
    low: float = -math.inf
    high: float = math.inf

    def failing(self, values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Return the numbers of the values that are out of bounds."""
        return np.flatnonzero((values < self.low) | (values > self.high))

    def extreme(self, values: npt.NDArray[Any]) -> float:
        """Return the value nearest to, or farthest beyond, the bound; NaN: there is none to judge."""
        nearest = np.fmin if self.low > -math.inf else np.fmax
        return float(nearest.reduce(values, initial=math.nan, dtype=np.float64))


CHECKS = {
    "unreadable_image": Check("images", "every image and mask can be read", "", "{problem}"),
    "missing_pair": Check("images", "every image has a mask and every mask an image", "", "no {missing}"),
    "size_mismatch": Check(
        "images", "image and mask have the same size", "", "image {image_size}, mask {mask_size} pixels{turned}"
    ),
    "orientation_mismatch": Check(
        "images",
        "image and mask have the same EXIF orientation, or sizes that show how the mask was drawn",
        "",
        "{in_doubt}; if the two do not match as shown on the page, remove the tag; if they do, make this a warning",
    ),
    "label_outside_table": Check(
        "images",
        "masks hold only labels of the class table",
        "most in one mask: {extreme:,.0f} pixels",
        "{outside:,.0f} pixels hold labels that dataset.classes does not name: {labels_outside}",
    ),
    "duplicate_across_splits": Check(
        "files",
        "no image file is in two splits",
        "most splits of one file: {extreme:.0f}",
        "the same file: {where}",
    ),
    "class_without_training_pixels": Check(
        "classes",
        "each class has at least 1 training pixel",
        "rarest class: {extreme:,.0f} pixels",
        "no pixels in {num_training_images} training images",
    ),
    "empty_split": Check("splits", "every split has an image", "smallest split: {extreme:,.0f} images", "no images"),
    "all_void_mask": Check(
        "images",
        "every mask has a labelled pixel",
        "fewest in one mask: {extreme:,.0f} pixels",
        "all {mask_size} pixels are void",
    ),
    "near_duplicate_across_splits": Check(
        "nearest pairs",
        "every val and test image differs from those of earlier splits in over {near_duplicate_bits} of 64 hash bits",
        "nearest: {extreme:.0f} bits, counted up to {limit}",
        "{bits:.0f} of 64 bits differ",
    ),
    "shared_sequence_across_splits": Check(
        "sequences", "no sequence is in two splits", "most splits of one sequence: {extreme:.0f}", "{where}"
    ),
    "class_share_shift": Check(
        "classes",
        "the share of a class differs between splits by a factor of at most {max_class_share_ratio:g}",
        "largest factor: {extreme:.1f}",
        "{shares}",
    ),
    "blank_image": Check(
        "images",
        "the grey values of an image have a standard deviation of at least {min_contrast:g}",
        "smallest: {extreme:.1f}",
        "standard deviation {contrast:.1f}",
    ),
    "void_share": Check(
        "splits",
        "at most {max_void_share:.0%} of the pixels of a split are void",
        "largest share: {extreme:.1%}",
        "{void_share:.1%} of its pixels are void",
    ),
}

MAX_OFFENDERS = 10_000
"""Of one check, so that the report of a million images takes bounded memory whatever is wrong with them."""
_LEFT_OUT = ("unreadable_image", "missing_pair", "size_mismatch")  # as warnings: see Manifest.usable


def run(manifest: Rows, settings: Validate) -> Validation:
    """Judge `manifest` with Great Expectations; return one finding for each check of `settings.severities`.

    Raises:
        ValueError: what is stored is no manifest.
    """
    known = facts.gather(manifest)
    tables, bounds = tables_of(known, settings.near_duplicate_bits), _bounds(settings)
    extremes = {
        check: bound.extreme(tables[CHECKS[check].table].columns[bound.column]) for check, bound in bounds.items()
    }
    passed = _judge(extremes, bounds, settings)
    return Validation(
        dataset=manifest.dataset,
        splits=summary(known),
        findings=tuple(
            _finding(check, passed[check], tables[CHECKS[check].table], bounds[check], settings)
            for check in type(settings.severities).model_fields
        ),
    )


def describe(finding: Finding) -> str:
    """Return a finding in one line: the check, how many fail, and the first ten offenders with the reason."""
    named = [f"{offender.name} ({offender.detail})" for offender in finding.offenders[:10]]
    more = finding.failing - len(named)
    rest = [f"and {more:,} more"] if more else []
    return f"{finding.check.replace('_', ' ')}: {finding.observed}: {', '.join(named + rest)}"


def names_to_fill_in(classes: ClassTable) -> str:
    """Return a sentence about classes whose names `segnet init` left to be filled in; "" if there are none."""
    names = [name for name in classes.names if is_placeholder(name)]
    if not names:
        return ""
    which = f"{', '.join(names)} {'is a name' if len(names) == 1 else 'are names'}"
    return (
        f"{which} to fill in: write what each is in dataset.classes of params.yaml; pages, metrics and the registry "
        "have these names otherwise, and other names later are another training"
    )


def _bounds(settings: Validate) -> dict[str, _Bound]:
    return {
        "unreadable_image": _Bound("unreadable", high=0),
        "missing_pair": _Bound("without_partner", high=0),
        "size_mismatch": _Bound("sizes_differ", high=0),
        "orientation_mismatch": _Bound("turned_in_doubt", high=0),
        "label_outside_table": _Bound("outside", high=0),
        "duplicate_across_splits": _Bound("num_splits", high=1),
        "class_without_training_pixels": _Bound("training_pixels", low=1),
        "empty_split": _Bound("num_images", low=1),
        "all_void_mask": _Bound("labelled", low=1),
        "near_duplicate_across_splits": _Bound("bits", low=settings.near_duplicate_bits + 1),
        "shared_sequence_across_splits": _Bound("num_splits", high=1),
        "class_share_shift": _Bound("share_ratio", high=settings.max_class_share_ratio),
        "blank_image": _Bound("contrast", low=settings.min_contrast),
        "void_share": _Bound("void_share", high=settings.max_void_share),
    }


def _judge(extremes: dict[str, float], bounds: dict[str, _Bound], settings: Validate) -> dict[str, bool]:
    """Return whether each check passes by Great Expectations, with one expectation for each, of its severity."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read on import; without it, usage data would be sent
    import great_expectations as gx
    from great_expectations import expectations as gxe
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    context = gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),  # otherwise fills /tmp
            progress_bars=ProgressBarsConfig(globally=False),
        ),
    )
    asset = context.data_sources.add_pandas("manifest").add_dataframe_asset("extremes")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": pd.DataFrame([extremes])})
    expectations = [
        gxe.ExpectColumnValuesToBeBetween(
            column=check,
            min_value=None if bound.low == -math.inf else bound.low,
            max_value=None if bound.high == math.inf else bound.high,
            severity=_GX_SEVERITIES[getattr(settings.severities, check)],
        )
        for check, bound in bounds.items()
    ]
    passed = {}
    for result in batch.validate(gx.ExpectationSuite("extremes", expectations)).results:
        check = result.expectation_config.kwargs["column"]
        if result.exception_info.get("raised_exception", True):
            raise RuntimeError(f"Great Expectations could not judge {check}: {result.exception_info}")
        passed[check] = bool(result.success)
    return passed


def _finding(check: str, ok: bool, table: Table, bound: _Bound, settings: Validate) -> Finding:
    """Return a check's finding, with what fails it in words."""
    words, severity = CHECKS[check], getattr(settings.severities, check)
    values = table.columns[bound.column]
    failing, judged = bound.failing(values), int(np.count_nonzero(~np.isnan(values)))
    extreme = words.extreme.format(extreme=bound.extreme(values), limit=settings.near_duplicate_bits + 1)
    observed = f"{len(failing):,} of {judged:,} {words.table} fail"
    if not ok and check in _LEFT_OUT and severity == "warning":
        observed += ", and are left out of tiles and scores"
    named = failing[:MAX_OFFENDERS]
    rows = table.described(named).to_dict("records") if len(named) else []
    return Finding(
        check=check,
        severity=severity,
        ok=ok,
        expected=words.expected.format_map(settings.model_dump()),
        observed=f"{observed}; {extreme}" if extreme and judged else observed,
        offenders=tuple(Offender(row["name"], words.offence.format_map(row), row["shown"]) for row in rows),
        unnamed=len(failing) - len(named),
    )
