"""Simulate how often intervals of a gain mislead the gate: false promotions, coverage and gains found, by method.

    python benchmarks/coverage.py [--pair REPORTS REPORTS] [RESULT.json]

A model that is no better than the champion is promoted if the lower bound of its gain's 95% interval lies above 0: in
2.5% of cases at most, if the interval is what it says. Simulated are gains of images with mean 0, normal with an
autoregressive correlation of neighbours, or skewed, in blocks of ten images or of one; and 50 challengers of one
champion on the same test images.

`--pair` names the reports of two models evaluated on the same test images, such as two seeds of
presets/camvid_cpu.yaml. Simulated are, first, each image's effect on the gain in mIoU, minus the mean, in runs of
60 images; second, their counts in runs of 5 to 60, where the models exchange roles at random in each block: both equal.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.fft import dct
from scipy.special import ndtr, ndtri, stdtrit

from pipeline.artifacts import scores as score_files
from pipeline.artifacts.scores import Scores
from pipeline.core import bootstrap, jackknife, tallies
from pipeline.core.arrays import Floats
from pipeline.core.bootstrap import Resampling
from pipeline.files import atomic
from pipeline.registry.comparison import Jackknife

SEED = 1
LEVEL = 0.95
SIMULATIONS, ON_COUNTS, RESAMPLES = 20_000, 4_000, 1_000
BLOCKS = (2, 5, 10, 15, 16, 24, 50)
CHALLENGERS = 50
GAIN = 4  # of a better model, in standard errors
RUN = 60  # consecutive images of a real sequence

Method = Callable[[Floats, float], tuple[Floats, Floats]]
"""Lower and upper bounds (S,) of the mean of (S, K) values at a level; S simulations, K blocks, R resamples."""


def percentile(values_SK: Floats, level: float) -> tuple[Floats, Floats]:
    """Return the percentile bootstrap's bounds: the rule up to 2026-11-26."""
    low_S, high_S = np.quantile(values_SK @ drawn(values_SK.shape[1]).T, [(1 - level) / 2, (1 + level) / 2], axis=1)
    return low_S, high_S


def bca(values_SK: Floats, level: float) -> tuple[Floats, Floats]:
    """Return the bias-corrected and accelerated bounds (Efron, J. Am. Stat. Assoc. 82, 1987)."""
    means_SR = np.sort(values_SK @ drawn(values_SK.shape[1]).T, axis=1)
    centred_SK = values_SK - values_SK.mean(axis=1, keepdims=True)
    below_S = (means_SR < values_SK.mean(axis=1, keepdims=True)).mean(axis=1)
    bias_S = ndtri(np.clip(below_S, 1 / RESAMPLES, 1 - 1 / RESAMPLES))
    acceleration_S = (centred_SK**3).sum(axis=1) / (6 * (centred_SK**2).sum(axis=1) ** 1.5)
    bounds = list[Floats]()
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
    t = stdtrit(freedom, (1 + level) / 2)  # of infinite freedom: normal
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


CASES: list[dict[str, Any]] = [
    *({"gains": "normal", "images_per_block": 10, "correlation": rho} for rho in (0.0, 0.3, 0.6)),
    *({"gains": "normal", "images_per_block": 1, "correlation": rho} for rho in (0.3, 0.6)),
    *({"gains": "skewed", "images_per_block": images, "correlation": rho} for images in (10, 1) for rho in (0.0, 0.3)),
    *({"gains": "real", "images_per_block": images, "correlation": "real"} for images in (10, 5, 1)),
]


