"""The recommendation in words, which says so where the data do not decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raxe_core.evaluation.pairs import TESTED
from raxe_core.records import Criteria

__all__ = ["recommend"]

ALPHA = 0.05
_WORDS = {
    "accuracy": "accuracy",
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "recall": "recall",
    "false_positive_rate": "false positive rate",
}


def recommend(
    rows: Sequence[Mapping[str, Any]],
    pairs: Sequence[Mapping[str, Any]],
    order: Sequence[str],
    criteria: Criteria,
) -> dict[str, Any]:
    """Recommend the best model by the criteria among those that meet every constraint.

    ``order`` holds the ids from best to worst; models without a score are not in it.
    """
    fitting = {row["model_id"]: row for row in rows if all(c["met"] for c in row["constraints"])}
    fit = [name for name in order if name in fitting]
    if not fit:
        reason = _none(rows, bool(fitting))
        return {"model_id": None, "runner_up": None, "significant": None, "reason": reason}
    best = fitting[fit[0]]
    sentences = [_headline(best, criteria, among_all=len(fitting) == len(rows))]
    if best["f1"] is None:
        sentences.append("Without a threat there is no F1; accuracy stands for it.")
    significant = None
    if len(fit) > 1:
        second = fitting[fit[1]]
        significant, words = _against(pairs, best, second, criteria.name == "memory")
        sentences += words
    out = [row["model_id"] for row in rows if row["model_id"] not in fitting]
    if out:
        sentences.append(f"Not meeting the constraints: {', '.join(out)}.")
    return {
        "model_id": fit[0],
        "runner_up": fit[1] if len(fit) > 1 else None,
        "significant": significant,
        "reason": " ".join(sentences),
    }


def _headline(row: Mapping[str, Any], criteria: Criteria, among_all: bool) -> str:
    accuracy, latency = f"{row['accuracy']:.1%}", f"{row['latency_ms']['p95']:.1f}ms"
    quality = f"accuracy ({accuracy})" if row["f1"] is None else f"binary F1 ({row['f1']:.1%})"
    known = {
        "balanced": f"Best balance of accuracy ({accuracy}) and latency ({latency})",
        "latency": f"Lowest P95 latency ({latency})",
        "accuracy": f"Highest {quality}",
        "memory": f"Lowest memory ({row['memory_mb'] or 0:.0f} MB)",
    }
    words = known.get(criteria.name, f"Best by {criteria.name} ({criteria.description})")
    return f"{words}{'' if among_all else ' of the models that meet the constraints'}."


def _against(
    pairs: Sequence[Mapping[str, Any]],
    best: Mapping[str, Any],
    second: Mapping[str, Any],
    by_memory: bool,
) -> tuple[bool, list[str]]:
    """Say how the best differs from the runner-up in quality, in speed and, if asked, in memory."""
    name, other = best["model_id"], second["model_id"]
    pair = _pair(pairs, name, other)
    sign = -1 if pair["first"] == name else 1
    accuracy, verdict = pair["accuracy"], pair["latency"]["verdict"]
    differing = [
        (metric, found)
        for metric in TESTED
        if (found := pair[metric]) is not None and found["p_holm"] < ALPHA
    ]
    words = [_differs(metric, found, sign, other) for metric, found in differing]
    if not differing or differing[0][0] != "accuracy":
        words.insert(0, _undecided(accuracy, other))
    # The ratio is second's time over first's.
    quicker, slower = ("slower", "faster") if sign < 0 else ("faster", "slower")
    speeds = {quicker: "It is faster.", slower: "It is slower.", "equivalent": "It is as fast."}
    words.append(speeds.get(verdict, "These prompts do not tell which is faster."))
    memory = _memory(best["memory_mb"], second["memory_mb"], other) if by_memory else None
    if memory:
        words.append(memory)
    if differing or verdict in ("faster", "slower"):
        return True, words
    if not (accuracy["equivalence"]["equivalent"] and verdict == "equivalent" and _same_f1(pair)):
        advice = "nor do these prompts show that they are equal"
    else:
        advice = "they differ in memory" if memory else "either will do"
    return False, [f"No significant difference between {name} and {other}: {advice}.", *words]


def _differs(metric: str, found: Mapping[str, Any], sign: int, other: str) -> str:
    gain = sign * found["difference"]
    much = f"{abs(gain):.3f}" if metric == "roc_auc" else f"{abs(gain):.1%}"
    more = "higher" if gain > 0 else "lower"
    return (
        f"Its {_WORDS[metric]} is {much} {more} than that of {other} (p = {found['p_holm']:.2g})."
    )


def _undecided(accuracy: Mapping[str, Any], other: str) -> str:
    margin = accuracy["equivalence"]["margin"]
    if accuracy["equivalence"]["equivalent"]:
        return f"In accuracy it is equivalent to {other}, to within {margin:.0%}."
    return (
        f"No significant difference in accuracy from {other} (p = {accuracy['p_holm']:.2g}; these "
        f"prompts would show one of {accuracy['detectable_difference']:.1%})."
    )


def _same_f1(pair: Mapping[str, Any]) -> bool:
    """Tell whether the interval of the difference of F1 lies within the margin of accuracy."""
    if pair["f1"] is None:
        return True
    margin = pair["accuracy"]["equivalence"]["margin"]
    low, high = pair["f1"]["interval"]
    return bool(-margin < low and high < margin)


def _memory(of_best: float | None, of_second: float | None, other: str) -> str | None:
    """Say how the memory differs, in whole MB; None where it does not."""
    if of_best is None or of_second is None:
        return None
    less = round(of_second) - round(of_best)
    if not less:
        return None
    return (
        f"It takes {abs(less)} MB {'less' if less > 0 else 'more'} than {other} (measured once, so "
        "without an interval)."
    )


def _pair(pairs: Sequence[Mapping[str, Any]], a: str, b: str) -> Mapping[str, Any]:
    return next(pair for pair in pairs if {pair["first"], pair["second"]} == {a, b})


def _none(rows: Sequence[Mapping[str, Any]], some_fit: bool) -> str:
    broken = [
        f"{row['model_id']} ({verdict['reason']})"
        for row in rows
        for verdict in row["constraints"]
        if not verdict["met"]
    ]
    if not broken:
        return "No model has the figures that the criteria need."
    if some_fit:
        return "No model that meets the constraints has the figures that the criteria need."
    return f"No model meets the constraints: {'; '.join(broken)}."
