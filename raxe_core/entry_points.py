"""Find the entry points of one group, distribution by distribution, without importing anything.

``importlib.metadata`` gives the same answer, but its import alone takes three times as long as an
empty Python program, and one damaged distribution makes it fail for all of them.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from raxe_core.files import read_regular

__all__ = [
    "Distribution",
    "EntryPoint",
    "find_distributions",
    "find_entry_points",
    "normalized",
]


class Distribution(NamedTuple):
    """An installed distribution: its version, and the folder that describes it."""

    version: str
    info: Path


class EntryPoint(NamedTuple):
    """One entry point: ``value`` is a module; a damaged file gives a ``problem`` instead."""

    distribution: str
    version: str
    name: str
    value: str
    location: Path
    problem: str | None = None


def normalized(distribution: str) -> str:
    """Return a distribution's name in its normal form (PEP 503): ``Raxe_ONNX`` is ``raxe-onnx``."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def find_entry_points(group: str, path: Iterable[str] | None = None) -> list[EntryPoint]:
    """Return the entry points of ``group`` on ``path`` (``sys.path``), sorted by distribution.

    The first distribution of a name hides later ones, as it does on import. The working directory
    is not searched: a folder must not become a plugin because a shell stands in it.
    """
    installed = find_distributions(path)
    return [
        point
        for name in sorted(installed)
        for point in _entry_points_of(installed[name].info, name, installed[name].version, group)
    ]


def find_distributions(path: Iterable[str] | None = None) -> dict[str, Distribution]:
    """Return the distributions on ``path`` (``sys.path``) by name, as :func:`find_entry_points`."""
    found: dict[str, Distribution] = {}
    for folder in sys.path if path is None else path:
        for info in _dist_infos(folder):
            name, _, version = info.name.removesuffix(".dist-info").partition("-")
            found.setdefault(normalized(name), Distribution(version, info))
    return found


def _dist_infos(folder: str) -> list[Path]:
    if not folder:
        return []
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry) for entry in entries if entry.name.endswith(".dist-info"))
    except OSError:
        return []


def _entry_points_of(info: Path, name: str, version: str, group: str) -> Iterator[EntryPoint]:
    try:
        data = read_regular(info / "entry_points.txt", 1 << 20)
    except OSError:
        return
    if f"[{group}]".encode() not in data:
        return
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        problem = f"{info / 'entry_points.txt'} is not UTF-8; install {name} again"
        yield EntryPoint(name, version, "", "", info.parent, problem)
        return
    section = ""
    for line in map(str.strip, lines):
        if line.startswith("["):
            section = line.strip("[]").strip()
        elif section == group and "=" in line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            yield EntryPoint(name, version, key.strip(), value.strip(), info.parent)
