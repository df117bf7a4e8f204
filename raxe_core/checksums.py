"""The checksum of a bundle's file that its metadata claims, hashed once for each content.

A manifest holds the SHA-256 of every other member, and nothing else is ever read: once a file with
this manifest has met its checksum, hashing all of it again before each load would protect nothing.
What has met its checksum is remembered in ``$RAXE_HOME/cache/checksums``: safe to delete, and done
without where it cannot be written.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from raxe_core.errors import BundleError, RaxeError
from raxe_core.files import atomic_write, raxe_home, read_regular

if TYPE_CHECKING:
    from pathlib import Path

    from raxe_core.bundle import Bundle

__all__ = ["check_checksum", "compare_checksum"]

MAX_BYTES = 1 << 10


def check_checksum(bundle: Bundle, claimed: str) -> None:
    """Check the file against ``claimed``, unless that was done with this manifest.

    Raises:
        BundleError: the file has another checksum.
    """
    path = _path(bundle.manifest_digest())
    content = claimed.encode("utf-8")
    if path is not None:
        with contextlib.suppress(OSError):
            if read_regular(path, MAX_BYTES) == content:
                return
    compare_checksum(bundle, claimed)
    if path is not None:
        with contextlib.suppress(OSError):
            atomic_write(path, content)


def compare_checksum(bundle: Bundle, claimed: str) -> None:
    """Hash the file now; raises as :func:`check_checksum`."""
    found = bundle.digest()
    if found != claimed:
        raise BundleError(
            f"{bundle.path}: its checksum is {found}, the metadata says {claimed}. "
            "Get the file again, or mend file_info.checksum."
        )


def _path(manifest_digest: str) -> Path | None:
    try:
        return raxe_home() / "cache" / "checksums" / manifest_digest.removeprefix("sha256:")
    except RaxeError:  # no home
        return None
