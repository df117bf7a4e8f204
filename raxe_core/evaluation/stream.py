"""PromptStream: prompts one after the other, from files of any size or from standard input."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from raxe_core.errors import DatasetError
from raxe_core.evaluation.prompts import Prompt, prompt_from
from raxe_core.files import open_regular
from raxe_core.strict_json import parse_json

__all__ = ["PromptStream"]

MAX_FILE_BYTES = 1 << 40
MAX_LINE_BYTES = 64 << 20
MAX_RATIO = 200
RATIO_FROM_BYTES = 1 << 20
MAX_NOTES = 20
STDIN = Path("-")
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

    def __iter__(self) -> Iterator[Prompt]:
        for path in self._paths:
            before = self.prompts
            with _Source(path) as source:
                for prompt in self._of(path, source):
                    self.prompts += 1
                    self.threats += prompt.is_threat
                    yield prompt
                name = "stdin" if path == STDIN else path.name
                name = name if name not in self.sha256 else str(path)
                self.sha256[name] = source.digest()
            if self.prompts == before:
                reason = f" ({self.notes[0]})" if self.notes else ""
                raise DatasetError(
                    f"{path}: holds no prompt. Give a file with at least one.{reason}"
                )

    def describe(self) -> dict[str, Any]:
        """Return what identifies the dataset, as JSON types; after it was read."""
        return {
            "name": self.name,
            "prompts": self.prompts,
            "threats": self.threats,
            "benign": self.prompts - self.threats,
            "skipped": self.skipped,
            "sha256": dict(self.sha256),
        }

    def _of(self, path: Path, source: _Source) -> Iterator[Prompt]:
        """Yield the prompts of one file, leaving out malformed rows unless strict."""
        kind = source.kind()
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
                if self._strict or isinstance(error, _UnreadableError):
                    raise DatasetError(str(error)) from None
                self.skipped += 1
                if len(self.notes) < MAX_NOTES:
                    self.notes.append(str(error))
            else:
                yield prompt


class _UnreadableError(DatasetError):
    """The file cannot be read on, so there is nothing to skip to."""


class _Source:
    """The lines of one file, as bytes, hashed as they are read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._hashed = _Hashed(_opened(path))
        raw = io.BufferedReader(self._hashed, 1 << 16)
        self._raw: IO[bytes] = raw
        self._lines: IO[bytes] = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw  # type: ignore[assignment]
        self._number = self._unpacked = 0

    def __enter__(self) -> _Source:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._raw.close()

    def kind(self) -> str:
        """Return ``.txt``, ``.csv`` or ``.jsonl``; standard input is told by how it begins."""
        if self.path == STDIN:
            start = self._raw.peek(4_096).lstrip(b"\xef\xbb\xbf \r\n\t")  # type: ignore[attr-defined]
            if start.startswith(b"{"):
                return ".jsonl"
            head = {part.strip(b' "') for part in start.split(b"\n")[0].lower().split(b",")}
            return ".csv" if len(head) > 1 and head & {b"text", b"prompt", b"label"} else ".txt"
        kind = Path(self.path.name.removesuffix(".gz")).suffix.lower()
        if kind in (".txt", ".csv"):
            return kind
        if kind in (".jsonl", ".ndjson"):
            return ".jsonl"
        raise DatasetError(
            f"{self.path}: datasets are .txt, .csv or .jsonl files, plain or with .gz."
        )

    def where(self, number: int | None = None) -> str:
        """Name the line that was read last, or another."""
        return f"{self.path}, line {self._number if number is None else number}"

    def lines(self) -> Iterator[str]:
        """Yield the lines with their ends; a line that is not UTF-8 ends the file."""
        while line := self._read():
            self._number += 1
            if len(line) > MAX_LINE_BYTES:
                raise _UnreadableError(f"{self.where()}: longer than {MAX_LINE_BYTES:,} bytes.")
            if self._number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            try:
                yield line.decode("utf-8")
            except UnicodeDecodeError:
                raise _UnreadableError(
                    f"{self.where()}: not UTF-8. Save the file as UTF-8."
                ) from None

    def digest(self) -> str:
        """Read what is left, and return the SHA-256 of the file as it is stored."""
        while self._raw.read(1 << 20):
            pass
        return self._hashed.sha256.hexdigest()

    def _read(self) -> bytes:
        try:
            line = self._lines.readline(MAX_LINE_BYTES + 1)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise _UnreadableError(f"{self.path}: is not a whole gzip file: {error}.") from None
        except OSError as error:
            raise _UnreadableError(
                f"{self.path}: cannot be read: {error.strerror or error}."
            ) from None
        self._unpacked += len(line)
        if self._unpacked > RATIO_FROM_BYTES + MAX_RATIO * self._hashed.size:
            raise _UnreadableError(f"{self.path}: unpacks to more than {MAX_RATIO} times its size.")
        return line


def _opened(path: Path) -> Any:
    if path == STDIN:
        if sys.stdin is None:
            raise DatasetError("Standard input is closed. Give a file.")
        return sys.stdin.buffer
    try:
        return open_regular(path, MAX_FILE_BYTES)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}.") from None


class _Hashed(io.RawIOBase):
    """A file, or standard input, that is hashed as it is read."""

    def __init__(self, file: Any) -> None:
        self.sha256 = hashlib.sha256()
        self.size = 0
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer)) or b""
        buffer[: len(data)] = data
        self.sha256.update(data)
        self.size += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed and self._file is not sys.stdin.buffer:
            self._file.close()
        super().close()


_Rows = Iterator[tuple[str, Mapping[str, Any]]]


class _TxtRows:
    """Rows of a txt file; a malformed directive is an error, and the lines after it go on."""

    def __init__(self, source: _Source, label: str | None) -> None:
        self._source, self._lines = source, source.lines()
        self._fields: dict[str, Any] = {"label": label}

    def __iter__(self) -> _Rows:
        return self

    def __next__(self) -> tuple[str, Mapping[str, Any]]:
        for raw in self._lines:
            line = raw.removesuffix("\n").removesuffix("\r")
            if line.startswith("#: "):
                self._fields = {"label": None}
                self._fields = _directive(line[3:], self._source.where())
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

    def __init__(self, source: _Source) -> None:
        self._source = source
        self._rows = csv.DictReader(source.lines(), strict=True)

    def __iter__(self) -> _Rows:
        return self

    def __next__(self) -> tuple[str, Mapping[str, Any]]:
        try:
            row = next(self._rows)
        except csv.Error as error:
            where = self._source.where(self._rows.reader.line_num)
            raise DatasetError(f"{where}: {error}. Mend the row.") from None
        return self._source.where(self._rows.line_num), row


class _JsonlRows:
    """Rows of a jsonl file; reading goes on after a malformed one."""

    def __init__(self, source: _Source) -> None:
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
