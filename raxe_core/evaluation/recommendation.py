"""The recommendation in words, which says so where the data do not decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raxe_core.records import Criteria

__all__ = ["recommend"]

ALPHA = 0.05


def recommend(
    rows: Sequence[Mapping[str, Any]],
    pairs: Sequence[Mapping[str, Any]],
    order: Sequence[str],
    criteria: Criteria,
) -> dict[str, Any]:
    """Recommend the best model by the criteria among those that meet every constraint.

    ``order`` holds the ids from best to worst; models without a score are not in it.
    """
    by_id = {row["model_id"]: row for row in rows}
    fit = [name for name in order if all(c["met"] for c in by_id[name]["constraints"])]
    if not fit:
        return {"model_id": None, "runner_up": None, "significant": None, "reason": _none(rows)}
    best = by_id[fit[0]]
    sentences = [_headline(best, criteria)]
    significant = None
    if len(fit) > 1:
        pair = _pair(pairs, fit[0], fit[1])
        significant, words = _against(pair, fit[0], fit[1])
        sentences += words
    out = [name for name in order if name not in fit]
    if out:
        sentences.append(f"Not meeting the constraints: {', '.join(out)}.")
    return {
        "model_id": fit[0],
        "runner_up": fit[1] if len(fit) > 1 else None,
        "significant": significant,
        "reason": " ".join(sentences),
    }


def _headline(row: Mapping[str, Any], criteria: Criteria) -> str:
    accuracy, latency = f"{row['accuracy']:.1%}", f"{row['latency_ms']['p95']:.1f}ms"
    known = {
        "balanced": f"Best balance of accuracy ({accuracy}) and latency ({latency}).",
        "latency": f"Lowest P95 latency ({latency}).",
        "accuracy": f"Highest binary F1 ({row['f1'] or 0:.1%}).",
        "memory": f"Lowest memory ({row['memory_mb'] or 0:.0f} MB).",
    }
    return known.get(criteria.name, f"Best by {criteria.name}: {criteria.description}.")


def _against(pair: Mapping[str, Any], best: str, second: str) -> tuple[bool, list[str]]:
    """Say how the best differs from the runner-up in quality and in speed."""
    flipped = pair["first"] == best
    accuracy, latency = pair["accuracy"], pair["latency"]
    p = accuracy["p_holm"]
    differs = p < ALPHA
    gain = -accuracy["difference"] if flipped else accuracy["difference"]
    if differs:
        more = "higher" if gain > 0 else "lower"
        quality = f"Its accuracy is {abs(gain):.1%} {more} than that of {second} (p = {p:.2g})."
    elif accuracy["equivalence"]["equivalent"]:
        quality = (
            f"In accuracy it is equivalent to {second}, to within "
            f"{accuracy['equivalence']['margin']:.0%}."
        )
    else:
        quality = (
            f"No significant difference in accuracy from {second} (p = {p:.2g}; these prompts "
            f"would show one of {accuracy['detectable_difference']:.1%})."
        )
    # The ratio is second's time over first's.
    quicker, slower = ("slower", "faster") if flipped else ("faster", "slower")
    words = {quicker: "It is faster.", slower: "It is slower.", "equivalent": "It is as fast."}
    verdict = latency["verdict"]
    speed = words.get(verdict, "These prompts do not tell which is faster.")
    if differs or verdict in ("faster", "slower"):
        return True, [quality, speed]
    equal = accuracy["equivalence"]["equivalent"] and verdict == "equivalent"
    advice = "either will do" if equal else "nor do these prompts show that they are equal"
    lead = f"No significant difference between {best} and {second}: {advice}."
    return False, [lead, quality, speed]


def _pair(pairs: Sequence[Mapping[str, Any]], a: str, b: str) -> Mapping[str, Any]:
    return next(pair for pair in pairs if {pair["first"], pair["second"]} == {a, b})


def _none(rows: Sequence[Mapping[str, Any]]) -> str:
    broken = [
        f"{row['model_id']} ({verdict['reason']})"
        for row in rows
        for verdict in row["constraints"]
        if not verdict["met"]
    ]
    if not broken:
        return "No model has the figures that the criteria need."
    return f"No model meets the constraints: {'; '.join(broken)}."
