"""What became of a plugin: its status and its faults."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CORE", "PluginInfo", "PluginProblem"]

CORE = "raxe-core"  # the distribution of the built-in plugins


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
