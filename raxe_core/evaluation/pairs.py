"""Two models on the same prompts: paired differences, tests and intervals."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from raxe_core.evaluation.auc import Ranks, auc_differences
from raxe_core.evaluation.bootstrap import (
    bca,
    block_quantiles,
    count_acceleration,
    count_distribution,
    is_degenerate,
    two_sided_p,
)
from raxe_core.evaluation.judgements import Judgements, f1_of, precision_of
from raxe_core.evaluation.metrics import percentile
from raxe_core.evaluation.sharded import BLOCK
from raxe_core.evaluation.sorting import sorted_floats
from raxe_core.evaluation.statistics import (
    FEW,
    LEVEL,
    Interval,
    difference_of_independent,
    few_interval,
    holm,
    hull,
    mcnemar_exact,
    normal_quantile,
    paired_difference,
    paired_equivalence,
    quantile_interval,
)

__all__ = [
    "TESTED",
    "Cells",
    "auc_difference",
    "decision_cells",
    "f1_difference",
    "pair_reports",
    "precision_difference",
    "ratio_report",
    "share_difference",
    "time_difference",
]

TESTED = ("accuracy", "f1", "roc_auc", "recall", "false_positive_rate")
MARGIN = 0.03
MIN_BLOCKS = 20
Cells = Counter[tuple[int, int, int]]
POWER_Z = 0.8416212335729143  # the normal quantile of 80 % power


def pair_reports(models: Sequence[Judgements]) -> list[dict[str, Any]]:
    """Compare every two models; p-values are adjusted for the number of pairs, per metric."""
    pairs = list(itertools.combinations(models, 2))
    aucs = _auc_differences(models) if pairs else iter(())
    reports = []
    for first, second in pairs:
        report = pair_report(first, second)
        report["roc_auc"] = next(aucs, None)
        reports.append(report)
    for metric in TESTED:
        tested = [report[metric] for report in reports if report.get(metric) is not None]
        for found, adjusted in zip(tested, holm([t["p"] for t in tested]), strict=True):
            found["p_holm"] = adjusted
    return reports


def pair_report(first: Judgements, second: Judgements) -> dict[str, Any]:
    """Return ``second - first``: decisions and latency."""
    cells = decision_cells(first, second)
    return {
        "first": first.model_id,
        "second": second.model_id,
        "accuracy": _accuracy(cells),
        "recall": share_difference(cells, labels=(1,)),
        "false_positive_rate": share_difference(cells, labels=(0,), of_alarms=True),
        "f1": f1_difference(cells),
        "roc_auc": None,
        "latency": _latency_ratio(first.latencies, second.latencies),
    }


def decision_cells(first: Judgements, second: Judgements) -> Cells:
    """Count the prompts by label, first decision and second decision."""
    return Counter(zip(first.labels, first.decisions, second.decisions, strict=True))


def share_difference(
    cells: Cells, labels: tuple[int, ...], of_alarms: bool = False
) -> dict[str, Any] | None:
    """Return the paired difference of the share of right decisions, or of alarms.

    Over the prompts of these labels: (1,) is recall, (0,) with ``of_alarms`` the false positive
    rate, (0, 1) accuracy. None without such a prompt.
    """
    n = sum(number for (truth, _, _), number in cells.items() if truth in labels)
    if not n:
        return None
    counted = {truth: 1 if of_alarms else truth for truth in labels}
    gained, lost = _changes(cells, counted)
    found = _difference((gained - lost) / n, paired_difference(gained, lost, n))
    return {**found, "p": mcnemar_exact(gained, lost), "gained": gained, "lost": lost}


def _changes(cells: Cells, counted: Mapping[int, int]) -> tuple[int, int]:
    """Count the prompts that the second model alone, and the first alone, decided as counted."""
    gained = sum(cells[truth, 1 - said, said] for truth, said in counted.items())
    lost = sum(cells[truth, said, 1 - said] for truth, said in counted.items())
    return gained, lost


def _accuracy(cells: Cells) -> dict[str, Any]:
    n = sum(cells.values())
    found = share_difference(cells, labels=(0, 1))
    assert found is not None
    gained, lost = found["gained"], found["lost"]
    p_equivalent = paired_equivalence(gained, lost, n, MARGIN)
    # The difference that a test at 5 % finds with 80 % power, from as many discordant pairs.
    smallest = (normal_quantile(0.95) + POWER_Z) * math.sqrt(max(gained + lost, 1)) / n
    return {
        **found,
        "equivalence": {
            "margin": MARGIN,
            "p": p_equivalent,
            "equivalent": p_equivalent is not None and p_equivalent < 0.05,
        },
        "detectable_difference": smallest,
    }


def f1_difference(cells: Cells) -> dict[str, Any] | None:
    """Return the difference of F1 by a paired bootstrap; None without a threat."""
    if not any(truth and number for (truth, _, _), number in cells.items()):
        return None
    return _table_difference(cells, f1_of, idle=((0, 0, 0),))


def precision_difference(cells: Cells) -> dict[str, Any] | None:
    """Return the difference of precision by a paired bootstrap; None where one never alarms."""
    alarms = [sum(n for key, n in cells.items() if key[which]) for which in (1, 2)]
    if not all(alarms):
        return None
    return _table_difference(cells, precision_of, idle=((0, 0, 0), (1, 0, 0)))


def _table_difference(
    cells: Cells, statistic: Callable[[Sequence[int]], float], idle: Sequence[tuple[int, int, int]]
) -> dict[str, Any]:
    """Resample the table of labels and both decisions; prompts in ``idle`` cells decide nothing."""
    keys = [(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    counts = [cells[key] for key in keys]

    def difference(table: Sequence[int]) -> float:
        found = dict(zip(keys, table, strict=True))
        return statistic(_confusion(found, 2)) - statistic(_confusion(found, 1))

    estimate = difference(counts)
    resampled = count_distribution(counts, difference)
    ends = bca(estimate, resampled, count_acceleration(counts, difference))
    gained, lost = _changes(cells, {0: 0, 1: 1})
    # Nothing varies but, where there are few threats, the resamples that happen to be undefined.
    if ends.low == ends.high:
        deciding = sum(n for key, n in cells.items() if key not in idle)
        ends = hull(ends, paired_difference(gained, lost, deciding))
    # No surer than if all discordant prompts spoke for the same model.
    p = max(two_sided_p(resampled), mcnemar_exact(gained + lost, 0))
    return {**_difference(estimate, ends), "p": p}


def _around(estimate: float, prompts: int) -> Interval:
    """Return the interval of a difference of AUC on which all resamples agree.

    Its width is that of a share over so many prompts without a discordant one.
    """
    half = paired_difference(0, 0, prompts).high
    return Interval(max(-1.0, estimate - half), min(1.0, estimate + half))


def _confusion(cells: Mapping[tuple[int, int, int], int], which: int) -> list[int]:
    """Return TP, FP, FN, TN of the first or second model."""
    wanted = ((1, 1), (0, 1), (1, 0), (0, 0))
    return [
        sum(number for key, number in cells.items() if (key[0], key[which]) == cell)
        for cell in wanted
    ]


def auc_difference(first: Judgements, second: Judgements) -> dict[str, Any] | None:
    """Return the difference of ROC AUC by a paired bootstrap; None without both classes."""
    return next(_auc_differences([first, second]), None)


def _auc_differences(models: Sequence[Judgements]) -> Iterator[dict[str, Any]]:
    """Yield the difference of every two; none without both classes."""
    threats, prompts = sum(models[0].labels), len(models[0])
    if not 0 < threats < prompts:
        return
    ranks = [Ranks.of(model.labels, model.scores) for model in models]
    few = min(threats, prompts - threats)
    pairs = itertools.combinations(ranks, 2)
    for (first, second), found in zip(pairs, auc_differences(ranks), strict=True):
        # No surer than if all of the smaller class spoke for the same model.
        p = max(two_sided_p(found.resampled), mcnemar_exact(few, 0))
        if is_degenerate(found.resampled):
            ends = _around(found.estimate, few)
        else:
            ends = bca(found.estimate, found.resampled, found.acceleration)
        if few < FEW:
            each = (few_interval(model.auc, few) for model in (first, second))
            apart = difference_of_independent(first.auc, next(each), second.auc, next(each))
            ends = hull(ends, apart)
        yield {**_difference(found.estimate, ends), "p": p}


def time_difference(
    first: Sequence[float], second: Sequence[float], share: float
) -> dict[str, Any] | None:
    """Return the difference of a quantile of the times of the same prompts.

    Blocks of prompts are resampled and not prompts: those judged together met the same load. None
    with fewer than ``MIN_BLOCKS`` blocks.
    """
    if len(first) < MIN_BLOCKS * BLOCK:
        return None
    of_first, of_second = (block_quantiles(times, BLOCK, share) for times in (first, second))
    estimate = _quantile(second, share) - _quantile(first, share)
    resampled = [b - a for a, b in zip(of_first, of_second, strict=True)]
    # A quantile is not smooth, so leaving one out tells nothing of the acceleration.
    return _difference(estimate, bca(estimate, resampled, acceleration=0.0))


def _quantile(times: Sequence[float], share: float) -> float:
    return percentile(sorted_floats(times), 100 * share)


def _latency_ratio(first: Sequence[float], second: Sequence[float]) -> dict[str, Any]:
    """The median ratio of the times of the same block of prompts.

    Blocks and not prompts, because prompts that were judged together met the same load.
    """
    starts = range(0, len(first) - BLOCK + 1, BLOCK)
    sums = ((sum(first[i : i + BLOCK]), sum(second[i : i + BLOCK])) for i in starts)
    return ratio_report(b / a for a, b in sums if a > 0)


def ratio_report(ratios: Iterable[float], level: float = LEVEL) -> dict[str, Any]:
    """Return the median of paired ratios, its interval and what that says of the speed."""
    ordered = sorted_floats(ratios)
    ends = quantile_interval(ordered, 0.5, level) if ordered else None
    return {
        "ratio": ordered[(len(ordered) - 1) // 2] if ordered else None,
        "interval": None if ends is None else list(ends),
        "verdict": _speed(ends),
    }


def _speed(ends: Interval | None) -> str:
    """Call only what is beyond MARGIN a difference, and within it equivalent.

    Two processes of one model can differ by a percent or two for as long as they live, and no
    number of rounds averages that out.
    """
    if ends is None:
        return "inconclusive"
    if ends.low > 1 / (1 + MARGIN) and ends.high < 1 + MARGIN:
        return "equivalent"
    if ends.low > 1 + MARGIN:
        return "slower"
    return "faster" if ends.high < 1 / (1 + MARGIN) else "inconclusive"


def _difference(estimate: float, ends: Interval) -> dict[str, Any]:
    return {"difference": estimate, "interval": list(ends)}
