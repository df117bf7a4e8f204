"""The one reader of ZIP files, for archives that come from strangers.

Only the plainest form is read: a handful of regular files, stored or deflated, that do not overlap,
with nothing before, between or behind them. Nothing is ever extracted to disk.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from raxe_core.files import digest_of, open_regular

__all__ = ["ALLOWED_SUFFIXES", "MAX_BYTES", "MEMBER_NAME", "Archive", "ArchiveError"]

ALLOWED_SUFFIXES = (".onnx", ".safetensors", ".json", ".txt", ".md")
# At most three folders deep; each part starts with a letter or digit.
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
MEMBER_NAME = re.compile(rf"(?:{_PART}/){{0,2}}{_PART}")
MAX_BYTES = 4 << 30
MAX_MEMBERS = 64
MAX_RATIO = 200
MAX_INFLATED_BYTES = 512 << 20
MAX_DIRECTORY_BYTES = 64 << 10
MAX_VERSION = 63
CHUNK_BYTES = 1 << 20
HEAD_BYTES = 8 << 10
STORED, DEFLATED = 0, 8

# Of each record: what is read of it, in the order of the format (APPNOTE.TXT 4.3).
_END_RECORD = struct.Struct("<4s4HIIH")
_ENTRY = struct.Struct("<4s2xBx2H4x3I3H4x2I")
_LOCAL_HEADER = struct.Struct("<4s22x2H")

_ERRORS = (OSError, ValueError, struct.error, zlib.error)


class ArchiveError(Exception):
    """The archive cannot be read, or breaks a rule; the message is the reason alone."""


class _Member(NamedTuple):
    """One entry of the directory; ``header`` is where its own header starts."""

    name: str
    version: int
    flags: int
    method: int
    crc: int
    packed_size: int
    size: int
    mode: int
    header: int

    @property
    def is_folder(self) -> bool:
        return self.name.endswith("/")


class Archive:
    """An open archive: ``sizes`` maps each member's name to its size in bytes.

    The file is opened once, so what is hashed and what is read are the same file.

    Raises:
        ArchiveError: not readable, not a ZIP, or not of the plain form.
    """

    def __init__(self, path: Path | str) -> None:
        try:
            self._file = open_regular(path, MAX_BYTES)
        except OSError as error:
            raise ArchiveError(f"cannot be read: {error.strerror or error}") from None
        try:
            # All of a small archive, and what a list reads of most: the rest is read when asked.
            self._head = self._file.read(HEAD_BYTES)
            offset, length = self._check_ends()
            members = _members(self._read(offset, length))
            _check_sums(members)
            self._starts = self._find_starts(members, offset)
        except _ERRORS as error:
            self._file.close()
            raise ArchiveError(f"not a readable archive: {error}") from None
        self._members = {member.name: member for member in members if not member.is_folder}
        self.sizes = {name: member.size for name, member in self._members.items()}

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of a member, exactly as many as ``sizes`` says, piece by piece.

        Raises:
            ArchiveError: damaged, or more or fewer bytes than declared.
        """
        member = self._members[name]
        left, crc = member.size, 0
        try:
            for chunk in self._unpacked(member):
                left -= len(chunk)
                if left < 0:
                    break
                crc = zlib.crc32(chunk, crc)
                yield chunk
        except _ERRORS as error:
            raise ArchiveError(f"member {name!r} cannot be read: {error}") from None
        if left:
            raise ArchiveError(f"member {name!r} does not have its declared size")
        _compare_crc(member, crc)

    def read_checked(self, name: str) -> bytes:
        """Return the bytes of a small member at once.

        Raises:
            ArchiveError: as :meth:`chunks`.
        """
        data = self.read(name)
        _compare_crc(self._members[name], zlib.crc32(data))
        return data

    def read(self, name: str) -> bytes:
        """Return the bytes of a member for a caller who knows their SHA-256: no CRC-32 is made.

        Raises:
            ArchiveError: as :meth:`chunks`.
        """
        member = self._members[name]
        if member.method != STORED:
            return b"".join(self.chunks(name))
        if member.packed_size != member.size:
            raise ArchiveError(f"member {name!r} does not have its declared size")
        try:
            return self._read(self._starts[name], member.size)
        except _ERRORS as error:
            raise ArchiveError(f"member {name!r} cannot be read: {error}") from None

    def copy(self, name: str, descriptor: int) -> None:
        """Write the bytes of a member to an open file, as :meth:`read` gives them.

        Raises:
            ArchiveError: as :meth:`chunks`.
            OSError: they cannot be written.
        """
        member = self._members[name]
        plain = member.method == STORED and member.packed_size == member.size
        if not plain or sys.platform != "linux":
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                file.write(self.read(name))
            return
        # In one step within the kernel: every one in Python would wait for other threads.
        at, end = self._starts[name], self._starts[name] + member.size
        while at < end:
            sent = os.sendfile(descriptor, self._file.fileno(), at, end - at)
            if not sent:
                raise ArchiveError(f"member {name!r} does not have its declared size")
            at += sent

    def digest(self) -> str:
        """Return ``sha256:`` and the hex digest of the whole file."""
        return digest_of(self._file)

    def _read(self, offset: int, length: int) -> bytes:
        data = self._head[offset : offset + length]
        if len(data) == length:
            return data
        pieces = []
        self._file.seek(offset)
        while length and (piece := self._file.read(length)):  # systems give 2 GB at most
            pieces.append(piece)
            length -= len(piece)
        if length:
            raise ValueError("the file ends too early")
        return b"".join(pieces)

    def _unpacked(self, member: _Member) -> Iterator[bytes]:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        # No more than a byte beyond what is declared, however much a member unpacks to.
        length = min(CHUNK_BYTES, member.size + 1)
        start = self._starts[member.name]
        end = start + member.packed_size
        for offset in range(start, end, length):
            data = self._read(offset, min(length, end - offset))
            if member.method == STORED:
                yield data
                continue
            while chunk := inflate.decompress(data, length):
                yield chunk
                data = inflate.unconsumed_tail

    def _check_ends(self) -> tuple[int, int]:
        """Return offset and length of the directory.

        The first member starts the file, and one end record of a short directory ends it.
        """
        starts = self._head.startswith(b"PK\x03\x04")
        size = self._file.seek(0, os.SEEK_END)
        record = self._read(max(0, size - _END_RECORD.size), min(size, _END_RECORD.size))
        if len(record) != _END_RECORD.size or record[:4] != b"PK\x05\x06":
            raise ValueError("no archive, or bytes before or behind it")
        _, *disks, here, members, length, offset, _ = _END_RECORD.unpack(record)
        if any(disks) or here != members:
            raise ValueError("a part of an archive on several disks")
        if not 1 <= members <= MAX_MEMBERS:
            raise ValueError(f"{members} members, allowed are 1 to {MAX_MEMBERS}")
        if length > MAX_DIRECTORY_BYTES:
            raise ValueError(f"a directory of {length:,} bytes is too long")
        if not starts or offset + length + _END_RECORD.size != size:
            raise ValueError("bytes before or behind the archive, or a damaged end record")
        return offset, length

    def _find_starts(self, members: list[_Member], directory: int) -> dict[str, int]:
        """Return where the bytes of each member start, behind its own header.

        Entries that share bytes are refused, and so are bytes of no entry.
        """
        starts = {}
        expected = {0}
        for member in sorted(members, key=lambda member: member.header):
            if member.header not in expected:
                raise ValueError(f"member {member.name!r} overlaps another, or leaves a gap")
            name = member.name.encode("ascii")
            behind = member.header + _LOCAL_HEADER.size + len(name)
            header = self._read(member.header, _LOCAL_HEADER.size + len(name))
            mark, length, extra = _LOCAL_HEADER.unpack_from(header)
            if mark != b"PK\x03\x04" or length != len(name) or not header.endswith(name):
                raise ValueError(f"member {member.name!r} has a header of another name")
            starts[member.name] = behind + extra
            end = behind + extra + member.packed_size
            # Behind a member that was written as a stream stand its sizes, with a mark or without.
            expected = {end + 12, end + 16} if member.flags & 8 else {end}
        if directory not in expected:
            raise ValueError("members overlap the directory, or leave a gap")
        return starts


