"""What is no file, or not where one expects it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

from hostile.case import BAD, Case, bundle, place
from raxe_core.discovery import bundle_filename


def bad_path(home: Path) -> Path:
    """Where the bad bundle of a case stands."""
    return home / "models" / bundle_filename(BAD)


def linked_to(target: str) -> Callable[[Path], object]:
    """A build that leaves a symbolic link."""
    return lambda home: bad_path(home).symlink_to(target)


def sparse(home: Path) -> None:
    with place(home, bundle()).open("r+b") as file:
        file.truncate(8 << 30)


def bound_socket(home: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(home / "models")  # the path of a socket may have a hundred bytes
        try:
            server.bind(bad_path(home).name)
        finally:
            os.chdir(here)


def hard_link(home: Path) -> None:
    (home / "elsewhere").write_bytes(bundle())
    os.link(home / "elsewhere", bad_path(home))


def linked_folder(home: Path) -> None:
    (home / "other").mkdir()
    (home / "other" / "sound.raxe").write_bytes(bundle())
    bad_path(home).symlink_to(home / "other", target_is_directory=True)


def sidecar_that_is(make: Callable[[Path], object]) -> Callable[[Path], object]:
    """A build that leaves a sound bundle, and something in the place of its sidecar."""

    def build(home: Path) -> None:
        place(home, bundle())
        (home / "models" / "metadata").mkdir()
        make(home / "models" / "metadata" / f"{BAD}.json")

    return build


def metadata_is_a_file(home: Path) -> None:
    place(home, bundle())
    (home / "models" / "metadata").write_text("no folder")


def odd_name(name: str) -> Callable[[Path], object]:
    """A build that leaves a sound bundle under a name that is no model id."""

    def build(home: Path) -> None:
        (home / "models" / os.fsencode(name).decode("utf-8", "surrogateescape")).write_bytes(
            bundle()
        )

    return build


def leftovers(home: Path) -> None:
    place(home, bundle())
    for name in (".hidden.raxe", "a.raxe~", "b.raxe.tmp", "core"):
        (home / "models" / name).write_bytes(b"left over")


FAMILY = "file system"
CASES = [
    Case(FAMILY, "folder", lambda home: bad_path(home).mkdir(), reason="not a regular file"),
    Case(FAMILY, "pipe", lambda home: os.mkfifo(bad_path(home)), reason="not a regular file"),
    Case(FAMILY, "socket", bound_socket, reason="No such device|not a regular file"),
    Case(FAMILY, "endless device", linked_to("/dev/zero"), reason="not a regular file"),
    Case(FAMILY, "empty device", linked_to("/dev/null"), reason="not a regular file"),
    Case(FAMILY, "file of the system", linked_to("/etc/passwd"), reason="archive"),
    Case(FAMILY, "memory of the process", linked_to("/proc/self/mem")),
    Case(FAMILY, "link to itself", linked_to(bundle_filename(BAD)), reason="symbolic links"),
    Case(FAMILY, "dangling link", linked_to("gone"), reason="No such file"),
    Case(FAMILY, "link to a folder", linked_folder, reason="not a regular file"),
    Case(FAMILY, "sparse file of 8 GiB", sparse, reason="more than the"),
    Case(FAMILY, "empty file", lambda home: bad_path(home).touch(), reason="archive"),
    Case(FAMILY, "hard link", hard_link, "reject-or-safe"),
    Case(FAMILY, "sidecar is a folder", sidecar_that_is(Path.mkdir), reason="cannot be read"),
    Case(FAMILY, "sidecar is a pipe", sidecar_that_is(os.mkfifo), reason="not a regular file"),
    Case(
        FAMILY,
        "sidecar is endless",
        sidecar_that_is(lambda path: path.symlink_to("/dev/zero")),
        reason="not a regular file",
    ),
    Case(
        FAMILY,
        "sidecar is a file of the system",
        sidecar_that_is(lambda path: path.symlink_to("/etc/passwd")),
        reason="JSON|line|Expecting",
    ),
    Case(
        FAMILY,
        "sidecar links to nothing",
        sidecar_that_is(lambda path: path.symlink_to("gone")),
        "reject-or-safe",
    ),
    Case(FAMILY, "metadata is a file", metadata_is_a_file, "reject-or-safe"),
    Case(FAMILY, "leftovers of an editor", leftovers, "accept"),
    Case(FAMILY, "name with an escape", odd_name("a\x1b[31mb.raxe"), "reject-or-safe"),
    Case(FAMILY, "name with a newline", odd_name("a\nb.raxe"), "reject-or-safe"),
    Case(FAMILY, "name that is reordered", odd_name("a\u202eexar.raxe"), "reject-or-safe"),
    Case(FAMILY, "name that is not UTF-8", odd_name("a\udcff.raxe"), "reject-or-safe"),
    Case(FAMILY, "name with markup", odd_name("[red]a[1].raxe"), "reject-or-safe"),
]
