"""The ``.raxe`` bundle: open, verify, read, pack. No runtime is imported here."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from raxe_core.archive import ALLOWED_SUFFIXES, MEMBER_NAME, Archive, ArchiveError
from raxe_core.errors import BundleError, MetadataError
from raxe_core.files import read_regular
from raxe_core.strict_json import dump_json, parse_json

if TYPE_CHECKING:
    from raxe_core.manifest import Manifest, Member

__all__ = ["MANIFEST_NAME", "Bundle", "pack"]

MANIFEST_NAME = "manifest.json"
MAX_MANIFEST_BYTES = 256 << 10
MAX_MEMBER_BYTES = 2 << 30
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


class Bundle:
    """An open bundle. Use it as a context manager.

    Opening checks the archive's structure and reads ``manifest_json``, which is all that listing
    models needs; :attr:`manifest` checks the contract, :meth:`read` the bytes of a member, and
    :meth:`verify` everything.

    Raises:
        BundleError: the file cannot be read, or breaks the format.
        MetadataError: the manifest is not strict JSON.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = path
        try:
            self._archive = Archive(path)
        except ArchiveError as error:
            raise self._error(str(error)) from None
        try:
            self.manifest_json = self._read_manifest()
        except BaseException:
            self._archive.close()
            raise

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self._path)

    @property
    def metadata_json(self) -> dict[str, Any]:
        """The metadata in the manifest, not yet checked against its schema.

        Raises:
            MetadataError: there is none.
        """
        content = self.manifest_json
        metadata = content.get("metadata") if isinstance(content, dict) else None
        if not isinstance(metadata, dict):
            raise MetadataError(f"{self._path}:{MANIFEST_NAME}: $.metadata: expected an object.")
        return metadata

    @functools.cached_property
    def manifest(self) -> Manifest:
        """The manifest, after a check that the archive holds what it lists, no more and no less.

        Its metadata is not checked: that was done when the model was found, with a sidecar laid
        over it.

        Raises:
            BundleError: the members are not those of the manifest.
            MetadataError: the manifest does not fit its schema.
        """
        from raxe_core.manifest import read_manifest

        manifest = read_manifest(self.manifest_json, f"{self._path}:{MANIFEST_NAME}")
        self._compare_with(manifest)
        return manifest

    def __enter__(self) -> Bundle:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._archive.close()

    def has(self, name: str) -> bool:
        """Tell whether the bundle has this member."""
        return self.manifest.member(name) is not None

    def read(self, name: str) -> bytes:
        """Return the bytes of a member, checked against the manifest.

        Raises:
            BundleError: no such member, or its bytes are not those of the manifest.
        """
        import hashlib

        member = self._member(name)
        try:
            data = self._archive.read(name)
        except ArchiveError as error:
            raise self._error(str(error)) from None
        self._compare(member, hashlib.sha256(data).hexdigest())
        return data

    def copy(self, name: str, descriptor: int) -> None:
        """Write the bytes of a member to an empty open file, and check them there as :meth:`read`.

        Raises:
            BundleError: as :meth:`read`; what was written is then to be dropped.
            OSError: they cannot be written.
        """
        import hashlib
        from mmap import ACCESS_READ, mmap

        member = self._member(name)
        try:
            self._archive.copy(name, descriptor)
        except ArchiveError as error:
            raise self._error(str(error)) from None
        digest = hashlib.sha256()
        if member.size:  # an empty file cannot be mapped
            with mmap(descriptor, member.size, access=ACCESS_READ) as written:
                digest.update(written)
        self._compare(member, digest.hexdigest())

    def verify(self) -> None:
        """Check the manifest with its metadata, and every member, piece by piece, against it.

        Raises:
            BundleError: names the first member that differs.
            MetadataError: the manifest does not fit its schema.
        """
        import hashlib

        from raxe_core.manifest import structure_manifest

        structure_manifest(self.manifest_json, f"{self._path}:{MANIFEST_NAME}")
        for member in self.manifest.members:
            digest = hashlib.sha256()
            for chunk in self._chunks(member.name):
                digest.update(chunk)
            self._compare(member, digest.hexdigest())

    def digest(self) -> str:
        """Return ``sha256:`` and the hex digest of the whole file."""
        return self._archive.digest()

    def manifest_digest(self) -> str:
        """Return ``sha256:`` and the hex digest of the manifest that this object goes by.

        The manifest holds the SHA-256 of every other member, and :meth:`read` gives no other bytes:
        bundles of one manifest digest read alike, whatever becomes of their files meanwhile.
        """
        import hashlib

        return f"sha256:{hashlib.sha256(self._manifest_bytes).hexdigest()}"

    def _read_manifest(self) -> Any:
        size = self._archive.sizes.get(MANIFEST_NAME)
        if size is None:
            raise self._error(f"has no {MANIFEST_NAME}")
        if size > MAX_MANIFEST_BYTES:
            raise self._error(f"{MANIFEST_NAME} is larger than {MAX_MANIFEST_BYTES:,} bytes")
        try:
            self._manifest_bytes = self._archive.read_checked(MANIFEST_NAME)
        except ArchiveError as error:
            raise self._error(str(error)) from None
        return _parse_manifest(self._manifest_bytes, f"{self._path}:{MANIFEST_NAME}")

    def _compare_with(self, manifest: Manifest) -> None:
        listed = {member.name: member.size for member in manifest.members}
        if len(listed) != len(manifest.members):
            raise self._error(f"{MANIFEST_NAME} lists a member twice")
        there = {name: size for name, size in self._archive.sizes.items() if name != MANIFEST_NAME}
        for name in sorted(there.keys() ^ listed.keys()):
            fault = "is not listed in the manifest" if name in there else "is missing"
            raise self._error(f"member {name!r} {fault}")
        for name, size in listed.items():
            if there[name] != size:
                raise self._error(f"member {name!r} does not have the size of the manifest")

    def _member(self, name: str) -> Member:
        member = self.manifest.member(name)
        if member is None:
            raise self._error(f"has no member {name!r}")
        return member

    def _compare(self, member: Member, digest: str) -> None:
        if digest != member.sha256:
            raise self._error(f"member {member.name!r} does not have the SHA-256 of the manifest")

    def _chunks(self, name: str) -> Iterator[bytes]:
        try:
            yield from self._archive.chunks(name)
        except ArchiveError as error:
            raise self._error(str(error)) from None

    def _error(self, reason: str) -> BundleError:
        return BundleError(f"{self._path}: {reason}. Get the file again, or remove it.")


