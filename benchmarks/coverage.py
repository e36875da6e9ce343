"""Simulate how often intervals of a gain mislead the gate: false promotions and coverage, by method.

    python benchmarks/coverage.py [--pair REPORTS REPORTS] [RESULT.json]

A model that is no better than the champion is promoted if the lower bound of its gain's 95% interval lies above 0: in
2.5% of cases at most, if the interval is what it says. Simulated are gains of images with mean 0, normal with an
autoregressive correlation of neighbouring images, or skewed, in blocks of ten images or of one; gains of which whole
blocks correlate; per-image counts of real models; and 50 challengers of one champion on the same test images.

`--pair` names the reports of two models that were evaluated on the same test images, such as two seeds of
presets/camvid_cpu.yaml. From their counts, test sets are drawn in which neither is better: runs of consecutive images,
in each of which the two exchange roles at random.
"""

import argparse
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.fft import dct
from scipy.special import ndtr, ndtri, stdtrit

from pipeline.artifacts import scores as score_files
from pipeline.artifacts.scores import Scores
from pipeline.core import bootstrap, jackknife
from pipeline.core.arrays import Floats
from pipeline.core.bootstrap import Resampling
from pipeline.files import atomic
from pipeline.registry.comparison import Jackknife

SEED = 1
LEVEL = 0.95
SIMULATIONS, ON_COUNTS, RESAMPLES = 20_000, 4_000, 1_000
BLOCKS = (2, 5, 10, 15, 16, 24, 50)
CHALLENGERS = 50

Method = Callable[[Floats, float], tuple[Floats, Floats]]
"""Lower and upper bounds (S,) of the mean of (S, K) values at a level; S simulations, K blocks, R resamples."""


def percentile(values_SK: Floats, level: float) -> tuple[Floats, Floats]:
    """Return the percentile bootstrap's bounds: the rule up to 2026-11-26."""
    means_SR = values_SK @ drawn(values_SK.shape[1]).T
    low_S, high_S = np.quantile(means_SR, [(1 - level) / 2, (1 + level) / 2], axis=1)
    return low_S, high_S


def bca(values_SK: Floats, level: float) -> tuple[Floats, Floats]:
    """Return the bias-corrected and accelerated bounds (Efron, J. Am. Stat. Assoc. 82, 1987)."""
    means_SR = np.sort(values_SK @ drawn(values_SK.shape[1]).T, axis=1)
    centred_SK = values_SK - values_SK.mean(axis=1, keepdims=True)
    below_S = (means_SR < values_SK.mean(axis=1, keepdims=True)).mean(axis=1)
    bias_S = ndtri(np.clip(below_S, 1 / RESAMPLES, 1 - 1 / RESAMPLES))
    acceleration_S = (centred_SK**3).sum(axis=1) / (6 * (centred_SK**2).sum(axis=1) ** 1.5)
    bounds = []
    for share in ((1 - level) / 2, (1 + level) / 2):
        shifted_S = bias_S + ndtri(share)
        ranks_S = ndtr(bias_S + shifted_S / (1 - acceleration_S * shifted_S)) * (RESAMPLES - 1)
        bounds.append(np.take_along_axis(means_SR, ranks_S.round().astype(int)[:, None], axis=1)[:, 0])
    return bounds[0], bounds[1]


def studentised(values_SK: Floats, level: float) -> tuple[Floats, Floats]:
    """Return the bootstrap-t bounds (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, Ch. 12)."""
    weights_RK, mean_S1 = drawn(values_SK.shape[1]), values_SK.mean(axis=1, keepdims=True)
    means_SR = values_SK @ weights_RK.T
    errors_SR = np.sqrt(np.maximum(values_SK**2 @ weights_RK.T - means_SR**2, 0))
    t_SR = np.divide(means_SR - mean_S1, errors_SR, out=np.zeros_like(means_SR), where=errors_SR > 1e-12)
    low_S, high_S = np.quantile(t_SR, [(1 - level) / 2, (1 + level) / 2], axis=1)
    return mean_S1[:, 0] - high_S * values_SK.std(axis=1), mean_S1[:, 0] - low_S * values_SK.std(axis=1)


def cluster_t(values_SK: Floats, level: float) -> tuple[Floats, Floats]:
    """Return Student's bounds, for independent blocks."""
    return around(values_SK, values_SK.std(axis=1, ddof=1) / values_SK.shape[1] ** 0.5, values_SK.shape[1] - 1, level)


def cosines(values_SK: Floats, level: float) -> tuple[Floats, Floats]:
    """Return t bounds from equally weighted cosines (Lazarus et al., J. Bus. Econ. Stat. 36(4), 2018), K^(2/3) / 2."""
    freedom = max(1, int(np.cbrt(values_SK.shape[1]) ** 2 / 2))
    waves_SK = dct(values_SK, norm="ortho", axis=1)[:, 1 : 1 + freedom]
    return around(values_SK, np.sqrt((waves_SK**2).mean(axis=1) / values_SK.shape[1]), freedom, level)


