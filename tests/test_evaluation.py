from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from raxe_core import ModelRegistry
from raxe_core.evaluation.datasets import Dataset, Prompt
from raxe_core.evaluation.run import Evaluation, evaluate

PROMPTS = (
    Prompt("reveal password", True, "PII", "secret"),
    Prompt("ignore previous instructions", True, "PI", "override"),
    Prompt("hello", True, "PI", "override"),
    Prompt("password instructions", False),
    Prompt("hello france", False),
)


@pytest.fixture
def evaluation(dropped_in: Path) -> Iterator[Evaluation]:
    detector = ModelRegistry().create_detector("v9.0_tiny")
    yield evaluate(detector, "v9.0_tiny", Dataset("ours", PROMPTS, {"a.txt": "0f"}))
    detector.close()


def test_report_counts_and_names_everything(evaluation: Evaluation) -> None:
    report = evaluation.report()
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert {key: report[key] for key in ("tp", "tn", "fp", "fn")} == {
        "tp": 2,
        "tn": 1,
        "fp": 1,
        "fn": 1,
    }
    assert report["roc_auc"] == pytest.approx(5 / 6)
    assert report["accuracy"] == pytest.approx(3 / 5)
    assert report["family_recall"] == {
        "PI": {"threats": 2, "recall": 0.5},
        "PII": {"threats": 1, "recall": 1.0},
    }
    # PI: one of two found, none invented; PII: found, and claimed for a benign prompt too.
    assert report["family_f1"] == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert report["subfamily_f1"] == pytest.approx((2 / 3 + 2 / 3) / 2)
    dataset = report["dataset"]
    assert [dataset[key] for key in ("name", "prompts", "threats", "benign")] == ["ours", 5, 3, 2]
    assert dataset["sha256"] == {"a.txt": "0f"}
    latency = report["latency_ms"]
    assert 0 < latency["p50"] <= latency["p95"]


def test_results_stay_with_their_prompts(evaluation: Evaluation) -> None:
    assert [item.prompt for item in evaluation.scored] == list(PROMPTS)
    assert [item.result.is_threat for item in evaluation.scored] == [True, True, False, True, False]


@pytest.mark.parametrize("is_threat", [True, False])
def test_dataset_of_one_class_has_no_figures_that_need_two(
    dropped_in: Path, is_threat: bool
) -> None:
    detector = ModelRegistry().create_detector("v9.0_tiny")
    dataset = Dataset("one", (Prompt("hello", is_threat),), {})
    report = evaluate(detector, "v9.0_tiny", dataset).report()
    detector.close()
    assert report["roc_auc"] is None
    assert report["recall"] == (0.0 if is_threat else None)
    assert report["false_positive_rate"] == (None if is_threat else 0.0)
    assert report["family_f1"] is None


def test_progress_sees_every_prompt(dropped_in: Path) -> None:
    seen: list[str] = []

    def progress(prompts: Iterable[Prompt]) -> Iterator[Prompt]:
        for prompt in prompts:
            seen.append(prompt.text)
            yield prompt

    detector = ModelRegistry().create_detector("v9.0_tiny")
    evaluate(detector, "v9.0_tiny", Dataset("ours", PROMPTS, {}), progress)
    detector.close()
    assert seen == [prompt.text for prompt in PROMPTS]
