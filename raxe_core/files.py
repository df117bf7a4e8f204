"""Files: bounded reads, atomic writes, and where raxe keeps its own."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from raxe_core.errors import ConfigError

__all__ = [
    "atomic_write",
    "digest_of",
    "locked",
    "open_regular",
    "raxe_home",
    "read_regular",
    "replacing",
]


def raxe_home() -> Path:
    """Return the folder for config and drop-in models: ``$RAXE_HOME``, or ``~/.raxe``.

    Raises:
        ConfigError: there is neither ``RAXE_HOME`` nor a home folder.
    """
    named = os.environ.get("RAXE_HOME")
    if named:
        return Path(named)
    try:
        return Path.home() / ".raxe"
    except RuntimeError:
        raise ConfigError("No home folder is known; set RAXE_HOME to a folder of yours.") from None


def open_regular(path: Path, limit: int) -> int:
    """Open ``path`` for reading and return its file descriptor.

    Devices, pipes and sockets are refused before anything is read from them (opening one must not
    hang), and so is a file of more than ``limit`` bytes.

    Raises:
        OSError: not there, not readable, not a regular file, too large.
    """
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


def read_regular(path: Path, limit: int) -> bytes:
    """Return the bytes of a regular file of at most ``limit`` bytes.

    Raises:
        OSError: as :func:`open_regular`.
    """
    with os.fdopen(open_regular(path, limit), "rb") as file:
        return file.read(limit)


def digest_of(file: IO[bytes]) -> str:
    """Return ``sha256:`` and the hex digest of an open file, from its beginning."""
    import hashlib  # not at the top: it loads OpenSSL, and listing models needs no digest

    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file beside ``path`` to write to, and rename it to ``path`` at the end.

    A reader or a crash sees the old file or the new one. When the block raises, ``path`` is as it
    was and the temporary file is gone.

    Raises:
        OSError: the folder cannot be written, the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        _sync(temporary, os.O_RDWR)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if hasattr(os, "O_DIRECTORY"):  # make the rename itself durable, where the system can
        _sync(path.parent, os.O_RDONLY | os.O_DIRECTORY)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of ``path`` around a read and a write, against other processes and threads.

    The system frees the lock when its owner dies.

    Raises:
        ConfigError: another process held it for 10 seconds, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=10)
        lock.acquire()
    except Timeout:
        raise ConfigError(f"{path}: another process is changing it. Try again.") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be locked: {error.strerror or error}.") from None
    try:
        yield
    finally:
        lock.release()


def atomic_write(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` in one step; raises as :func:`replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
