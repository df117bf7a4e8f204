"""Comparisons, gates and reporters, on judgements that are made up."""

from __future__ import annotations

import csv
import functools
import io
import json
import random
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from raxe_core.builtin.criteria import score_criteria
from raxe_core.builtin.reporters import (
    render_csv,
    render_json,
    render_junit,
    render_markdown,
    render_table,
)
from raxe_core.constraints import parse_constraints
from raxe_core.detector import DetectionResult, Prediction
from raxe_core.errors import UsageError
from raxe_core.evaluation import bootstrap
from raxe_core.evaluation.comparison import Comparison, Contender, compare, figures_of
from raxe_core.evaluation.details import details
from raxe_core.evaluation.gates import (
    Limit,
    check_floors,
    check_regressions,
    exit_code,
    parse_limits,
    restored,
)
from raxe_core.evaluation.judgements import Judgements, f1_interval
from raxe_core.evaluation.metrics import percentile
from raxe_core.evaluation.packed import pack_bits, pack_scores, unpack_bits, unpack_scores
from raxe_core.evaluation.pairs import (
    auc_difference,
    decision_cells,
    f1_difference,
    precision_difference,
    ratio_report,
    time_difference,
)
from raxe_core.evaluation.prompts import Prompt
from raxe_core.evaluation.statistics import mcnemar_exact
from raxe_core.metadata import ModelMetadata
from raxe_core.model import Model

CRITERIA = {criteria.name: criteria for criteria in score_criteria()}


@pytest.fixture(autouse=True, scope="module")
def _fewer_resamples() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "RESAMPLES", 300)
        yield


def judged(model_id: str, errors: float, ms: float, n: int = 400, seed: int = 1) -> Judgements:
    """Judgements that are wrong in a share of the prompts, the same ones for every model."""
    difficulty, noise = random.Random(7), random.Random(seed)
    judgements = Judgements(model_id)
    for number in range(n):
        is_threat = number % 2 == 0
        wrong = difficulty.random() < errors
        score = 0.2 + 0.1 * difficulty.random() + 0.5 * (is_threat != wrong)
        found = (Prediction("PI", "x", score),) if score >= 0.5 else ()
        result = DetectionResult(
            model_id, score >= 0.5, found, {"threat": score}, 0.5, ms * noise.uniform(0.95, 1.05)
        )
        judgements.add(Prompt(f"<b>{number}</b>", is_threat, "PI" if is_threat else None), result)
    return judgements


def contender(model_id: str, errors: float, ms: float, memory: float = 100.0) -> Contender:
    model = Model(ModelMetadata(model_id, model_id, "1.0", "x"), "test")
    return Contender(model, judged(model_id, errors, ms), memory, 10.0)


def compared(*contenders: Contender, criteria: str = "balanced", limit: str = "") -> Comparison:
    dataset = {"name": "d", "prompts": 400, "threats": 200, "benign": 200, "sha256": {"d": "0"}}
    limits = parse_constraints([limit]) if limit else ()
    return compare(contenders, dataset, CRITERIA[criteria], limits)


def test_a_better_model_is_recommended_and_the_difference_is_significant() -> None:
    report = compared(contender("good", 0.05, 10), contender("bad", 0.3, 10)).report
    (pair,) = report["pairs"]
    assert report["recommendation"]["model_id"] == "good"
    assert report["recommendation"]["significant"] is True
    assert pair["accuracy"]["p_holm"] < 0.001
    assert pair["accuracy"]["interval"][1] < 0
    assert re.search(r"Its accuracy is \d+\.\d% higher", report["recommendation"]["reason"])


def test_twins_are_not_told_apart() -> None:
    first = contender("a", 0.1, 10)
    twin = Contender(Model(ModelMetadata("b", "b", "1.0", "x"), "test"), judged("b", 0.1, 10))
    report = compared(first, twin).report
    reason = report["recommendation"]["reason"]
    assert report["recommendation"]["significant"] is False
    assert "No significant difference between" in reason
    assert "no significant difference" in render_table(report)
    assert report["pairs"][0]["latency"]["verdict"] == "equivalent"
    assert report["pairs"][0]["accuracy"]["equivalence"]["equivalent"] is True