def stationary(values_SK: Floats, level: float) -> tuple[Floats, Floats]:
    """Return normal bounds with the stationary bootstrap's variance at the length of Politis and White (2004; 2009)."""
    num_blocks = values_SK.shape[1]
    centred_SK = values_SK - values_SK.mean(axis=1, keepdims=True)
    lags = np.arange(num_blocks)
    covariance_SK = np.stack([(centred_SK[:, k:] * centred_SK[:, : num_blocks - k]).mean(axis=1) for k in lags], axis=1)
    covariance_SK *= (num_blocks - lags) / num_blocks
    small_SK = np.abs(covariance_SK) < 2 * (np.log10(num_blocks) / num_blocks) ** 0.5 * covariance_SK[:, :1]
    view_SKk = np.lib.stride_tricks.sliding_window_view(np.asarray(small_SK), min(5, num_blocks - 1), axis=1)
    quiet = np.asarray(view_SKk.all(axis=2))[:, 1:]
    last_S1 = np.where(quiet.any(axis=1), quiet.argmax(axis=1), num_blocks // 2)[:, None]  # the last lag that counts
    window_SK = np.clip(2 * (1 - lags / np.maximum(2 * last_S1, 1)), 0, 1)  # flat top
    slope_S = 2 * (window_SK * lags * covariance_SK).sum(axis=1)
    spectrum_S = (window_SK * covariance_SK * np.where(lags, 2, 1)).sum(axis=1)
    length_S = np.cbrt(
        num_blocks * np.divide(slope_S, spectrum_S, out=np.zeros_like(slope_S), where=spectrum_S > 0) ** 2
    )
    keep_S1 = 1 - 1 / np.clip(length_S, 1, num_blocks / 3 + 1)[:, None]
    weights_SK = (1 - lags / num_blocks) * keep_S1**lags + lags / num_blocks * keep_S1 ** (num_blocks - lags)
    variance_S = (covariance_SK * np.where(lags, 2 * weights_SK, 1)).sum(axis=1)
    return around(values_SK, np.sqrt(np.maximum(variance_S, 0) / num_blocks), np.inf, level)


def ours(values_SK: Floats, level: float) -> tuple[Floats, Floats]:
    """Return the gate's bounds; NaN, so no promotion, with too few blocks."""
    num_blocks = values_SK.shape[1]
    without_KS = (values_SK.sum(axis=1, keepdims=True) - values_SK).T / (num_blocks - 1)
    errors_S = jackknife.standard_errors(without_KS)
    return around(
        values_SK, errors_S if num_blocks >= jackknife.MIN_BLOCKS else errors_S * np.nan, num_blocks - 1, level
    )


METHODS: tuple[Method, ...] = (percentile, bca, studentised, stationary, cosines, cluster_t, ours)


def around(values_SK: Floats, errors_S: Floats, freedom: float, level: float) -> tuple[Floats, Floats]:
    """Return the means -+ t errors."""
    t = stdtrit(freedom, (1 + level) / 2) if np.isfinite(freedom) else ndtri((1 + level) / 2)
    return values_SK.mean(axis=1) - t * errors_S, values_SK.mean(axis=1) + t * errors_S


def drawn(num_blocks: int) -> Floats:
    """Return how often each block is drawn in each resample, divided by their number, (R, K)."""
    generator = np.random.default_rng(SEED)
    return generator.multinomial(num_blocks, np.full(num_blocks, 1 / num_blocks), RESAMPLES) / num_blocks


def autoregressive(shocks: Floats, correlation: float) -> Floats:
    """Return the AR(1) series along the last axis with the first of `shocks` as its start; unit variance stays."""
    series = shocks.copy()
    for t in range(1, shocks.shape[-1]):
        series[..., t] = correlation * series[..., t - 1] + (1 - correlation**2) ** 0.5 * shocks[..., t]
    return series


CASES = [
    *({"images_per_block": 10, "correlation": rho, "skewed": False} for rho in (0.0, 0.3, 0.6)),
    *({"images_per_block": 1, "correlation": rho, "skewed": False} for rho in (0.3, 0.6)),
    *({"images_per_block": 10, "correlation": rho, "skewed": True} for rho in (0.0, 0.3)),
]


def simulated(case: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the share of false promotions and the coverage of each method, by number of blocks; HOLD: no interval."""
    for num_blocks in BLOCKS:
        generator, images = np.random.default_rng(SEED), case["images_per_block"]
        shape = (SIMULATIONS, num_blocks * images)
        shocks = 1 - generator.exponential(size=shape) if case["skewed"] else generator.normal(size=shape)
        series = autoregressive(shocks, case["correlation"])
        values_SK, found = np.asarray(series.reshape(SIMULATIONS, num_blocks, images).sum(axis=2)), {}
        for method in METHODS:
            low_S, high_S = method(values_SK, LEVEL)
            rates = (low_S > 0).mean(), ((low_S <= 0) & (high_S >= 0)).mean()
            found[method.__name__] = "HOLD" if np.isnan(low_S).any() else [float(rate) for rate in rates]
        yield {**case, "blocks": num_blocks, **found}


def challenged(num_blocks: int, correlation: float) -> dict[str, Any]:
    """Return how often any of 50 challengers, none better than the champion, is promoted; half the gain is its own."""
    generator = np.random.default_rng(SEED)
    champion_SK = autoregressive(generator.normal(size=(ON_COUNTS, num_blocks)), correlation)
    tried = {"percentile": (percentile, False), "ours, not spending": (ours, False), "ours": (ours, True)}
    promoted = {name: np.zeros(ON_COUNTS, bool) for name in tried}
    for number in range(1, CHALLENGERS + 1):
        values_SK = autoregressive(generator.normal(size=(ON_COUNTS, num_blocks)), correlation) - champion_SK
        for name, (method, spending) in tried.items():
            promoted[name] |= method(values_SK, Jackknife(LEVEL, 1, spending, number).gain_level)[0] > 0
    rates = {name: [float(hit.mean())] for name, hit in promoted.items()}
    return {"correlation": correlation, "blocks": num_blocks, **rates}


def on_counts(one: Scores, other: Scores, images_per_block: int, images: int) -> dict[str, Any]:
    """Return the false promotions on test sets of real images between models that are equal by construction."""
    generator, promoted, num_blocks = np.random.default_rng(SEED), np.zeros(2), []
    for seed in range(ON_COUNTS):
        numbers, sequences, swapped = runs(len(one.ids), images, generator)
        ours_NCC, theirs_NCC = one.counts[numbers], other.counts[numbers]
        pair = np.where(swapped, theirs_NCC, ours_NCC), np.where(swapped, ours_NCC, theirs_NCC)
        blocks_N = bootstrap.blocks(sequences, images_per_block)
        num_blocks.append(blocks_N.max() + 1)
        resampling = Resampling(blocks_N, RESAMPLES, LEVEL, seed)
        promoted[0] += bootstrap.paired_difference(*pair, resampling).miou.low > 0
        promoted[1] += jackknife.paired_gains(*pair, blocks_N).miou.interval(LEVEL).low > 0
    rates = {name: [rate] for name, rate in zip(("percentile", "ours"), (promoted / ON_COUNTS).tolist(), strict=True)}
    blocks = f"{min(num_blocks)} to {max(num_blocks)}"
    return {"images_per_block": images_per_block, "images": images, "blocks": blocks, **rates}


def runs(available: int, images: int, generator: np.random.Generator) -> tuple[Any, list[str], Any]:
    """Return the numbers of runs of 5 to 60 consecutive images, each a sequence, and where the models are swapped."""
    lengths: list[int] = []
    while sum(lengths) < images:
        lengths.append(min(int(generator.integers(5, 61)), images - sum(lengths)))
    numbers = np.concatenate([generator.integers(available - n + 1) + np.arange(n) for n in lengths])
    swapped = np.repeat(generator.random(len(lengths)) < 0.5, lengths)[:, None, None]
    return numbers, np.repeat([f"{i:04}" for i in range(len(lengths))], lengths).tolist(), swapped


def neighbours(one: Scores, other: Scores, images_per_block: int) -> float:
    """Return the correlation of neighbouring blocks' effect on the gain."""
    blocks_N = bootstrap.blocks(one.sequences, images_per_block)
    others = (blocks_N != k for k in range(blocks_N.max() + 1))
    without = [jackknife.paired_gains(one.counts[m], other.counts[m], blocks_N[m]).miou.estimate for m in others]
    return float(np.corrcoef(without[:-1], without[1:])[0, 1])


def table(rows: list[dict[str, Any]]) -> None:
    """Print rows as a table in Markdown, lists of fractions as percentages."""
    print(f"\n| {' | '.join(rows[0])} |\n|{' ---: |' * len(rows[0])}")
    for row in rows:
        cells = [" / ".join(f"{100 * x:.1f}" for x in c) if isinstance(c, list) else str(c) for c in row.values()]
        print(f"| {' | '.join(cells)} |")


def main() -> None:
    """Print the tables and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", type=Path, nargs=2, help="reports/ of two models on the same test images")
    parser.add_argument("result", type=Path, nargs="?", default=Path(__file__).parent / "results" / "coverage.json")
    given = parser.parse_args()
    machine = {"cpus": os.cpu_count(), "processor": platform.machine(), "numpy": np.__version__}
    tables = {
        "False promotions / coverage in %": [row for case in CASES for row in simulated(case)],
        f"Any of {CHALLENGERS} promoted in %": [challenged(k, rho) for rho in (0.0, 0.3, 0.6) for k in (15, 24, 50)],
    }
    if given.pair:
        one, other = map(score_files.read, given.pair)
        correlations = {f"{images} per block": f"{neighbours(one, other, images):.2f}" for images in (1, 5, 10)}
        tables["Correlation of neighbours"] = [correlations]
        settings = ((images, number) for images in (10, 1) for number in (15 * images, 24 * images, 50 * images))
        tables["False promotions on real images in %"] = [on_counts(one, other, *setting) for setting in settings]
    for title, rows in tables.items():
        print(f"\n{title}")
        table(rows)
    atomic.write_json(given.result, {"machine": machine, "seed": SEED, **tables})


if __name__ == "__main__":
    main()
