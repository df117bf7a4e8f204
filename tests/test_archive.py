"""Only the plainest archives are read; every other one is refused with a reason."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from hostile.archives import HOSTILE, compressed, deflated, streamed
from hostile.case import archive
from hypothesis import given, settings
from hypothesis import strategies as st

from raxe_core.archive import Archive, ArchiveError

Pack = Callable[..., bytes]
LONG = bytes(range(256)) * 100


def in_pieces(path: Path) -> dict[str, bytes]:
    """Open, read every member piece by piece, close."""
    opened = Archive(path)
    try:
        return {name: b"".join(opened.chunks(name)) for name in opened.sizes}
    finally:
        opened.close()


def at_once(path: Path, read: Callable[[Archive, str], bytes] = Archive.read) -> dict[str, bytes]:
    """Open, read every member at once, close."""
    opened = Archive(path)
    try:
        return {name: read(opened, name) for name in opened.sizes}
    finally:
        opened.close()


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archive_is_refused_with_its_reason(tmp_path: Path, case: str) -> None:
    make, reason = HOSTILE[case]
    path = tmp_path / "a.raxe"
    path.write_bytes(make())
    with pytest.raises(ArchiveError, match=reason):
        in_pieces(path)
    with pytest.raises(ArchiveError, match=reason):
        at_once(path, Archive.read_checked)
    if reason != "CRC":  # for a stored member, its SHA-256 stands for it
        with pytest.raises(ArchiveError, match=reason):
            at_once(path)


@pytest.mark.parametrize(
    ("data", "content"),
    [
        (archive(("a.json", b"{}")), {"a.json": b"{}"}),
        (compressed(zipfile.ZIP_DEFLATED, 500), {"a.json": bytes(500)}),
        (archive(("f/", b""), ("f/g/a-1.0_b.txt", b"x")), {"f/g/a-1.0_b.txt": b"x"}),
        (archive(*((f"a{n}.txt", b"") for n in range(64))), {f"a{n}.txt": b"" for n in range(64)}),
        (archive(("a.md", LONG), ("b.txt", b"x")), {"a.md": LONG, "b.txt": b"x"}),
    ],
    ids=["stored", "deflated", "folders", "64 members", "more than is read at once"],
)
def test_plain_archive_is_read(tmp_path: Path, data: bytes, content: dict[str, bytes]) -> None:
    path = tmp_path / "a.raxe"
    path.write_bytes(data)
    assert in_pieces(path) == at_once(path) == at_once(path, Archive.read_checked) == content


def test_member_is_whole_where_the_system_reads_less_than_is_asked(tmp_path: Path) -> None:
    class Slow(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, 1_000))

    path = tmp_path / "a.raxe"
    path.write_bytes(archive(("a.md", LONG), ("b.txt", b"x")))
    with mock.patch("raxe_core.archive.open_regular", lambda path, _: Slow(path)):
        assert in_pieces(path) == at_once(path) == {"a.md": LONG, "b.txt": b"x"}


CONTENT = st.binary(max_size=300) | st.integers(1, 900).map(lambda size: b"abc" * size)
MEMBERS = st.dictionaries(st.sampled_from(["a.json", "b/c.txt", "d.md"]), CONTENT, min_size=1)


@given(MEMBERS, st.sampled_from([archive, deflated, streamed]), st.integers(1, 400))
def test_every_piece_is_that_of_the_member(
    members: dict[str, bytes], pack: Pack, length: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.raxe")
        path.write_bytes(pack(*members.items()))
        opened = Archive(path)
        with mock.patch("raxe_core.archive.CHUNK_BYTES", length):
            for name, content in members.items():
                pieces = list(opened.chunks(name))
                assert b"".join(pieces) == content
                assert all(len(piece) <= length for piece in pieces)
        opened.close()


@settings(max_examples=300)
@given(st.data(), st.sampled_from([archive, deflated, streamed]))
def test_what_is_read_is_what_zipfile_reads(draw: st.DataObject, pack: Pack) -> None:
    data = bytearray(pack(("a.json", b"abc" * 20), ("b.txt", b"x")))
    for _ in range(draw.draw(st.integers(1, 2))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.raxe")
        path.write_bytes(data)
        try:
            found = at_once(path)
            assert in_pieces(path) == found
        except ArchiveError:
            return
        with zipfile.ZipFile(path) as file:
            assert found == {name: file.read(name) for name in file.namelist()}


def test_digest_is_that_of_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.raxe"
    path.write_bytes(archive(("a.json", b"{}")))
    opened = Archive(path)
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert opened.digest() == f"sha256:{expected}"
    assert b"".join(opened.chunks("a.json")) == b"{}"
    opened.close()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_special_files_are_refused_before_they_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.raxe")
    (tmp_path / "folder.raxe").mkdir()
    for name, reason in (
        ("pipe.raxe", "not a regular file"),
        ("folder.raxe", "not a regular file"),
        ("none.raxe", "No such file"),
    ):
        with pytest.raises(ArchiveError, match=reason):
            Archive(tmp_path / name)