def test_a_few_prompts_do_not_show_that_models_are_equal() -> None:
    few = [
        Contender(Model(ModelMetadata(name, name, "1.0", "x"), "test"), judged(name, 0.1, 10, 40))
        for name in ("a", "b")
    ]
    report = compared(*few).report
    assert report["pairs"][0]["accuracy"]["equivalence"]["equivalent"] is False
    assert "nor do these prompts show that they are equal." in report["recommendation"]["reason"]
    assert "do not tell which is faster" in report["recommendation"]["reason"]


def test_the_faster_of_equals_is_named_and_marked() -> None:
    report = compared(contender("slow", 0.1, 20), contender("fast", 0.1, 10, 50)).report
    slow, fast = report["models"]
    assert report["recommendation"]["model_id"] == "fast"
    assert "It is faster." in report["recommendation"]["reason"]
    assert (fast["marks"]["latency"], fast["marks"]["memory"]) == ("⚡⚡", "💾")
    assert fast["marks"]["winner"] == "⭐ Best"
    assert slow["pareto"]["dominated_by"] == "fast"
    assert fast["pareto"]["on_front"] is True
    assert re.search(r"slow is dominated by fast with \d+% confidence", render_table(report))


def decided(
    model_id: str, caught: int, alarms: int, threats: int = 10, memory: float = 100.0
) -> Contender:
    """Return a model that judged 1,000 prompts in the same times, and caught the first threats."""
    noise, judgements = random.Random(3), Judgements(model_id)
    for number in range(1_000):
        found = number < caught or threats <= number < threats + alarms
        score, ms = (0.9 if found else 0.1), noise.uniform(9.9, 10.1)
        result = DetectionResult(model_id, found, (), {"threat": score}, 0.5, ms)
        judgements.add(Prompt("x", number < threats), result)
    model = Model(ModelMetadata(model_id, model_id, "1.0", "x"), "test")
    return Contender(model, judgements, memory, 10.0)


@pytest.mark.parametrize("criteria", ["balanced", "latency", "memory"])
def test_models_of_one_accuracy_are_told_apart_by_recall(criteria: str) -> None:
    """As accurate and as fast, but one catches no threat."""
    models = decided("all", 10, 10), decided("none", 0, 0)
    found = compared(*models, criteria=criteria).report["recommendation"]
    reason = found["reason"]
    assert found["significant"] is True
    assert "either will do" not in reason
    assert "In accuracy it is equivalent to none" in reason
    for words in ("F1 is 66.7% higher", "recall is 100.0% higher", "ROC AUC is 0.495 higher"):
        assert f"Its {words} than that of none (p = 0.00" in reason
    assert "Its false positive rate is 1.0% higher" in reason


def test_either_will_do_only_where_f1_is_equal_too() -> None:
    reason = compared(decided("a", 3, 0, 4), decided("b", 4, 0, 4)).report["recommendation"][
        "reason"
    ]
    assert "to within 3%" in reason
    assert "either will do" not in reason
    for number in (3, 0):  # too few threats; none, so no F1 at all
        models = decided("a", number, 0, number), decided("b", number, 0, number)
        reason = compared(*models).report["recommendation"]["reason"]
        assert ("either will do" in reason) is (number == 0)


@pytest.mark.parametrize(("memory", "differs"), [(100.2, False), (250.0, True)])
def test_memory_is_told_where_it_is_what_counts(memory: float, differs: bool) -> None:
    models = decided("a", 400, 0, 400), decided("b", 400, 0, 400, memory)
    reason = compared(*models, criteria="memory").report["recommendation"]["reason"]
    assert ("either will do" in reason) is not differs
    assert ("they differ in memory" in reason) is differs
    assert ("It takes 150 MB less than b (measured once" in reason) is differs
    assert "either will do" in compared(*models).report["recommendation"]["reason"]


