"""Late labels from a file: read strictly, added once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxe_abtest.errors import LabelError
from raxe_abtest.intake import request_key
from raxe_abtest.labels import read_labels


def written(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_csv_and_jsonl_say_the_same(tmp_path: Path) -> None:
    table = "\ufeffrequest_id,is_threat,accuracy,note\nr1,TRUE,,x\nr2,0,,\nr3,,0.25,\nr1,threat,,\n"
    lines = [
        {"request_id": "r1", "is_threat": True},
        {"request_id": "r2", "is_threat": False},
        {"request_id": "r3", "accuracy": 0.25},
    ]
    text = "\n\n".join(map(json.dumps, lines))
    from_csv = read_labels(written(tmp_path, "a.csv", table), 1.0)
    assert from_csv == read_labels(written(tmp_path, "a.jsonl", text), 1.0)
    assert [(e.request, e.label, e.accuracy) for e in from_csv] == [
        ("r1", True, None), ("r2", False, None), ("r3", None, 0.25),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "id,is_threat\nr1,1\n", "line 1: the header has no column request_id"),
        ("a.csv", "request_id,is_threat\nr1,1\nr2,maybe\n", "line 3: is_threat is 'maybe'"),
        ("a.csv", "request_id,is_threat\nr1,1\nr1,0\n", "line 3: line 2 labels this request"),
        ("a.csv", "request_id,is_threat\n,1\n", "line 2: no request_id"),
        ("a.csv", "request_id,is_threat\nr1\n", "line 2: give is_threat or accuracy"),
        ("a.csv", 'request_id,is_threat\n"r1"x,1\n', "line 2: "),
        ("a.csv", "request_id,accuracy\nr1,nan\nr2,1.5\n", "line 2: accuracy is 'nan'.*line 3: "),
        ("a.csv", "request_id,is_threat,accuracy\nr1,1,1\n", "not both"),
        ("a.jsonl", '{"request_id": "r1"\n[1]\n', "line 1: .*line 2: not a JSON object"),
        ("a.jsonl", '{"request_id": true, "is_threat": true}\n', "line 1: no request_id"),
        ("a.jsonl", '{"request_id": "r", "accuracy": true}\n', "line 1: accuracy is 'True'"),
        ("a.txt", "r1\n", "name it .csv or .jsonl"),
        ("a.csv", b"request_id,is_threat\n\xff,1\n", "not UTF-8 at byte 21"),
        ("a.csv", "request_id,is_threat\n" + "r,x\n" * 30, "And 20 more"),
    ],
)
def test_malformed_rows_are_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(LabelError, match=said):
        read_labels(written(tmp_path, name, text), 1.0)


def test_a_missing_file_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="cannot be read"):
        read_labels(tmp_path / "away.csv", 1.0)


@given(st.dictionaries(st.text(min_size=1, max_size=90), st.booleans(), max_size=20))
def test_any_id_comes_back_as_the_store_knows_it(labels: dict[str, bool]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        rows = [{"request_id": name, "is_threat": value} for name, value in labels.items()]
        path = written(Path(folder), "a.jsonl", "\n".join(map(json.dumps, rows)))
        if any("\ud800" <= char <= "\udfff" for name in labels for char in name):
            return  # JSON files have no lone surrogates
        found = {event.request: event.label for event in read_labels(path, 1.0)}
    assert found == {request_key(name): value for name, value in labels.items()}