def simulated(case: dict[str, Any], real_N: Floats) -> Iterator[dict[str, Any]]:
    """Yield each method's false promotions, coverage and share of true gains found, by blocks; HOLD: no interval."""
    for num_blocks in BLOCKS:
        generator, images = np.random.default_rng(SEED), case["images_per_block"]
        shape = (SIMULATIONS, num_blocks * images)
        if case["gains"] == "real":
            starts = generator.integers(len(real_N), size=(SIMULATIONS, -(-shape[1] // RUN), 1))
            series = real_N[((starts + np.arange(RUN)) % len(real_N)).reshape(SIMULATIONS, -1)[:, : shape[1]]]
        else:
            normal = case["gains"] == "normal"
            shocks = generator.normal(size=shape) if normal else 1 - generator.exponential(size=shape)
            series = autoregressive(shocks, case["correlation"])
        values_SK, found = np.asarray(series.reshape(SIMULATIONS, num_blocks, images).sum(axis=2)), {}
        for method in METHODS:
            low_S, high_S = method(values_SK, LEVEL)
            found_S = low_S > -GAIN * values_SK.mean(axis=1).std()  # as the bounds would move with the gain
            rates = (low_S > 0).mean(), ((low_S <= 0) & (high_S >= 0)).mean(), found_S.mean()
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
    return {"correlation": correlation, "blocks": num_blocks, **{k: [float(v.mean())] for k, v in promoted.items()}}


def on_counts(pair: list[Scores], images_per_block: int, images: int) -> dict[str, Any]:
    """Return the false promotions on test sets of real images between models that are equal by construction."""
    generator, promoted, num_blocks = np.random.default_rng(SEED), np.zeros(2), []
    for seed in range(ON_COUNTS):
        lengths = list[int]()
        while sum(lengths) < images:
            lengths.append(min(int(generator.integers(5, RUN + 1)), images - sum(lengths)))
        numbers = np.concatenate([generator.integers(len(pair[0].ids) - n + 1) + np.arange(n) for n in lengths])
        sequences = np.repeat([f"{i:04}" for i in range(len(lengths))], lengths).tolist()
        blocks_N = bootstrap.blocks(sequences, [f"{i:04}" for i in range(len(sequences))], images_per_block)
        num_blocks.append(blocks_N.max() + 1)
        swapped = (generator.random(num_blocks[-1]) < 0.5)[blocks_N, None, None]
        ours_NCC, theirs_NCC = (scores.counts[numbers] for scores in pair)
        exchanged = np.where(swapped, theirs_NCC, ours_NCC), np.where(swapped, ours_NCC, theirs_NCC)
        resampling = Resampling(blocks_N, RESAMPLES, LEVEL, seed)
        promoted[0] += bootstrap.paired_difference(*exchanged, resampling).miou.low > 0
        promoted[1] += jackknife.paired_gains(*exchanged, blocks_N).miou.interval(LEVEL).low > 0
    blocks, (before, now) = f"{min(num_blocks)} to {max(num_blocks)}", (promoted / ON_COUNTS).tolist()
    said = {"images_per_block": images_per_block, "images": images, "blocks": blocks}
    return {**said, "percentile": [before], "ours": [now]}


def effects(pair: list[Scores], images_per_block: int) -> Floats:
    """Return how much each block adds to the gain in mIoU, minus the mean."""
    blocks_N = bootstrap.blocks(pair[0].sequences, pair[0].ids, images_per_block)
    ours_KX, theirs_KX = (tallies.block_sums(tallies.tally(scores.counts), blocks_N) for scores in pair)
    without_K = (tallies.scores(ours_KX.sum(axis=0) - ours_KX) - tallies.scores(theirs_KX.sum(axis=0) - theirs_KX))[
        :, 2
    ]
    return np.asarray(without_K.mean() - without_K)


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
    pair = [score_files.read(reports) for reports in given.pair or ()]
    real_N, cases = effects(pair, 1) if pair else np.zeros(0), CASES if pair else CASES[:-3]
    tables = {
        "False promotions / coverage / gains found in %": [row for case in cases for row in simulated(case, real_N)],
        f"Any of {CHALLENGERS} promoted in %": [challenged(k, rho) for rho in (0.0, 0.3, 0.6) for k in (15, 24, 50)],
    }
    if pair:
        found = {images: effects(pair, images) for images in (1, 5, 10)}
        correlations = {f"{n} per block": f"{np.corrcoef(x[:-1], x[1:])[0, 1]:.2f}" for n, x in found.items()}
        settings = ((images, number) for images in (10, 1) for number in (15 * images, 24 * images, 50 * images))
        tables["Correlation of neighbours"] = [correlations]
        tables["False promotions on real images in %"] = [on_counts(pair, *setting) for setting in settings]
    for title, rows in tables.items():
        print(f"\n{title}")
        table(rows)
    atomic.write_json(given.result, {"numpy": np.__version__, "seed": SEED, **tables})


if __name__ == "__main__":
    main()