@pytest.mark.parametrize("criteria", ["balanced", "accuracy"])
def test_without_threats_fewer_false_alarms_are_better(criteria: str) -> None:
    models = decided("a", 0, 30, 0), decided("b", 0, 0, 0), decided("c", 0, 1, 0)
    report = compared(*models, criteria=criteria).report
    assert {row["f1"] for row in report["models"]} == {None}
    found = report["recommendation"]
    assert (found["model_id"], found["runner_up"]) == ("b", "c")
    assert "Without a threat there is no F1; accuracy stands for it." in found["reason"]
    assert ("Highest accuracy (100.0%)." in found["reason"]) is (criteria == "accuracy")
    assert [row["pareto"]["on_front"] for row in report["models"]] == [False, True, False]
    assert "Pareto front (accuracy, P95, memory): b" in render_table(report)
    figures = figures_of(report["models"][0])
    (check,) = check_floors("a", figures, parse_limits("f1=0.5"))
    assert (check.verdict, "not defined" in check.reason) == ("inconclusive", True)


def test_three_prompts_dominate_nobody() -> None:
    models = [
        Contender(Model(ModelMetadata(name, name, "1.0", "x"), "test"), judged(name, 0.0, ms, 3))
        for name, ms in (("quick", 1), ("slow", 10))
    ]
    report = compared(*models).report
    assert all(row["pareto"]["on_front"] for row in report["models"])
    assert "dominated" not in render_table(report)


def test_a_superlative_says_of_which_models() -> None:
    models = contender("good", 0.05, 20), contender("quick", 0.2, 5), contender("slow", 0.2, 9)
    of = "of the models that meet the constraints."
    for criteria in CRITERIA:
        report = compared(*models, criteria=criteria, limit="p95_latency_ms<10").report
        assert re.match(rf"\w+ [^.]*\(.*?\)[^()]* {of}", report["recommendation"]["reason"])
    assert of not in compared(*models).report["recommendation"]["reason"]


def test_a_model_that_meets_the_constraints_without_a_score_is_not_called_unfit() -> None:
    unscored = attrs.evolve(contender("a", 0.1, 10), memory_mb=None)
    models = unscored, contender("b", 0.1, 100)
    report = compared(*models, criteria="memory", limit="p95_latency_ms<20").report
    found = report["recommendation"]
    assert found["model_id"] is None
    assert found["reason"].startswith("No model that meets the constraints has the figures")


def test_constraints_rule_out_and_say_why() -> None:
    models = (contender("good", 0.05, 20), contender("quick", 0.2, 5))
    report = compared(*models, criteria="accuracy", limit="p95_latency_ms<10").report
    assert report["recommendation"]["model_id"] == "quick"
    assert "Not meeting the constraints: good." in report["recommendation"]["reason"]
    report = compared(*models, limit="p95_latency_ms<1").report
    assert report["recommendation"]["model_id"] is None
    assert "No model meets the constraints" in report["recommendation"]["reason"]


def test_holm_counts_the_pairs() -> None:
    models = [contender(name, errors, 10) for name, errors in (("a", 0.1), ("b", 0.12), ("c", 0.3))]
    pairs = compared(*models).report["pairs"]
    assert len(pairs) == 3
    assert all(pair["accuracy"]["p_holm"] >= pair["accuracy"]["p"] for pair in pairs)
    assert max(pair["accuracy"]["p_holm"] / pair["accuracy"]["p"] for pair in pairs) > 1


def test_a_paired_bootstrap_is_blind_to_nothing() -> None:
    """Equal decisions: the interval is narrow, holds zero and is not empty."""
    first, second = judged("a", 0.1, 10), judged("b", 0.1, 10)
    found = f1_difference(decision_cells(first, second))
    assert found is not None
    low, high = found["interval"]
    assert low < 0 < high < 0.02
    auc = auc_difference(first, second)
    assert auc is not None
    assert auc["difference"] == 0


