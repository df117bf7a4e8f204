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
    """An installed distribution: its version, and the path of the folder that describes it."""

    version: str
    info: str


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
        for described, info in _dist_infos(folder):
            name, _, version = described.removesuffix(".dist-info").partition("-")
            found.setdefault(normalized(name), Distribution(version, info))
    return found


def _dist_infos(folder: str) -> list[tuple[str, str]]:
    """Return the names and paths of the folders that describe distributions."""
    if not folder:
        return []
    try:
        with os.scandir(folder) as entries:
            return sorted((e.name, e.path) for e in entries if e.name.endswith(".dist-info"))
    except OSError:
        return []


def _entry_points_of(info: str, name: str, version: str, group: str) -> Iterator[EntryPoint]:
    file = f"{info}{os.sep}entry_points.txt"
    try:
        data = read_regular(file, 1 << 20)
    except OSError:
        return
    if f"[{group}]".encode() not in data:
        return
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        problem = f"{file} is not UTF-8; install {name} again"
        yield EntryPoint(name, version, "", "", Path(info).parent, problem)
        return
    section = ""
    for line in map(str.strip, lines):
        if line.startswith("["):
            section = line.strip("[]").strip()
        elif section == group and "=" in line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            yield EntryPoint(name, version, key.strip(), value.strip(), Path(info).parent)
