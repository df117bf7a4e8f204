"""The one reader of ZIP files, for archives that come from strangers.

Only the plainest form is read: a handful of regular files, stored or deflated, that do not overlap,
with nothing before, between or behind them. Nothing is ever extracted to disk.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from raxe_core.files import digest_of, open_regular

__all__ = ["ALLOWED_SUFFIXES", "CHUNK_BYTES", "MAX_BYTES", "MEMBER_NAME", "Archive", "ArchiveError"]

ALLOWED_SUFFIXES = (".onnx", ".safetensors", ".json", ".txt", ".md")
# At most three folders deep; each part starts with a letter or digit.
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
MEMBER_NAME = re.compile(rf"(?:{_PART}/){{0,2}}{_PART}")
MAX_BYTES = 4 << 30
MAX_MEMBERS = 64
MAX_RATIO = 200
MAX_INFLATED_BYTES = 512 << 20
MAX_DIRECTORY_BYTES = 64 << 10
CHUNK_BYTES = 1 << 20
_END_RECORD_BYTES = 22

# What zipfile raises on broken archives; it wraps only some of it in BadZipFile.
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


class ArchiveError(Exception):
    """The archive cannot be read, or breaks a rule; the message is the reason alone."""


class Archive:
    """An open archive: ``sizes`` maps each member's name to its size in bytes.

    The file is opened once, so what is hashed and what is read are the same file.

    Raises:
        ArchiveError: not readable, not a ZIP, or not of the plain form.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file: IO[bytes] = os.fdopen(open_regular(path, MAX_BYTES), "rb")
        except OSError as error:
            raise ArchiveError(f"cannot be read: {error.strerror or error}") from None
        try:
            self._check_ends()
            self._zip = zipfile.ZipFile(self._file)
            self.sizes = self._checked_directory()
        except _ZIP_ERRORS as error:
            self._file.close()
            raise ArchiveError(f"not a readable archive: {error}") from None

    def close(self) -> None:
        """Close the file."""
        self._zip.close()
        self._file.close()

    def chunks(self, name: str, length: int = CHUNK_BYTES) -> Iterator[bytes]:
        """Yield the bytes of a member, exactly as many as ``sizes`` says, ``length`` at a time.

        Raises:
            ArchiveError: damaged, or more or fewer bytes than declared.
        """
        left = self.sizes[name]
        try:
            with self._zip.open(name) as member:
                while chunk := member.read(length):
                    left -= len(chunk)
                    if left < 0:
                        break
                    yield chunk
        except _ZIP_ERRORS as error:
            raise ArchiveError(f"member {name!r} cannot be read: {error}") from None
        if left:
            raise ArchiveError(f"member {name!r} does not have its declared size")

    def digest(self) -> str:
        """Return ``sha256:`` and the hex digest of the whole file."""
        return digest_of(self._file)

    def _checked_directory(self) -> dict[str, int]:
        infos = self._zip.infolist()
        if not 1 <= len(infos) <= MAX_MEMBERS:
            raise ValueError(f"{len(infos)} members, allowed are 1 to {MAX_MEMBERS}")
        if sum(info.file_size for info in infos) > MAX_BYTES:
            raise ValueError(f"unpacks to more than {MAX_BYTES:,} bytes")
        if sum(info.file_size for info in infos if info.compress_type) > MAX_INFLATED_BYTES:
            raise ValueError(f"deflated members unpack to more than {MAX_INFLATED_BYTES:,} bytes")
        names: set[str] = set()
        for info in infos:
            _check_entry(info)
            folded = info.filename.casefold()
            if folded in names:
                raise ValueError(f"member {info.filename!r} stands twice")
            names.add(folded)
        self._check_no_gap(infos)
        return {info.filename: info.file_size for info in infos if not info.is_dir()}

    def _check_ends(self) -> None:
        """The first member starts the file, and one end record of a short directory ends it.

        This comes before zipfile, which would read a directory of any length.
        """
        starts = self._file.read(4) == b"PK\x03\x04"
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(max(0, size - _END_RECORD_BYTES))
        record = self._file.read()
        if len(record) != _END_RECORD_BYTES or record[:4] != b"PK\x05\x06":
            raise ValueError("no archive, or bytes before or behind it")
        *disks, here, members, length, self._directory, _ = struct.unpack("<4x4HIIH", record)
        if any(disks) or here != members:
            raise ValueError("a part of an archive on several disks")
        if not 1 <= members <= MAX_MEMBERS:
            raise ValueError(f"{members} members, allowed are 1 to {MAX_MEMBERS}")
        if length > MAX_DIRECTORY_BYTES:
            raise ValueError(f"a directory of {length:,} bytes is too long")
        if not starts or self._directory + length + _END_RECORD_BYTES != size:
            raise ValueError("bytes before or behind the archive, or a damaged end record")

    def _check_no_gap(self, infos: list[zipfile.ZipInfo]) -> None:
        """Refuse entries that share bytes (Python before 3.12.2 does not), and bytes of none."""
        expected = {0}
        for info in sorted(infos, key=lambda info: info.header_offset):
            if info.header_offset not in expected:
                raise ValueError(f"member {info.filename!r} overlaps another, or leaves a gap")
            self._file.seek(info.header_offset)
            name, extra = struct.unpack("<26xHH", self._file.read(30))
            end = info.header_offset + 30 + name + extra + info.compress_size
            # Behind a member that was written as a stream stand its sizes, with a mark or without.
            expected = {end + 12, end + 16} if info.flag_bits & 8 else {end}
        if self._directory not in expected or self._zip.start_dir != self._directory:
            raise ValueError("members overlap the directory, or leave a gap")


def _check_entry(info: zipfile.ZipInfo) -> None:
    """Refuse an entry that is anything but a plain file or a folder."""
    name = info.filename
    if info.orig_filename != name or not MEMBER_NAME.fullmatch(name.removesuffix("/")):
        raise ValueError(f"member name {info.orig_filename[:80]!r} is not a plain name")
    if info.is_dir():
        if info.file_size:
            raise ValueError(f"folder {name!r} has content")
    elif not name.endswith(ALLOWED_SUFFIXES):
        raise ValueError(f"member {name!r} is of a kind that bundles may not hold")
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFDIR if info.is_dir() else stat.S_IFREG):
        raise ValueError(f"member {name!r} is not a regular file")
    if info.flag_bits & ~0x80E:  # deflate options, data descriptor, UTF-8 name
        raise ValueError(f"member {name!r} is encrypted or uses an unknown feature")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"member {name!r} is compressed by an unknown method")
    if info.file_size > MAX_RATIO * max(info.compress_size, 1):
        raise ValueError(f"member {name!r} unpacks to more than {MAX_RATIO} times its size")