def scored(scores: list[float], threats: int) -> Judgements:
    """Judgements of so many threats, and benign prompts after them."""
    judgements = Judgements("m")
    for number, score in enumerate(scores):
        found = (Prediction("PI", None, score),) if score >= 0.5 else ()
        result = DetectionResult("m", score >= 0.5, found, {"threat": score}, 0.5, 1.0)
        judgements.add(Prompt("x", number < threats), result)
    return judgements


@pytest.mark.parametrize("metric", ["f1", "precision", "roc_auc"])
def test_a_collapse_on_which_all_resamples_agree_is_a_loss(metric: str) -> None:
    right, wrong = [0.9] * 40 + [0.1] * 40, [0.1] * 40 + [0.9] * 40
    before, now = scored(right, 40), scored(wrong, 40)
    cells = decision_cells(before, now)
    differences = {"f1": f1_difference, "precision": precision_difference}
    found = auc_difference(before, now) if metric == "roc_auc" else differences[metric](cells)
    assert found is not None
    assert found["difference"] == -1
    assert -1 <= found["interval"][0] <= -1 <= found["interval"][1] < -0.9
    assert found["p"] < 0.01


@pytest.mark.parametrize("threats", [4, 5, 7, 8])
def test_a_few_threats_all_right_or_all_wrong_do_not_make_f1_certain(threats: int) -> None:
    benign = [0.1] * 100
    right, wrong = (scored([score] * threats + benign, threats) for score in (0.9, 0.2))
    (low, high), (least, most) = (m.report({})["intervals"]["f1"] for m in (right, wrong))
    assert low < 0.9 < high == 1
    assert least == 0
    assert most > 0.4
    found = f1_difference(decision_cells(right, wrong))
    assert found is not None
    assert found["interval"][0] == -1
    assert found["interval"][1] > -0.5
    assert found["p"] >= mcnemar_exact(threats, 0)
    same = f1_difference(decision_cells(right, right))
    assert same is not None
    assert same["interval"][1] > 0.1


@pytest.mark.parametrize("threats", [5, 8])
@pytest.mark.parametrize("recall", [0.3, 0.9, 0.99])
def test_the_interval_of_f1_of_a_few_threats_covers_the_truth(threats: int, recall: float) -> None:
    generator, hits = random.Random(5), 0
    interval = functools.cache(f1_interval)
    truth = 2 * recall / (1 + recall + 1 / threats)  # one of 100 benign prompts alarms
    for _ in range(400):
        tp = bootstrap.binomial(generator, threats, recall)
        fp = bootstrap.binomial(generator, 100, 0.01)
        found = interval((tp, fp, threats - tp, 100 - fp))
        hits += found.low <= truth <= found.high
    assert hits >= 0.95 * 400


def test_one_threat_tells_next_to_nothing() -> None:
    benign = [0.01 * number for number in range(50)]
    one, other = scored([0.42, *benign], 1), scored([0.07, *benign], 1)
    low, high = one.report({})["intervals"]["roc_auc"]
    assert high - low > 0.7
    found = auc_difference(one, other)
    assert found is not None
    assert found["interval"][0] < -0.9 < 0 < found["interval"][1]
    assert found["p"] == 1


def test_a_threat_without_a_family_counts_for_none() -> None:
    judgements = Judgements("m")
    for family in ("PI", None):
        result = DetectionResult("m", True, (Prediction("PI", "x", 0.9),), {"threat": 0.9}, 0.5, 1)
        judgements.add(Prompt("x", True, family), result)
    assert judgements.families == {("PI", "PI"): 1}
    assert judgements.report({})["family_f1"] == 1


@pytest.mark.parametrize(
    ("new", "limits", "code"),
    [
        (0.1, "recall=0.05,accuracy=0.05,f1=0.05,roc_auc=0.05", 0),
        (0.35, "accuracy=0.05", 1),
        (0.35, "f1=5%", 1),
        (0.35, "false_negative_rate=0.01", 1),
        (0.11, "recall=0.01", 3),
        (0.1, "precision=0.1", 0),
        (0.35, "precision=0.01", 1),
        (0.1, "recall_at_1pct_fpr=1", 0),
        (0.1, "recall_at_1pct_fpr=0.01", 3),
        (0.1, "memory_mb=0,size_mb=1%", 0),
    ],
)
def test_gates_against_a_baseline(new: float, limits: str, code: int) -> None:
    base = compared(contender("a", 0.1, 10)).report["models"][0]
    now = contender("a", new, 10)
    row = compared(now).report["models"][0]
    checks = check_regressions(row, now.judgements, base, parse_limits(limits), True)
    assert exit_code(checks) == code, checks


