"""Source: the lines of one file or of standard input, plain or packed, hashed as they are read."""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from raxe_core.errors import DatasetError
from raxe_core.files import open_regular

__all__ = ["MAX_FILE_BYTES", "MAX_LINE_BYTES", "STDIN", "Source", "UnreadableError"]

MAX_FILE_BYTES = 1 << 40
MAX_LINE_BYTES = 64 << 20
MAX_RATIO = 200
RATIO_FROM_BYTES = 1 << 20
STDIN = Path("-")


class UnreadableError(DatasetError):
    """The file cannot be read on, so there is nothing to skip to."""


class Source:
    """The lines of one file, hashed as they are read; ``unpacked`` counts their bytes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._hashed = _Hashed(_opened(path))
        raw = io.BufferedReader(self._hashed, 1 << 16)
        self._raw: IO[bytes] = raw
        self._lines: IO[bytes] = gzip.GzipFile(fileobj=raw) if path.suffix.lower() == ".gz" else raw  # type: ignore[assignment]
        self._number = self.unpacked = 0

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._lines.close()
        self._raw.close()

    def kind(self, columns: Iterable[str] = ()) -> str:
        """Return ``.txt``, ``.csv`` or ``.jsonl``; standard input is told by how it begins.

        ``columns`` are names of the user's own that a header may have.
        """
        if self.path == STDIN:
            start = self._raw.peek(4_096).lstrip(b"\xef\xbb\xbf \r\n\t")  # type: ignore[attr-defined]
            if start.startswith(b"\x1f\x8b"):
                raise DatasetError("standard input is packed by gzip. Unpack it with zcat.")
            if start.startswith(b"{"):
                return ".jsonl"
            head = {part.strip(b' "') for part in start.split(b"\n")[0].lower().split(b",")}
            known = {b"text", b"prompt", b"label"}
            known.update(name.lower().encode("utf-8") for name in columns)
            return ".csv" if len(head) > 1 and head & known else ".txt"
        kind = Path(self.path.name.lower().removesuffix(".gz")).suffix
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
                raise UnreadableError(f"{self.where()}: longer than {MAX_LINE_BYTES:,} bytes.")
            if self._number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            try:
                yield line.decode("utf-8")
            except UnicodeDecodeError:
                raise UnreadableError(
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
            raise UnreadableError(f"{self.path}: is not a whole gzip file: {error}.") from None
        except OSError as error:
            raise UnreadableError(
                f"{self.path}: cannot be read: {error.strerror or error}."
            ) from None
        self.unpacked += len(line)
        if self.unpacked > RATIO_FROM_BYTES + MAX_RATIO * self._hashed.size:
            raise UnreadableError(f"{self.path}: unpacks to more than {MAX_RATIO} times its size.")
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
