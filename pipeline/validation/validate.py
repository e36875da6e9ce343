"""Judging a data set before any training time is spent: Great Expectations on the manifest's tables."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.artifacts.manifest import Manifest
from pipeline.artifacts.validation import Finding, Offender, Validation
from pipeline.params.steps import Severity, Validate
from pipeline.validation.tables import summary, tables_of

_GX_SEVERITIES: dict[Severity, str] = {"error": "critical", "warning": "warning"}
_SEVERITIES: dict[str, Severity] = {"critical": "error", "warning": "warning"}


@dataclass(frozen=True)
class Check:
    """The table that a check examines, and the texts of its finding."""

    table: str
    """Key of what `tables_of` returns; also the word for its rows."""
    expected: str
    """What must hold; braces are filled from the section `validate` of params.yaml."""
    extreme: str
    """The value nearest to, or farthest beyond, the bound; braces are filled with low[column], high[column] and, for
    differing bits, the limit up to which they are counted."""
    offence: str
    """What is wrong with a row; braces are filled with its columns."""


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
        "most in one mask: {high[outside]:,.0f} pixels",
        "{outside:,.0f} pixels hold labels that dataset.classes does not name: {labels_outside}",
    ),
    "duplicate_across_splits": Check(
        "files",
        "no image file is in two splits",
        "most splits of one file: {high[num_splits]:.0f}",
        "the same file: {where}",
    ),
    "class_without_training_pixels": Check(
        "classes",
        "each class has at least 1 training pixel",
        "rarest class: {low[training_pixels]:,.0f} pixels",
        "no pixels in {num_training_images} training images",
    ),
    "empty_split": Check(
        "splits", "every split has an image", "smallest split: {low[num_images]:,.0f} images", "no images"
    ),
    "all_void_mask": Check(
        "images",
        "every mask has a labelled pixel",
        "fewest in one mask: {low[labelled]:,.0f} pixels",
        "all {mask_size} pixels are void",
    ),
    "near_duplicate_across_splits": Check(
        "nearest pairs",
        "every val and test image differs from those of earlier splits in over {near_duplicate_bits} of 64 hash bits",
        "nearest: {low[bits]:.0f} bits, counted up to {limit}",
        "{bits:.0f} of 64 bits differ",
    ),
    "shared_sequence_across_splits": Check(
        "sequences", "no sequence is in two splits", "most splits of one sequence: {high[num_splits]:.0f}", "{where}"
    ),
    "class_share_shift": Check(
        "classes",
        "the share of a class differs between splits by a factor of at most {max_class_share_ratio:g}",
        "largest factor: {high[share_ratio]:.1f}",
        "{shares}",
    ),
    "blank_image": Check(
        "images",
        "the grey values of an image have a standard deviation of at least {min_contrast:g}",
        "smallest: {low[contrast]:.1f}",
        "standard deviation {contrast:.1f}",
    ),
    "void_share": Check(
        "splits",
        "at most {max_void_share:.0%} of the pixels of a split are void",
        "largest share: {high[void_share]:.1%}",
        "{void_share:.1%} of its pixels are void",
    ),
}

_LEFT_OUT = ("unreadable_image", "missing_pair", "size_mismatch")  # as warnings: see Manifest.usable


def run(manifest: Manifest, settings: Validate) -> Validation:
    """Judge `manifest` with Great Expectations; return one finding for each check of `settings.severities`."""
    tables = tables_of(manifest, settings.near_duplicate_bits)
    by_check = {finding.check: finding for finding in _judge(tables, settings)}
    return Validation(
        dataset=manifest.dataset,
        splits=summary(manifest),
        findings=tuple(by_check[check] for check in type(settings.severities).model_fields),
    )


def describe(finding: Finding, limit: int = 10) -> str:
    """Return a finding in one line: the check, how many fail, and the first `limit` offenders with the reason."""
    named = [f"{offender.name} ({offender.detail})" for offender in finding.offenders[:limit]]
    more = len(finding.offenders) - len(named)
    rest = [f"and {more} more"] if more else []
    return f"{finding.check.replace('_', ' ')}: {finding.observed}: {', '.join(named + rest)}"


def _judge(tables: dict[str, pd.DataFrame], settings: Validate) -> Iterator[Finding]:
    """Yield the finding of each expectation, with one Great Expectations suite per table."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read on import; without it, usage data would be sent
    import great_expectations as gx
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
    source = context.data_sources.add_pandas("manifest")
    expectations = _expectations(settings)
    for name, table in tables.items():
        asset = source.add_dataframe_asset(name)
        batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": table})
        suite = gx.ExpectationSuite(name, [e for e in expectations if CHECKS[e.meta["check"]].table == name])
        for result in batch.validate(suite, result_format="COMPLETE").results:
            yield _finding(result, table, settings)