def pack(folder: Path) -> tuple[Manifest, bytes]:
    """Pack ``folder`` (a ``manifest.json`` without ``members``, and the files) into a bundle.

    The same input gives the same bytes on every machine: members are stored, sorted by name, with
    one fixed time.

    Returns:
        The completed manifest and the bytes of the bundle.

    Raises:
        BundleError: a file cannot be read, or is of a kind that bundles may not hold.
        MetadataError: the manifest does not fit its schema.
    """
    import hashlib

    from raxe_core.manifest import Member, manifest_json, read_manifest, structure_manifest

    try:
        text = read_regular(folder / MANIFEST_NAME, MAX_MANIFEST_BYTES)
        names = sorted(path.name for path in folder.iterdir() if path.name != MANIFEST_NAME)
        for name in names:
            if not MEMBER_NAME.fullmatch(name) or not name.endswith(ALLOWED_SUFFIXES):
                raise BundleError(
                    f"{folder / name}: bundles may not hold this. Allowed are plain names that "
                    f"end in {', '.join(ALLOWED_SUFFIXES)}."
                )
        files = {name: read_regular(folder / name, MAX_MEMBER_BYTES) for name in names}
    except OSError as error:
        where = error.filename or folder
        raise BundleError(f"{where}: cannot be read: {error.strerror or error}.") from None
    where = str(folder / MANIFEST_NAME)
    manifest = structure_manifest(_parse_manifest(text, where), where)._replace(
        members=tuple(
            Member(name=name, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
            for name, data in files.items()
        )
    )
    written = dump_json(manifest_json(manifest)).encode()
    read_back = read_manifest(_parse_manifest(written, where), where)
    return read_back, _zip_bytes({MANIFEST_NAME: written, **files})


def _zip_bytes(files: dict[str, bytes]) -> bytes:
    import io
    import zipfile  # not at the top: it imports what listing models has no use for

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, _ZIP_EPOCH)
            info.create_system = 3  # Unix on every system, for equal bytes
            info.external_attr = 0o100644 << 16
            archive.writestr(info, data)
    return buffer.getvalue()


def _parse_manifest(data: bytes, where: str) -> Any:
    try:
        return parse_json(data, limit=MAX_MANIFEST_BYTES)
    except ValueError as error:
        raise MetadataError(f"{where}: {error}. Mend the file, or get it again.") from None
