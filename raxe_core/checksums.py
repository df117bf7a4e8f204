"""The checksum of a bundle's file that its metadata claims, hashed once for each content.

Once a file with this manifest has met its checksum, hashing all of it again before each load would
protect nothing: every member that is read is checked against the manifest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raxe_core.errors import BundleError
from raxe_core.facts import is_known, remember_fact

if TYPE_CHECKING:
    from raxe_core.bundle import Bundle

__all__ = ["check_checksum", "compare_checksum"]

_KIND = "checksums"


def check_checksum(bundle: Bundle, claimed: str) -> None:
    """Check the file against ``claimed``, unless that was done with this manifest.

    Raises:
        BundleError: the file has another checksum.
    """
    digest = bundle.manifest_digest()
    if not is_known(_KIND, digest, claimed):
        compare_checksum(bundle, claimed)
        remember_fact(_KIND, digest, claimed)


def compare_checksum(bundle: Bundle, claimed: str) -> None:
    """Hash the file now; raises as :func:`check_checksum`."""
    found = bundle.digest()
    if found != claimed:
        raise BundleError(
            f"{bundle.path}: its checksum is {found}, the metadata says {claimed}. "
            "Get the file again, or mend file_info.checksum."
        )
