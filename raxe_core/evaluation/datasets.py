"""Datasets: labelled prompts from txt, csv and jsonl files, each of them plain or gzipped.

txt
    One prompt a line; empty lines are skipped. All prompts have the label of the file: a file named
    ``threat*`` or ``attack*`` holds threats, ``benign*`` or ``safe*`` benign prompts. A line such
    as ``#: label=threat family=PI subfamily=task_hijack`` sets the labels of the lines after it.
csv, jsonl
    A column ``text`` (or ``prompt``) and a column ``label``: 1, true, threat, attack, malicious or
    injection; 0, false, benign or safe. ``family``, ``subfamily`` and ``lang`` are optional.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from raxe_core.errors import DatasetError
from raxe_core.files import read_regular
from raxe_core.strict_json import parse_json

__all__ = ["Dataset", "Prompt", "read_dataset", "standard_dataset"]

MAX_FILE_BYTES = 1 << 30
MAX_LINE_BYTES = 64 << 20
_THREAT_WORDS = frozenset({"1", "true", "threat", "attack", "malicious", "injection"})
_BENIGN_WORDS = frozenset({"0", "false", "benign", "safe"})
_STANDARD = ("threats.txt", "benign.txt", "edge_cases.txt")


@attrs.frozen
class Prompt:
    """One labelled text; ``family`` and ``subfamily`` are None where the file does not say."""

    text: str
    is_threat: bool
    family: str | None = None
    subfamily: str | None = None
    lang: str | None = None


@attrs.frozen
class Dataset:
    """Labelled prompts with their origin; ``sha256`` maps each file's name to its digest."""

    name: str
    prompts: tuple[Prompt, ...]
    sha256: Mapping[str, str]

    @property
    def threats(self) -> int:
        """The number of threats."""
        return sum(prompt.is_threat for prompt in self.prompts)


def standard_dataset() -> Dataset:
    """Return the standard test dataset, which ships with the core."""
    folder = Path(__file__).parent / "test_datasets"
    return attrs.evolve(read_dataset([folder / name for name in _STANDARD]), name="standard")


def read_dataset(paths: Sequence[Path], label: str | None = None) -> Dataset:
    """Read prompts from files.

    ``label`` (``threat`` or ``benign``) is the label of every prompt of a txt file without labels.

    Raises:
        DatasetError: a file cannot be read, a row is malformed, or there is no prompt; names file,
            line and reason.
    """
    prompts: list[Prompt] = []
    digests = {}
    for path in paths:
        data = _read(path)
        digests[path.name] = hashlib.sha256(data).hexdigest()
        read = list(_prompts(path, _unzipped(path, data), label))
        if not read:
            raise DatasetError(f"{path}: holds no prompt. Give a file with at least one.")
        prompts += read
    return Dataset(" + ".join(path.name for path in paths), tuple(prompts), digests)


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, MAX_FILE_BYTES)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}.") from None


def _unzipped(path: Path, data: bytes) -> str:
    if path.suffix == ".gz":
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise DatasetError(f"{path}: is not a whole gzip file: {error}.") from None
        if len(data) > MAX_FILE_BYTES:
            raise DatasetError(f"{path}: unpacks to more than {MAX_FILE_BYTES:,} bytes.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DatasetError(f"{path}, line {line}: not UTF-8. Save the file as UTF-8.") from None


def _prompts(path: Path, text: str, label: str | None) -> Iterator[Prompt]:
    kind = Path(path.name.removesuffix(".gz")).suffix.lower()
    if kind == ".txt":
        return _from_txt(path, text, label)
    if kind == ".csv":
        return _from_csv(path, text)
    if kind in (".jsonl", ".ndjson"):
        return _from_jsonl(path, text)
    raise DatasetError(f"{path}: datasets are .txt, .csv or .jsonl files, plain or with .gz.")


def _from_txt(path: Path, text: str, label: str | None) -> Iterator[Prompt]:
    fields: dict[str, Any] = {"label": label or _label_of_file(path)}
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.removesuffix("\r")
        if line.startswith("#: "):
            fields = _directive(line[3:], f"{path}, line {number}")
        elif line.strip():
            yield _prompt({**fields, "text": line}, f"{path}, line {number}")


def _directive(text: str, where: str) -> dict[str, Any]:
    fields = {}
    for part in text.split():
        key, equals, value = part.partition("=")
        if not equals or key not in ("label", "family", "subfamily", "lang"):
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


def _from_csv(path: Path, text: str) -> Iterator[Prompt]:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in rows:
            yield _prompt(row, f"{path}, line {rows.line_num}")
    except csv.Error as error:
        raise DatasetError(f"{path}, line {rows.line_num}: {error}. Mend the row.") from None


def _from_jsonl(path: Path, text: str) -> Iterator[Prompt]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = parse_json(line.encode("utf-8"), limit=MAX_LINE_BYTES)
        except ValueError as error:
            raise DatasetError(f"{where}: {error}. Mend the row.") from None
        if not isinstance(row, dict):
            raise DatasetError(f"{where}: expected an object with text and label.")
        yield _prompt(row, where)


def _prompt(row: Mapping[str, Any], where: str) -> Prompt:
    text = row.get("text", row.get("prompt"))
    if not isinstance(text, str):
        raise DatasetError(f"{where}: has no text. Name the column 'text' or 'prompt'.")
    word = str(row.get("label", "")).strip().lower()
    if word not in _THREAT_WORDS | _BENIGN_WORDS:
        raise DatasetError(
            f"{where}: the label is {_shown(row.get('label'))}, it must be threat or benign "
            "(1 or 0). For a txt file, use --label or begin its name with threats or benign."
        )
    is_threat = word in _THREAT_WORDS
    family = _optional(row, "family") if is_threat else None
    return Prompt(text, is_threat, family, _optional(row, "subfamily"), _optional(row, "lang"))


def _shown(label: Any) -> str:
    return "missing" if label is None else repr(str(label)[:40])


def _optional(row: Mapping[str, Any], key: str) -> str | None:
    value = row.get(key)
    return value if isinstance(value, str) and value else None