def _expectations(settings: Validate) -> list[Any]:
    """Return one expectation per check, with its severity; the check's name is in `meta`."""
    from great_expectations import expectations as gxe

    def common(check: str) -> dict[str, Any]:
        severity = getattr(settings.severities, check)
        return {"meta": {"check": check}, "severity": _GX_SEVERITIES[severity]}

    def nothing(check: str, column: str) -> Any:
        return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=[""], **common(check))

    def at_least(check: str, column: str, bound: float) -> Any:
        return gxe.ExpectColumnValuesToBeBetween(column=column, min_value=bound, **common(check))

    def at_most(check: str, column: str, bound: float) -> Any:
        return gxe.ExpectColumnValuesToBeBetween(column=column, max_value=bound, **common(check))

    return [
        nothing("unreadable_image", "problem"),
        nothing("missing_pair", "missing"),
        gxe.ExpectColumnPairValuesToBeEqual(
            column_A="image_size",
            column_B="mask_size",
            ignore_row_if="either_value_is_missing",
            **common("size_mismatch"),
        ),
        nothing("orientation_mismatch", "in_doubt"),
        at_most("label_outside_table", "outside", 0),
        at_most("duplicate_across_splits", "num_splits", 1),
        at_least("class_without_training_pixels", "training_pixels", 1),
        at_least("empty_split", "num_images", 1),
        at_least("all_void_mask", "labelled", 1),
        at_least("near_duplicate_across_splits", "bits", settings.near_duplicate_bits + 1),
        at_most("shared_sequence_across_splits", "num_splits", 1),
        at_most("class_share_shift", "share_ratio", settings.max_class_share_ratio),
        at_least("blank_image", "contrast", settings.min_contrast),
        at_most("void_share", "void_share", settings.max_void_share),
    ]


def _finding(result: Any, table: pd.DataFrame, settings: Validate) -> Finding:
    """Return the finding that describes the result of one expectation."""
    config, counts = result.expectation_config, result.result
    if result.exception_info.get("raised_exception", True):
        raise RuntimeError(f"Great Expectations could not judge {config.meta['check']}: {result.exception_info}")
    words = CHECKS[config.meta["check"]]
    judged = counts["element_count"] - counts["missing_count"]
    low, high = table.min(numeric_only=True), table.max(numeric_only=True)
    extreme = words.extreme.format(low=low, high=high, limit=settings.near_duplicate_bits + 1)
    observed = f"{counts['unexpected_count']:,} of {judged:,} {words.table} fail"
    if not result.success and config.meta["check"] in _LEFT_OUT and _SEVERITIES[config.severity] == "warning":
        observed += ", and are left out of tiles and scores"
    offending = table.iloc[counts["unexpected_index_list"]]
    return Finding(
        check=config.meta["check"],
        severity=_SEVERITIES[config.severity],
        ok=result.success,
        expected=words.expected.format_map(settings.model_dump()),
        observed=f"{observed}; {extreme}" if extreme and judged else observed,
        offenders=tuple(
            Offender(row["name"], words.offence.format_map(row), row["shown"]) for row in offending.to_dict("records")
        ),
    )
