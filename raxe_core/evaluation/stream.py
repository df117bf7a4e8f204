"""PromptStream: prompts one after the other, from files of any size or from standard input."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from raxe_core.errors import DatasetError
from raxe_core.evaluation.prompts import Prompt, prompt_from
from raxe_core.evaluation.source import MAX_LINE_BYTES, STDIN, Source, UnreadableError
from raxe_core.strict_json import parse_json

__all__ = ["PromptStream"]

MAX_NOTES = 20
_TXT_KEYS = ("label", "family", "subfamily", "lang")


class PromptStream:
    """Prompts of several files, read once, in order; ``-`` is standard input.

    While it is read it counts: ``prompts``, ``threats``, ``skipped`` (malformed rows, without
    ``strict``; ``notes`` has the first of them) and ``sha256`` of each file that was read whole.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        label: str | None = None,
        columns: Mapping[str, str] | None = None,
        strict: bool = True,
    ) -> None:
        self.name = " + ".join("stdin" if path == STDIN else path.name for path in paths)
        self.prompts = self.threats = self.skipped = 0
        self.notes: list[str] = []
        self.sha256: dict[str, str] = {}
        self._paths, self._label, self._columns = paths, label, columns or {}
        self._strict = strict
        self._bytes = _bytes_of(paths)
        self._before = 0  # bytes of the files that were read whole
        self._source: Source | None = None

    def __iter__(self) -> Iterator[Prompt]:
        for path in self._paths:
            before = self.prompts
            with Source(path) as source:
                self._source = source
                for prompt in self._of(path, source):
                    self.prompts += 1
                    self.threats += prompt.is_threat
                    yield prompt
                name = "stdin" if path == STDIN else path.name
                key, number = name, 1
                while key in self.sha256:
                    number += 1
                    key = f"{name} ({number})"
                self.sha256[key] = source.digest()
                self._before += source.unpacked
                self._source = None
            if self.prompts == before:
                reason = f" ({self.notes[0]})" if self.notes else ""
                raise DatasetError(
                    f"{path}: holds no prompt. Give a file with at least one.{reason}"
                )

    @property
    def expected(self) -> int | None:
        """About how many prompts there are, by the bytes read so far.

        None with standard input or a packed file.
        """
        read = self._before + (self._source.unpacked if self._source else 0)
        if self._bytes is None or not read:
            return None
        return max(self.prompts, round(self.prompts * self._bytes / read))

    def count(self) -> int | None:
        """Read all files beforehand, and return how many prompts there are.

        None with standard input, which can be read once.

        Raises:
            DatasetError: as reading the prompts does.
        """
        if STDIN in self._paths:
            return None
        return sum(1 for _ in PromptStream(self._paths, self._label, self._columns, self._strict))

    def describe(self) -> dict[str, Any]:
        """Return what identifies the dataset, as JSON types; after it was read."""
        return {
            "name": self.name,
            "prompts": self.prompts,
            "threats": self.threats,
            "benign": self.prompts - self.threats,
            "skipped": self.skipped,
            "sha256": dict(self.sha256),
            "columns": dict(self._columns),
        }

    def _of(self, path: Path, source: Source) -> Iterator[Prompt]:
        """Yield the prompts of one file, leaving out malformed rows unless strict."""
        kind = source.kind(self._columns.values())
        if kind == ".txt":
            rows: _Rows = _TxtRows(source, self._label or _label_of_file(path))
        elif kind == ".csv":
            rows = _CsvRows(source)
        else:
            rows = _JsonlRows(source)
        while True:
            try:
                where, row = next(rows)
                # The directive of a txt file has the fields' own names.
                prompt = prompt_from(row, {} if kind == ".txt" else self._columns, where)
            except StopIteration:
                return
            except DatasetError as error:
                if self._strict or isinstance(error, UnreadableError):
                    raise DatasetError(str(error)) from None
                self.skipped += 1
                if len(self.notes) < MAX_NOTES:
                    self.notes.append(str(error))
            else:
                yield prompt


