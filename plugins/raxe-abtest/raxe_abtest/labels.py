"""Late labels from a file: what the text of a request really was, by the request's id."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from raxe_core import parse_json
from raxe_core.safe_text import safe_text

from raxe_abtest.errors import LabelError
from raxe_abtest.intake import request_key, within
from raxe_abtest.store.records import Event

__all__ = ["read_labels"]

SHOWN = 10  # malformed rows in one message
_VERDICTS = {
    "1": True, "true": True, "threat": True, "0": False, "false": False, "benign": False,
}  # fmt: skip
_Rows = Iterator[tuple[int, "Mapping[str, Any] | str"]]  # line, and the row or what is wrong


def read_labels(path: Path, at: float) -> list[Event]:
    """Return the labels of a csv or jsonl file as events of the time ``at``.

    A row has ``request_id``, and either ``is_threat`` (true or false) or ``accuracy`` (0 to 1).

    Raises:
        LabelError: the file cannot be read, or rows are malformed; names each line and the reason.
    """
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise LabelError(f"{path}: cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError as error:
        raise LabelError(f"{path}: not UTF-8 at byte {error.start}.") from None
    readers = {".csv": _csv_rows, ".jsonl": _json_rows}
    if path.suffix not in readers:
        raise LabelError(f"{path}: name it .csv or .jsonl, so that its format is known.")
    labels: dict[str, Event] = {}
    lines: dict[str, int] = {}
    wrong: list[str] = []
    for number, row in readers[path.suffix](text):
        try:
            event = _label(row, at)
        except ValueError as error:
            wrong.append(f"line {number}: {safe_text(str(error), 200)}")
            continue
        key = event.request or ""
        if labels.setdefault(key, event) != event:
            wrong.append(f"line {number}: line {lines[key]} labels this request differently")
        lines.setdefault(key, number)
    if wrong:
        more = f" And {len(wrong) - SHOWN:,} more." if len(wrong) > SHOWN else ""
        raise LabelError(f"{path}: nothing was written. {'; '.join(wrong[:SHOWN])}.{more}")
    return list(labels.values())


def _csv_rows(text: str) -> _Rows:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        if "request_id" not in (rows.fieldnames or ()):
            yield 1, "the header has no column request_id"
            return
        for row in rows:
            yield rows.line_num, {name: value for name, value in row.items() if value != ""}
    except csv.Error as error:
        yield rows.line_num + 1, str(error)


def _json_rows(text: str) -> _Rows:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                row = parse_json(line.encode())
            except ValueError as error:
                yield number, str(error)
                continue
            yield number, row if isinstance(row, dict) else "not a JSON object"


def _label(row: Mapping[str, Any] | str, at: float) -> Event:
    """Return the label of a row; a ValueError says what is wrong with it."""
    if isinstance(row, str):
        raise ValueError(row)
    request, verdict, accuracy = (row.get(name) for name in ("request_id", "is_threat", "accuracy"))
    if not isinstance(request, (str, int)) or isinstance(request, bool) or request == "":
        raise ValueError("no request_id")
    if (verdict is None) == (accuracy is None):
        raise ValueError("give is_threat or accuracy, and not both")
    key = request_key(str(request))
    if verdict is not None:
        found = _VERDICTS.get(str(verdict).strip().lower())
        if found is None:
            raise ValueError(f"is_threat is {str(verdict)[:40]!r}, not true or false")
        return Event("label", at, None, -1, key, label=found)
    try:
        value = float(accuracy) if isinstance(accuracy, str) else accuracy
    except ValueError:
        value = None
    if value is None or isinstance(value, bool) or not within(value, 1.0):
        raise ValueError(f"accuracy is {str(accuracy)[:40]!r}, not from 0 to 1")
    return Event("label", at, None, -1, key, accuracy=float(value))
