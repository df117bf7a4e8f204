"""Files: bounded reads, atomic writes, and where raxe keeps its own."""

from __future__ import annotations

import errno
import io
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO

from raxe_core.errors import ConfigError

__all__ = [
    "atomic_write",
    "digest_of",
    "file_digest",
    "locked",
    "open_regular",
    "raxe_home",
    "read_regular",
    "replacing",
]

LOCK_SECONDS = 10.0
STALE_SECONDS = 3_600.0
PIECE_BYTES = 64 << 10
_TEMPORARY = ".raxe-tmp"


def raxe_home() -> Path:
    """Return the folder for config and drop-in models: ``$RAXE_HOME``, or ``~/.raxe``.

    Raises:
        ConfigError: there is neither ``RAXE_HOME`` nor a home folder.
    """
    named = os.environ.get("RAXE_HOME")
    if named:
        return _absolute(named)
    try:
        return Path.home() / ".raxe"
    except RuntimeError:
        raise ConfigError("No home folder is known; set RAXE_HOME to a folder of yours.") from None


@cache
def _absolute(path: str) -> Path:
    """A relative path keeps its meaning when the working folder changes."""
    return Path(path).absolute()


def open_regular(path: Path | str, limit: int) -> IO[bytes]:
    """Open ``path`` for reading, without a buffer.

    Devices, pipes and sockets are refused before anything is read from them (opening one must not
    hang), and so is a file of more than ``limit`` bytes.

    Raises:
        OSError: not there, not readable, not a regular file, too large.
    """
    return io.FileIO(_open_descriptor(path, limit))


def read_regular(path: Path | str, limit: int) -> bytes:
    """Return the bytes of a regular file of at most ``limit`` bytes.

    Raises:
        OSError: as :func:`open_regular`.
    """
    pieces = []
    left = limit
    descriptor = _open_descriptor(path, limit)  # a file object takes as long as the rest
    try:
        # Not at once: to make room for a megabyte takes longer than to read a small file.
        while piece := os.read(descriptor, min(left, PIECE_BYTES)):
            pieces.append(piece)
            left -= len(piece)
    finally:
        os.close(descriptor)
    return b"".join(pieces)


def digest_of(file: IO[bytes]) -> str:
    """Return ``sha256:`` and the hex digest of an open file, from its beginning."""
    import hashlib  # not at the top: it loads OpenSSL, and listing models needs no digest

    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def file_digest(path: Path, limit: int) -> str:
    """Return :func:`digest_of` a regular file of at most ``limit`` bytes.

    Raises:
        OSError: as :func:`open_regular`.
    """
    with open_regular(path, limit) as file:
        return digest_of(file)


@contextmanager
def replacing(path: Path, mode: int = 0o666) -> Iterator[Path]:
    """Give a temporary file beside ``path`` to write to, and rename it to ``path`` at the end.

    A reader or a crash sees the old file or the new one. When the block raises, ``path`` is as it
    was and the temporary file is gone; what a killed process leaves, a later one removes. A link
    stays one, and the file it points to is replaced; that file's permissions stay, a new file has
    ``mode`` less the umask. A device or a pipe is written to as it is.

    Raises:
        OSError: the folder cannot be written, the disk is full.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    path = _linked(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent)
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}{_TEMPORARY}")
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
    try:
        yield temporary
        with suppress(FileNotFoundError):
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        _sync(temporary, os.O_RDWR)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if hasattr(os, "O_DIRECTORY"):  # make the rename itself durable, where the system can
        with suppress(OSError):
            _sync(path.parent, os.O_RDONLY | os.O_DIRECTORY)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of ``path`` around a read and a write, against other processes and threads.

    The system frees the lock when its owner dies.

    Raises:
        ConfigError: another process held it for 10 seconds, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout, UnixFileLock

    path = _linked(path)
    beside = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(beside, timeout=LOCK_SECONDS)
        lock.acquire()
    except Timeout:
        raise ConfigError(f"{path}: {_holder(beside)} is changing it. Try again later.") from None
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{path}: cannot be locked: {reason}. Its folder must be one that you can write to."
        ) from None
    try:
        if isinstance(lock, UnixFileLock):  # the file of another kind of lock is not ours to fill
            with suppress(OSError):
                beside.write_text(f"{os.getpid()}\n{os.uname().nodename}\n")
        yield
    finally:
        lock.release()


def atomic_write(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write ``data`` to ``path`` in one step; ``mode`` and errors are as in :func:`replacing`."""
    with replacing(path, mode) as temporary:
        temporary.write_bytes(data)


def _open_descriptor(path: Path | str, limit: int) -> int:
    """Open ``path`` as :func:`open_regular` does."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_size <= limit:
        return descriptor
    os.close(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    reason = f"{status.st_size:,} bytes are more than the {limit:,} allowed"
    raise OSError(errno.EFBIG, reason, str(path))


def _linked(path: Path) -> Path:
    """Return the file that a path leads to through its links."""
    return Path(os.path.realpath(path))


@cache
def _sweep(folder: Path) -> None:
    """Remove what killed processes left in a folder; looked for once in a process."""
    before = time.time() - STALE_SECONDS
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(_TEMPORARY) and entry.stat().st_mtime < before:
                Path(entry).unlink(missing_ok=True)


def _holder(lock: Path) -> str:
    """Name the process that holds a lock, where its file tells."""
    try:
        process, host = lock.read_text("utf-8").split()[:2]
    except (OSError, ValueError):
        return "another process"
    return f"process {process} on {host}"


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
