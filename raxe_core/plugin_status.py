"""What became of a plugin: its status, its faults, and whether it may be imported at all."""

from __future__ import annotations

import os
from typing import NamedTuple

from raxe_core.entry_points import normalized

__all__ = ["PluginInfo", "PluginProblem", "blocked_by"]


class PluginInfo(NamedTuple):
    """One plugin as ``raxe plugins list`` shows it.

    ``status`` is ``active``, ``blocked``, ``failed`` or ``incompatible``; ``reason`` says why it is
    not active. ``import_ms`` is the wall time of its import.
    """

    distribution: str
    version: str
    entry_point: str
    location: str
    status: str = "active"
    reason: str | None = None
    import_ms: float | None = None
    hooks: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()


class PluginProblem(NamedTuple):
    """A fault of a plugin that was caught: where it happened and what it said."""

    distribution: str
    stage: str
    reason: str

    def __str__(self) -> str:
        return f"plugin {self.distribution} failed in {self.stage}: {self.reason}"


def blocked_by(distribution: str) -> str | None:
    """Tell why a distribution is not to be imported, or None."""
    allowed = os.environ.get("RAXE_PLUGINS")
    if allowed is not None and distribution not in _names(allowed):
        return "RAXE_PLUGINS does not name it"
    if distribution in _names(os.environ.get("RAXE_PLUGINS_BLOCK", "")):
        return "RAXE_PLUGINS_BLOCK names it"
    return None


def _names(variable: str) -> set[str]:
    return {normalized(name.strip()) for name in variable.split(",") if name.strip()}
