"""The evaluation table of a model card, from reports as ``raxe models test --json`` prints them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import card
import record
from data import Row


def report(threats: int, benign: int, **changes: Any) -> dict[str, Any]:
    interval = [0.1, 0.25]
    metrics = ("roc_auc", "recall_at_1pct_fpr", "recall", "false_positive_rate")
    return {
        "dataset": {"threats": threats, "benign": benign},
        **dict.fromkeys(metrics, 0.2),
        "intervals": dict.fromkeys(metrics, interval) | {"family_recall": {"PI": interval}},
        "family_recall": {"PI": {"threats": threats, "recall": 0.2}},
        **changes,
    }


def test_files_come_before_the_pool_and_the_probes(tmp_path: Path) -> None:
    for name in ("probe encoded", record.POOLED, "deepset"):
        (tmp_path / f"{name}.json").write_text(json.dumps(report(7, 9)))
    lines = card.evaluation_section(tmp_path).splitlines()
    names = [line.split("|")[1].strip() for line in lines if "| 9 | 7 |" in line]
    assert names == ["deepset", record.POOLED, "probe encoded"]
    assert "| PI | 7 | 20.0 (10.0-25.0) |" in lines


def test_what_a_file_cannot_tell_is_a_dash() -> None:
    found = report(0, 9, roc_auc=None, recall_at_1pct_fpr=None, recall=None)
    expected = "| benign_chat | 9 | 0 | - | - | - | 20.0 (10.0-25.0) |"
    assert card.evaluation_line("benign_chat", found) == expected


def test_probe_rows_are_dataset_rows() -> None:
    line = record.as_json(Row("text\n", 1, "PI", "task_hijack", "source", "group"))
    assert json.loads(line) == {
        "text": "text\n",
        "label": 1,
        "family": "PI",
        "subfamily": "task_hijack",
    }
