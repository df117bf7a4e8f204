"""Reading, splitting and weighting."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

import data
from data import Row
from recipe import CALIBRATION_SOURCES, Recipe


def row(text: str, label: int = 0, source: str = "s", group: str | None = None) -> Row:
    """A short row."""
    kind = ("PI", "instruction_override") if label else ("BENIGN", "benign_chat")
    return Row(text, label, *kind, source, group or text)


def write(path: Path, records: list[dict[str, object]]) -> None:
    """A gzipped JSON-lines file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(record) + "\n" for record in records)


def record(text: str, label: int, **more: object) -> dict[str, object]:
    """A corpus record."""
    return {"text": text, "label": label, "family": "PI", "subfamily": "x", "source": "s"} | more


def test_twins_share_a_group_and_the_attack_gets_the_span_of_the_difference(tmp_path: Path) -> None:
    twins = [record("one two BAD three", 1, pair="7"), record("one two three", 0, pair="7")]
    write(tmp_path / "c.jsonl.gz", twins)
    attack, clean = data.read_corpora(tmp_path, ["c"])
    assert attack.group == clean.group == "7"
    assert attack.span is not None
    assert attack.text[slice(*attack.span)].strip() == "BAD"
    assert clean.span is None


def test_no_group_is_on_both_sides_of_the_split() -> None:
    rows = [row(f"text {i}", i % 2, group=f"g{i // 3}") for i in range(3000)]
    train, held = data.split(rows, 0.1)
    assert not {r.group for r in train} & {r.group for r in held}
    assert len(train) + len(held) == len(rows)
    assert 0.05 < len(held) / len(rows) < 0.15


def test_calibration_sources_are_held_out_whole() -> None:
    rows = [row(f"t{i}", source=CALIBRATION_SOURCES[0]) for i in range(50)] + [row("other")]
    train, held = data.split(rows, 0.0)
    assert [r.text for r in train] == ["other"]
    assert len(held) == 50


def test_validation_files_are_never_part_of_the_training_pool(tmp_path: Path) -> None:
    write(tmp_path / "c.jsonl.gz", [record("pool", 0)])
    write(tmp_path / "validation" / "v.jsonl.gz", [record("kept back", 1)])
    pool = data.read_corpora(tmp_path, ["c"])
    files = data.read_validation(tmp_path)
    assert list(files) == ["v"]
    assert not {r.text for r in pool} & {r.text for rows in files.values() for r in rows}


def test_weights_sum_to_one_and_grow_with_the_root_of_a_source() -> None:
    rows = [row(f"a{i}", 0, "big") for i in range(400)] + [
        row(f"b{i}", 0, "small") for i in range(100)
    ]
    rows += [row(f"c{i}", 1, "bad") for i in range(10)]
    weights = data.row_weights(rows, 0.4)
    assert sum(weights) == pytest.approx(1.0)
    assert sum(weights[:400]) / sum(weights[400:500]) == pytest.approx(2.0)
    assert sum(weights[500:]) == pytest.approx(0.4)


def test_draw_is_deterministic_and_even() -> None:
    rows = [row(f"t{i}", i % 2) for i in range(100)]
    first = data.draw(rows, 250, Recipe(attack_share=0.5))
    assert first == data.draw(rows, 250, Recipe(attack_share=0.5))
    counts = [first.count(r) for r in rows]
    assert set(counts) <= {2, 3}
    assert abs(len(first) - 250) <= 1


@pytest.mark.parametrize(
    ("text", "twin", "span"),
    [("abXcd", "abcd", (2, 3)), ("same", "same", None), ("X", "", (0, 1)), ("aXa", "aa", (1, 2))],
)
def test_difference(text: str, twin: str, span: tuple[int, int] | None) -> None:
    assert data.difference(text, twin) == span
