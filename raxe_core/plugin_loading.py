"""Load one plugin: import and register it, unless it is blocked, and tell what became of it."""

from __future__ import annotations

import importlib
import os
import time
from types import ModuleType

import pluggy

from raxe_core.entry_points import EntryPoint, normalized
from raxe_core.hookspecs import API_VERSION
from raxe_core.plugin_call import PluginFaultError, contained, own_stdout, time_limit
from raxe_core.plugin_status import PluginInfo

__all__ = ["load", "names_in", "registered_name"]

IMPORT_SECONDS = 30.0


def load(manager: pluggy.PluginManager, point: EntryPoint) -> PluginInfo:
    """Import and register a plugin; whatever goes wrong becomes its status."""
    info = PluginInfo(point.distribution, point.version, point.name, str(point.location))
    if point.problem is not None:
        return info._replace(status="failed", reason=point.problem)
    if (reason := _blocked_by(point.distribution)) is not None:
        return info._replace(status="blocked", reason=reason)
    started = time.perf_counter()
    try:
        with contained(), time_limit(IMPORT_SECONDS), own_stdout():
            module = importlib.import_module(point.value)
        info = info._replace(import_ms=(time.perf_counter() - started) * 1e3)
        with contained():
            return _register(manager, module, info)
    except PluginFaultError as fault:
        return info._replace(status="failed", reason=str(fault))


def registered_name(info: PluginInfo) -> str:
    """Return the name under which the plugin manager knows a plugin."""
    return f"{info.distribution}:{info.entry_point}"


def _blocked_by(distribution: str) -> str | None:
    """Tell why a distribution is not to be imported, or None."""
    if "RAXE_PLUGINS" in os.environ and distribution not in names_in("RAXE_PLUGINS"):
        return "RAXE_PLUGINS does not name it"
    if distribution in names_in("RAXE_PLUGINS_BLOCK"):
        return "RAXE_PLUGINS_BLOCK names it"
    return None


def names_in(variable: str) -> set[str]:
    """Return the distributions that ``RAXE_PLUGINS`` or ``RAXE_PLUGINS_BLOCK`` name."""
    named = os.environ.get(variable, "").split(",")
    return {normalized(name.strip()) for name in named if name.strip()}


def _register(manager: pluggy.PluginManager, module: ModuleType, info: PluginInfo) -> PluginInfo:
    """Register an imported plugin, or raise with what is wrong with it."""
    api = getattr(module, "RAXE_API", None)
    if api != API_VERSION:
        reason = f"declares RAXE_API = {api!r}, this raxe-core offers {API_VERSION}"
        return info._replace(status="incompatible", reason=reason)
    name = registered_name(info)
    try:
        manager.register(module, name=name)
        manager.check_pending()
        callers = manager.get_hookcallers(module) or []
        hooks = tuple(sorted(caller.name for caller in callers))
        return info._replace(hooks=hooks, runtimes=_declared_runtimes(module, hooks))
    except BaseException:
        if manager.get_plugin(name) is module:
            manager.unregister(name=name)
        raise


def _declared_runtimes(module: ModuleType, hooks: tuple[str, ...]) -> tuple[str, ...]:
    runtimes = getattr(module, "RUNTIMES", ())
    if not isinstance(runtimes, tuple) or not all(isinstance(name, str) for name in runtimes):
        raise TypeError('RUNTIMES must be a tuple of strings, such as ("onnx",)')
    if ("create_detector" in hooks) != bool(runtimes):
        raise TypeError("create_detector and RUNTIMES go together; one of them is missing")
    return runtimes
