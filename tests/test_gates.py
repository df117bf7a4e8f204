"""Gates: what one run cannot tell of another, and limits that could never be broken."""

from __future__ import annotations

import random
from typing import Any

import click
import pytest
from click.testing import CliRunner

from raxe_core.builtin.criteria import score_criteria
from raxe_core.cli.gated import GatedCommand
from raxe_core.detector import DetectionResult
from raxe_core.errors import UsageError
from raxe_core.evaluation.comparison import Contender, compare
from raxe_core.evaluation.gates import Check, check_regressions, parse_floors, parse_limits
from raxe_core.evaluation.judgements import Judgements
from raxe_core.evaluation.prompts import Prompt
from raxe_core.metadata import ModelMetadata
from raxe_core.model import Model

BALANCED = next(criteria for criteria in score_criteria() if criteria.name == "balanced")


def measured(times: list[float], memory: float = 100.0) -> tuple[dict[str, Any], Judgements]:
    judgements = Judgements("m")
    for number, ms in enumerate(times):
        result = DetectionResult("m", False, (), {"threat": 0.1}, 0.5, ms)
        judgements.add(Prompt("x", number % 2 == 0), result)
    model = Model(ModelMetadata("m", "m", "1.0", "x"), "test")
    dataset = {"name": "d", "prompts": len(times)}
    report = compare([Contender(model, judgements, memory, 10.0)], dataset, BALANCED).report
    return report["models"][0], judgements


def checked(limits: str, before: list[float], now: list[float], memory: float = 100.0) -> Check:
    base, (row, judgements) = measured(before)[0], measured(now, memory)
    (check,) = check_regressions(row, judgements, base, parse_limits(limits), True)
    return check


@pytest.mark.parametrize("metric", ["p50_latency_ms", "p95_latency_ms"])
@pytest.mark.parametrize(
    ("slower", "verdict"), [(1.0, "passed"), (1.25, "inconclusive"), (2.0, "failed")]
)
def test_the_load_of_another_time_fails_no_model(metric: str, slower: float, verdict: str) -> None:
    """The interval is narrow and excludes zero, because all prompts met the same load."""
    generator = random.Random(3)
    before = [generator.uniform(0.99, 1.01) for _ in range(400)]
    check = checked(f"{metric}=5%", before, [slower * ms for ms in before])
    assert check.verdict == verdict, check.reason
    assert ("Two runs of one model may differ" in check.reason) is (verdict == "inconclusive")


@pytest.mark.parametrize("busy_run", ["baseline", "now"])
def test_latencies_under_the_load_of_others_decide_nothing(busy_run: str) -> None:
    runs = {"baseline": measured([1.0] * 400), "now": measured([9.0] * 400)}
    for name, (row, _) in runs.items():
        row["latency_ms"]["contention"] = 0.97 if name == busy_run else 0.2
    limits = parse_limits("p95_latency_ms=5%,recall=0.5")
    checks = check_regressions(*runs["now"], runs["baseline"][0], limits, True)
    assert [check.verdict for check in checks] == ["inconclusive", "passed"]
    assert "measured while other processes used 97% of the cores" in checks[0].reason
    for row, _ in runs.values():
        row["latency_ms"]["contention"] = None  # the system does not tell
    checks = check_regressions(*runs["now"], runs["baseline"][0], limits, True)
    assert checks[0].verdict == "failed"


@pytest.mark.parametrize("metric", ["memory_mb", "size_mb"])
def test_what_is_measured_once_has_no_interval(metric: str) -> None:
    check = checked(f"{metric}=10%", [1.0] * 16, [1.0] * 16)
    assert "worse by 0 (measured once), allowed 1" in check.reason
    assert "interval" not in check.reason
    assert checked("memory_mb=10%", [1.0] * 16, [1.0] * 16, 120).verdict == "failed"


@pytest.mark.parametrize("text", ["recall=200", "f1=1.5", "roc_auc=101%", "false_positive_rate=2"])
def test_a_limit_that_no_share_can_break_is_refused(text: str) -> None:
    for parse in (parse_limits, parse_floors):
        with pytest.raises(UsageError, match="is a share"):
            parse(text)


def test_a_small_rate_may_more_than_double() -> None:
    assert parse_limits("false_positive_rate=150%")[0].percent
    with pytest.raises(UsageError, match="is a share"):
        parse_floors("false_positive_rate=150%")


def test_a_bug_does_not_end_as_a_broken_gate() -> None:
    @click.command(cls=GatedCommand)
    def buggy() -> None:
        raise ZeroDivisionError("a bug")

    result = CliRunner().invoke(buggy)
    assert result.exit_code == 2
    assert "Traceback" in result.stderr
    assert "ZeroDivisionError: a bug" in result.stderr


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_a_verdict_stays_what_it_is(code: int) -> None:
    @click.command(cls=GatedCommand)
    @click.pass_context
    def decided(ctx: click.Context) -> None:
        if code == 2:
            raise click.UsageError("wrong")
        ctx.exit(code)

    assert CliRunner().invoke(decided).exit_code == code