def _compare_crc(member: _Member, crc: int) -> None:
    if crc != member.crc:
        raise ArchiveError(f"member {member.name!r} cannot be read: its CRC-32 is another")


def _members(directory: bytes) -> list[_Member]:
    """Return the entries of the directory, each a plain file or folder."""
    members = []
    at = 0
    while at < len(directory):
        mark, *fields, name, extra, comment, mode, header = _ENTRY.unpack_from(directory, at)
        if mark != b"PK\x01\x02":
            raise ValueError("a damaged directory")
        at += _ENTRY.size
        text = directory[at : at + name].decode("latin-1")
        members.append(_Member._make([text, *fields, mode >> 16, header]))
        at += name + extra + comment
    if at != len(directory):
        raise ValueError("a damaged directory")
    if not 1 <= len(members) <= MAX_MEMBERS:
        raise ValueError(f"{len(members)} members, allowed are 1 to {MAX_MEMBERS}")
    for member in members:
        _check_member(member)
    return members


def _check_sums(members: list[_Member]) -> None:
    """Refuse what unpacks to too much, and two members of one name but for case."""
    total = inflated = 0
    names: set[str] = set()
    for member in members:
        total += member.size
        inflated += member.size if member.method else 0
        folded = member.name.casefold()
        if folded in names:
            raise ValueError(f"member {member.name!r} stands twice")
        names.add(folded)
    if total > MAX_BYTES:
        raise ValueError(f"unpacks to more than {MAX_BYTES:,} bytes")
    if inflated > MAX_INFLATED_BYTES:
        raise ValueError(f"deflated members unpack to more than {MAX_INFLATED_BYTES:,} bytes")


def _check_member(member: _Member) -> None:
    """Refuse an entry that is anything but a plain file or a folder."""
    name = member.name
    if not MEMBER_NAME.fullmatch(name.removesuffix("/")):
        raise ValueError(f"member name {name[:80]!r} is not a plain name")
    if member.is_folder:
        if member.size:
            raise ValueError(f"folder {name!r} has content")
    elif not name.endswith(ALLOWED_SUFFIXES):
        raise ValueError(f"member {name!r} is of a kind that bundles may not hold")
    if stat.S_IFMT(member.mode) not in (0, stat.S_IFDIR if member.is_folder else stat.S_IFREG):
        raise ValueError(f"member {name!r} is not a regular file")
    if member.version > MAX_VERSION:
        raise ValueError(f"member {name!r} is of a later version of the format")
    if member.flags & ~0x80E:  # deflate options, data descriptor, UTF-8 name
        raise ValueError(f"member {name!r} is encrypted or uses an unknown feature")
    if member.method not in (STORED, DEFLATED):
        raise ValueError(f"member {name!r} is compressed by an unknown method")
    if member.size > MAX_RATIO * max(member.packed_size, 1):
        raise ValueError(f"member {name!r} unpacks to more than {MAX_RATIO} times its size")
