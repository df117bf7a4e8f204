"""Constraints are read strictly and decided on the interval's bad end."""

from __future__ import annotations

import pytest

from raxe_core.constraints import Constraint, Figure, parse_constraints
from raxe_core.errors import UsageError


def test_reading() -> None:
    found = parse_constraints(["p95_latency_ms<10 and memory_mb <= 200MB", "recall>=90%"])
    assert found == (
        Constraint("p95_latency_ms", "<", 10.0),
        Constraint("memory_mb", "<=", 200.0),
        Constraint("recall", ">=", 0.9),
    )
    assert str(found[0]) == "p95_latency_ms<10"


@pytest.mark.parametrize("text", ["", "p95_latency_ms", "f1 = 3", "f1<x", "f1<1<2", "f1<1 or f1>0"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no constraint"):
        parse_constraints([text])


def test_an_unknown_metric_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean 'recall'"):
        parse_constraints(["recal>0.5"])


@pytest.mark.parametrize(
    ("text", "figure", "met", "certain"),
    [
        ("p95_latency_ms<10", Figure(9.0, 8.5, 9.9), True, True),
        ("p95_latency_ms<10", Figure(9.0, 8.5, 10.0), False, False),
        ("p95_latency_ms<=10", Figure(9.0, 8.5, 10.0), True, True),
        ("p95_latency_ms<10", Figure(12.0, 11.0, 13.0), False, True),
        ("recall>0.9", Figure(0.95, 0.91, 0.97), True, True),
        ("recall>0.9", Figure(0.95, 0.89, 0.97), False, False),
        ("memory_mb<100", Figure(99.0), True, True),
        ("memory_mb<100", Figure(None), False, True),
    ],
)
def test_the_bad_end_decides(text: str, figure: Figure, met: bool, certain: bool) -> None:
    (constraint,) = parse_constraints([text])
    verdict = constraint.judge({constraint.metric: figure})
    assert (verdict.met, verdict.certain) == (met, certain)
    assert constraint.metric in verdict.reason
    assert ("interval" in verdict.reason) == (figure.low is not None)
