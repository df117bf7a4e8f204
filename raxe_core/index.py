"""The index: what discovery found in a folder's files, so that an unchanged file is not read again.

It is a cache in ``$RAXE_HOME/cache``, one file per folder: safe to delete, made anew when damaged,
and skipped without a word where it cannot be written. An entry holds only for the very files it was
made from, told by size, modification time, change time and inode.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from pathlib import Path
from typing import Any

from raxe_core._version import __version__
from raxe_core.errors import RaxeError
from raxe_core.files import atomic_write, raxe_home, read_regular

__all__ = ["FileState", "Found", "Index", "file_state", "scan_folder", "to_json"]

FileState = list[int]

# What was found in a bundle and its sidecar: the problem, the summary, and all as JSON text. The
# text is not parsed with the index: that would take longer than to list a thousand models.
Found = tuple[str | None, dict[str, Any], bytes]
_Entry = tuple[list[FileState | None], Found]

MAX_INDEX_BYTES = 256 << 20


class Index:
    """The index of one folder, saved at the end of its context if it changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder.absolute())
        self._known: dict[str, _Entry] = {}
        self._seen: dict[str, _Entry] = {}
        self._path: Path | None = None
        try:
            number = zlib.crc32(os.fsencode(self._folder))
            self._path = raxe_home() / "cache" / f"models-{number:08x}.json"
            head, _, content = read_regular(self._path, MAX_INDEX_BYTES).partition(b"\n")
            if head == self._head(content):
                rows, *texts = content.split(b"\n")
                for row, text in zip(json.loads(rows), texts, strict=True):
                    name, files, problem, summary = row
                    self._known[name] = (files, (problem, summary, text))
        except (OSError, ValueError, RaxeError):
            pass  # no index yet, a damaged one, or no home: the files are read

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        if self._path is None or self._seen == self._known:
            return
        rows = [
            (name, files, problem, summary)
            for name, (files, (problem, summary, _)) in self._seen.items()
        ]
        texts = [text for _, (_, _, text) in self._seen.values()]
        content = b"\n".join([to_json(rows), *texts])
        with contextlib.suppress(OSError):  # a read-only home: the files are read every time
            atomic_write(self._path, self._head(content) + b"\n" + content)

    def _head(self, content: bytes) -> bytes:
        """Return the first line, which tells whether the others are whole and of use here."""
        head = {"version": __version__, "folder": self._folder, "crc": zlib.crc32(content)}
        return json.dumps(head).encode("ascii")

    def get(self, name: str, files: list[FileState | None]) -> Found | None:
        """Return what was stored for a bundle and its sidecar in these states, or None."""
        entry = self._known.get(name)
        if entry is None or entry[0] != files:
            return None
        self._seen[name] = entry
        return entry[1]

    def put(self, name: str, files: list[FileState | None], found: Found) -> None:
        """Store what was found in a bundle and its sidecar in these states."""
        self._seen[name] = (files, found)


def to_json(value: Any) -> bytes:
    """Return what was parsed from JSON as JSON again, on one line of ASCII."""
    return _ENCODER.encode(value).encode("ascii")


# Made once, for a thousand models; what was parsed holds no cycles.
_ENCODER = json.JSONEncoder(check_circular=False, separators=(",", ":"))


def scan_folder(folder: Path, suffix: str) -> dict[str, FileState]:
    """Return the visible files of a folder that end in ``suffix``: name -> state, sorted by name.

    Raises:
        OSError: the folder cannot be read.
    """
    with os.scandir(folder) as entries:
        found = {
            entry.name: file_state(entry)
            for entry in entries
            if entry.name.endswith(suffix) and not entry.name.startswith(".")
        }
    return dict(sorted(found.items()))


def file_state(entry: os.DirEntry[str] | Path) -> FileState:
    """Return what tells one state of a file from another; empty where there is none."""
    try:
        status = entry.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
