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

__all__ = ["Index"]

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
            content = json.loads(read_regular(self._path, MAX_INDEX_BYTES))
            if (content["version"], content["folder"]) == (__version__, self._folder):
                self._known = dict(content["entries"])
        except (OSError, ValueError, TypeError, KeyError, RaxeError):
            pass  # no index yet, a damaged one, or no home: the files are read

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        if self._path is None or self._seen == self._known:
            return
        content = {"version": __version__, "folder": self._folder, "entries": self._seen}
        # A read-only home, or a name that is not Unicode: the files are read every time.
        with contextlib.suppress(OSError, ValueError):
            atomic_write(self._path, json.dumps(content).encode("utf-8"))

    def get(self, bundle: Path, sidecar: Path) -> dict[str, Any] | None:
        """Return what was stored for these two files as they are now, or None."""
        entry = self._known.get(bundle.name)
        if not isinstance(entry, dict) or entry.get("files") != [_state(bundle), _state(sidecar)]:
            return None
        found = entry.get("found")
        if not isinstance(found, dict) or found.keys() != {"metadata", "problem"}:
            return None
        self._seen[bundle.name] = entry
        return found

    def put(self, bundle: Path, sidecar: Path, found: dict[str, Any]) -> None:
        """Store what was found in these two files."""
        files = [_state(bundle), _state(sidecar)]
        self._seen[bundle.name] = {"files": files, "found": found}


def _state(path: Path) -> list[int] | None:
    """Return what tells one state of a file from another; None where there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
