"""What was found out about the content of bundles, so that it is not found out again.

A fact is a text of a kind about one manifest digest. A manifest holds the SHA-256 of every other
member, and nothing else is ever read: what is true of a manifest digest stays true. Facts are kept
in this process and in ``$RAXE_HOME/cache/KIND``: a cache that is safe to delete, and that is done
without where it cannot be written. For each kind and digest the last fact alone is kept there.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from raxe_core.errors import RaxeError
from raxe_core.files import atomic_write, raxe_home, read_regular

__all__ = ["is_known", "remember_fact"]

MAX_BYTES = 1 << 20

_in_process: set[tuple[str, str, str]] = set()


def is_known(kind: str, manifest_digest: str, fact: str) -> bool:
    """Whether exactly this fact was remembered."""
    if (kind, manifest_digest, fact) in _in_process:
        return True
    try:
        return read_regular(_path(kind, manifest_digest), MAX_BYTES) == fact.encode("utf-8")
    except (OSError, RaxeError):  # none, or no home
        return False


def remember_fact(kind: str, manifest_digest: str, fact: str) -> None:
    """Remember a fact from now on."""
    _in_process.add((kind, manifest_digest, fact))
    with contextlib.suppress(OSError, RaxeError):
        atomic_write(_path(kind, manifest_digest), fact.encode("utf-8"))


def _path(kind: str, manifest_digest: str) -> Path:
    return raxe_home() / "cache" / kind / manifest_digest.removeprefix("sha256:")