@pytest.mark.parametrize(
    ("ms", "same", "verdict"),
    [(10.0, True, "passed"), (20.0, True, "failed"), (10.0, False, "inconclusive")],
)
def test_latency_is_gated_on_the_same_machine_only(ms: float, same: bool, verdict: str) -> None:
    base = compared(contender("a", 0.1, 10)).report["models"][0]
    now = contender("a", 0.1, ms)
    row = compared(now).report["models"][0]
    limits = parse_limits("p95_latency_ms=5%")
    (check,) = check_regressions(row, now.judgements, base, limits, same)
    assert check.verdict == verdict


def test_latency_is_compared_prompt_by_prompt() -> None:
    """Prompts differ twentyfold in time, and 10 % on each of them is found all the same."""
    generator = random.Random(2)
    before = [generator.uniform(1, 20) for _ in range(640)]
    now = [1.1 * ms * generator.uniform(0.98, 1.02) for ms in before]
    for share in (0.5, 0.95):
        slower, same = (time_difference(before, times, share) for times in (now, before))
        assert slower is not None
        assert same is not None
        assert 0 < slower["interval"][0] <= slower["difference"] <= slower["interval"][1]
        assert same["interval"] == [0.0, 0.0]
    assert time_difference(before[:300], now[:300], 0.5) is None


def test_a_resampled_quantile_is_that_of_the_drawn_blocks() -> None:
    values = [random.Random(n).random() for n in range(64)]
    generator = random.Random(bootstrap.SEED)
    for found in bootstrap.block_quantiles(values, 8, 0.9)[:5]:
        drawn = [values[8 * i + k] for i in generator.choices(range(8), k=8) for k in range(8)]
        assert found == percentile(sorted(drawn), 90)


def test_floors_are_decided_by_intervals() -> None:
    figures = figures_of(compared(contender("a", 0.1, 10)).report["models"][0])
    limits = parse_limits("accuracy=0.5,recall=0.99,false_positive_rate=30%,f1=0.9")
    verdicts = {check.metric: check.verdict for check in check_floors("a", figures, limits)}
    assert verdicts["accuracy"] == "passed"
    assert verdicts["recall"] == "failed"
    assert verdicts["false_positive_rate"] == "passed"
    assert verdicts["f1"] == "inconclusive"


def test_a_floor_of_recall_at_fpr_is_decided_by_its_interval() -> None:
    figures = figures_of(compared(contender("a", 0.1, 10)).report["models"][0])
    (check,) = check_floors("a", figures, parse_limits("recall_at_1pct_fpr=0.01"))
    assert (check.verdict, figures["recall_at_1pct_fpr"].low) == ("inconclusive", 0.0)


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [(1.0, "equivalent"), (1.02, "equivalent"), (1.1, "slower"), (0.9, "faster")],
)
def test_a_difference_of_speed_is_one_beyond_the_margin(ratio: float, verdict: str) -> None:
    noise = [ratio * (1 + (number % 11 - 5) / 1_000) for number in range(99)]
    assert ratio_report(noise)["verdict"] == verdict
    assert ratio_report(noise[:3])["verdict"] == "inconclusive"


def test_limits_are_read_strictly() -> None:
    assert parse_limits("recall=0.01,p95_latency_ms=5%") == (
        Limit("recall", 0.01, False),
        Limit("p95_latency_ms", 5.0, True),
    )
    with pytest.raises(UsageError, match="is no limit"):
        parse_limits("recall")
    with pytest.raises(UsageError, match="Did you mean 'recall'"):
        parse_limits("recal=1")