def _bytes_of(paths: Sequence[Path]) -> int | None:
    """Return how many bytes there are to read; None where that cannot be told."""
    if any(path == STDIN or path.suffix.lower() == ".gz" for path in paths):
        return None
    try:
        return sum(path.stat().st_size for path in paths)
    except (OSError, ValueError):  # which is told when the file is opened
        return None


_Rows = Iterator[tuple[str, Mapping[str, Any]]]


class _TxtRows:
    """Rows of a txt file; a malformed directive is an error, and the lines after it go on."""

    def __init__(self, source: Source, label: str | None) -> None:
        self._source, self._lines = source, source.lines()
        self._label = label
        self._fields: dict[str, Any] = {"label": label}

    def __iter__(self) -> _Rows:
        return self

    def __next__(self) -> tuple[str, Mapping[str, Any]]:
        for raw in self._lines:
            line = raw.removesuffix("\n").removesuffix("\r")
            if line.startswith("#: "):
                self._fields = {"label": None}
                self._fields = {"label": self._label} | _directive(line[3:], self._source.where())
            elif line.strip():
                return self._source.where(), {**self._fields, "text": line}
        raise StopIteration


def _directive(text: str, where: str) -> dict[str, Any]:
    fields = {}
    for part in text.split():
        key, equals, value = part.partition("=")
        if not equals or key not in _TXT_KEYS:
            raise DatasetError(
                f"{where}: {part[:40]!r} is not label=, family=, subfamily= or lang=."
            )
        fields[key] = value
    return fields


def _label_of_file(path: Path) -> str | None:
    name = path.name.lower()
    if name.startswith(("threat", "attack")):
        return "threat"
    return "benign" if name.startswith(("benign", "safe")) else None


class _CsvRows:
    """Rows of a csv file; reading goes on after a malformed one."""

    def __init__(self, source: Source) -> None:
        self._source = source
        csv.field_size_limit(MAX_LINE_BYTES)
        self._rows = csv.DictReader(source.lines(), strict=True)
        self._is_checked = False

    def __iter__(self) -> _Rows:
        return self

    def __next__(self) -> tuple[str, Mapping[str, Any]]:
        begins = max(2, self._rows.line_num + 1)  # the header is the first
        try:
            self._check_header()
            row = next(self._rows)
        except csv.Error as error:
            where = self._source.where(self._rows.reader.line_num)
            if str(error) == "unexpected end of data":
                reason = f"a quote that is opened from line {begins} on is never closed"
                raise UnreadableError(f"{where}: {reason}. Mend the row.") from None
            raise DatasetError(f"{where}: {error}. Mend the row.") from None
        where = self._source.where(self._rows.line_num)
        if None in row:
            raise DatasetError(
                f"{where}: has more cells than the header. Put a text with commas in quotes."
            )
        return where, row

    def _check_header(self) -> None:
        """Refuse a column that is there twice: nobody can tell which of them is meant."""
        if self._is_checked:
            return
        names, self._is_checked = self._rows.fieldnames or (), True
        # Cells that trail or lead without a name are no column that anybody reads.
        repeated = next((name for name in names if name and names.count(name) > 1), None)
        if repeated is not None:
            raise UnreadableError(
                f"{self._source.where(1)}: the column {repeated[:40]!r} is there "
                f"{names.count(repeated)} times. Rename or remove the others."
            )


class _JsonlRows:
    """Rows of a jsonl file; reading goes on after a malformed one."""

    def __init__(self, source: Source) -> None:
        self._source, self._lines = source, source.lines()

    def __iter__(self) -> _Rows:
        return self

    def __next__(self) -> tuple[str, Mapping[str, Any]]:
        for line in self._lines:
            if line.strip():
                return self._source.where(), self._row(line)
        raise StopIteration

    def _row(self, line: str) -> Mapping[str, Any]:
        where = self._source.where()
        try:
            row = parse_json(line.rstrip("\r\n").encode("utf-8"), limit=MAX_LINE_BYTES)
        except ValueError as error:
            raise DatasetError(f"{where}: {error}. Mend the row.") from None
        if not isinstance(row, dict):
            raise DatasetError(f"{where}: expected an object with text and label.")
        return row
