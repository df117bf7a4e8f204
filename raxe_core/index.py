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

__all__ = ["FileState", "Index", "file_state", "scan_folder"]

FileState = list[int]

MAX_INDEX_BYTES = 256 << 20


class Index:
    """The index of one folder, saved at the end of its context if it changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder.absolute())
        self._known: dict[str, Any] = {}
        self._seen: dict[str, Any] = {}
        self._path: Path | None = None
        try:
            name = f"models-{zlib.crc32(os.fsencode(self._folder)):08x}.json"
            self._path = raxe_home() / "cache" / name
            head, _, entries = read_regular(self._path, MAX_INDEX_BYTES).partition(b"\n")
            if head == self._head(entries):
                self._known = json.loads(entries)
        except (OSError, ValueError, RaxeError):
            pass  # no index yet, a damaged one, or no home: the files are read

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        if self._path is None or self._seen == self._known:
            return
        entries = json.dumps(self._seen).encode("ascii")
        with contextlib.suppress(OSError):  # a read-only home: the files are read every time
            atomic_write(self._path, self._head(entries) + b"\n" + entries)

    def _head(self, entries: bytes) -> bytes:
        """Return the first line, which tells whether the entries are whole and of use here."""
        head = {"version": __version__, "folder": self._folder, "crc": zlib.crc32(entries)}
        return json.dumps(head).encode("ascii")

    def get(self, name: str, states: list[FileState | None]) -> dict[str, Any] | None:
        """Return what was stored for a bundle and its sidecar in these states, or None."""
        entry = self._known.get(name)
        if entry is None or entry["files"] != states:
            return None
        self._seen[name] = entry
        found: dict[str, Any] = entry["found"]
        return found

    def put(self, name: str, states: list[FileState | None], found: dict[str, Any]) -> None:
        """Store what was found in a bundle and its sidecar in these states."""
        self._seen[name] = {"files": states, "found": found}


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