def test_judgements_survive_packing() -> None:
    flags = [random.Random(n).random() < 0.5 for n in range(77)]
    scores = [random.Random(n).random() for n in range(77)]
    assert list(unpack_bits(pack_bits(flags), 77)) == flags
    assert list(unpack_scores(pack_scores(scores), 77)) == scores
    for broken in ("", "!", "AAAA"):
        with pytest.raises(ValueError, match=r"packed|base64"):
            unpack_bits(broken, 77)


def test_a_damaged_baseline_is_an_error_that_says_what_to_do() -> None:
    row = compared(contender("a", 0.1, 10)).report["models"][0]
    cases: list[dict[str, Any]] = [{}, {"judgements": {}}, {**row, "judgements": None}]
    for broken in cases:
        with pytest.raises(UsageError, match="Make one on the same prompts"):
            restored(broken, 400)


@pytest.fixture(scope="module")
def report() -> Any:
    models = (contender("good", 0.05, 20), contender("quick", 0.2, 5))
    found = dict(compared(*models, limit="p95_latency_ms<10").report)
    check = {"model_id": "good", "metric": "recall", "limit": 1.0}
    found["gate"] = {
        "verdict": "inconclusive",
        "checks": [{**check, "verdict": "inconclusive", "reason": 'why "<&>"'}],
    }
    return found


def test_the_table_has_the_seeds_columns(report: Any) -> None:
    text = render_table(report)
    assert text.startswith("Model Comparison (400 test prompts)\n")
    header = text.splitlines()[2]
    for column in ("Model", "Accuracy", "P95 Latency", "Memory (MB)", "Winner"):
        assert column in header
    assert "Recommendation: quick" in text
    assert "Gate: inconclusive" in text


def test_json_is_the_report(report: Any) -> None:
    assert json.loads(render_json(report)) == json.loads(json.dumps(report))


def test_csv_has_a_line_per_figure_and_no_formula(report: Any) -> None:
    evil = json.loads(json.dumps(report))
    evil["models"][0]["model_id"] = "=1+1"
    rows = list(csv.DictReader(io.StringIO(render_csv(evil))))
    assert {row["metric"] for row in rows} >= {"accuracy", "p95_latency_ms", "family_recall.PI"}
    assert rows[0]["model_id"] == "'=1+1"
    assert float(rows[4]["low"]) < float(rows[4]["value"]) < float(rows[4]["high"])


def test_markdown_is_a_table_and_escapes(report: Any) -> None:
    text = render_markdown(report)
    assert text.startswith("| metric | good | quick |\n|---|---|---|\n")
    assert "**Recommendation:** quick." in text
    assert "\\<&\\>" in text


def test_models_of_a_benchmark_that_failed_are_listed_with_their_reason() -> None:
    failed = {"model_id": "v9.1_bad", "error": "=no <bundle>"}
    report = {"kind": "benchmark", "models": [failed], "pairs": []}
    (row,) = csv.DictReader(io.StringIO(render_csv(report)))
    assert (row["model_id"], row["metric"], row["value"]) == ("v9.1_bad", "error", "'=no <bundle>")
    assert "**Not measured:**\n\n- v9.1\\_bad: =no \\<bundle\\>" in render_markdown(report)


def test_junit_has_a_case_per_gate(report: Any) -> None:
    suite = ET.fromstring(render_junit(report))[0]
    assert (suite.get("failures"), suite.get("skipped")) == ("1", "1")
    skipped = suite.find("testcase/skipped")
    assert skipped is not None
    assert skipped.get("message") == 'why "<&>"'


def test_details_do_not_grow_with_the_prompts() -> None:
    small, large = (len(json.dumps(details(judged("a", 0.2, 10, n)))) for n in (400, 4_000))
    assert large < 1.5 * small
    found = details(judged("a", 0.2, 10))
    assert found["roc"][0] == [0.0, 0.0]
    assert found["roc"][-1] == [1.0, 1.0]
    assert sum(found["score_histogram"]["threat"]) == 200
    assert len(found["worst_errors"]) == 10
