"""The plugin host: find, select, load and call plugins, so that a broken one harms nobody else.

A plugin's fault is caught where it happens (import, registration, call, inside a generator) and
becomes its status or a :class:`PluginProblem`. Finding models goes on without the broken plugin; a
judgement never does: creating the detector of a requested model raises.
"""

from __future__ import annotations

import functools
import importlib
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from raxe_core.entry_points import EntryPoint, find_entry_points
from raxe_core.errors import (
    ModelLoadError,
    PluginError,
    RaxeError,
    RuntimeUnavailableError,
    UnknownNameError,
    did_you_mean,
)
from raxe_core.hookspecs import API_VERSION, ENTRY_POINT_GROUP, RaxeSpec
from raxe_core.model import Model, RuntimeOptions
from raxe_core.plugin_call import (
    PluginFaultError,
    call_within,
    contained,
    own_stdout,
    reason_of,
    time_limit,
)
from raxe_core.plugin_records import check_record, guarded_record
from raxe_core.plugin_status import PluginInfo, PluginProblem, blocked_by
from raxe_core.records import Command, Criteria, Reporter, ScanEvent, Strategy

if TYPE_CHECKING:
    from raxe_core.detector import Detector

__all__ = ["PluginHost", "PluginInfo", "PluginProblem", "pip_line"]

CORE = "raxe-core"
BUILTINS = (
    "raxe_core.builtin.directory",
    "raxe_core.builtin.criteria",
    "raxe_core.builtin.strategies",
    "raxe_core.builtin.reporters",
)
OUR_RUNTIMES = ("onnx", "torch")
IMPORT_SECONDS = 30.0
HOOK_SECONDS = 10.0
_NAMED: dict[str, type[Any]] = {
    "score_criteria": Criteria,
    "selection_strategies": Strategy,
    "reporters": Reporter,
    "commands": Command,
}
_T = TypeVar("_T")


class PluginHost:
    """Holds the plugins of one process and makes the typed hook calls.

    ``entry_points`` is for tests; by default the installed plugins are found, and ``RAXE_PLUGINS``
    (only these distributions; empty for none) and ``RAXE_PLUGINS_BLOCK`` (not these) decide which
    of them are imported.
    """

    def __init__(self, entry_points: Iterable[EntryPoint] | None = None) -> None:
        self.plugins: list[PluginInfo] = []
        self.problems: list[PluginProblem] = []
        self._manager = pluggy.PluginManager("raxe")
        self._manager.add_hookspecs(RaxeSpec)
        self._runtimes: dict[str, list[tuple[str, ModuleType]]] = {}
        for name in BUILTINS:
            self._manager.register(importlib.import_module(name), name=f"{CORE}:{name}")
        if entry_points is None:
            entry_points = find_entry_points(ENTRY_POINT_GROUP)
        for point in sorted(entry_points, key=lambda point: (point.distribution, point.name)):
            self._add(point)

    def discover_models(self, search_path: tuple[Path, ...]) -> list[tuple[str, Model]]:
        """Return each plugin's models with the plugin's name; built-in first, then by name."""
        return self._collect("discover_models", Model, search_path=search_path)

    def criteria(self, name: str) -> Criteria:
        """Return the criteria of this name.

        Raises:
            UnknownNameError: no plugin has it.
            PluginError: two plugins have it.
        """
        return self._named("score_criteria", Criteria, "criteria", name)

    def strategy(self, name: str) -> Strategy:
        """Return the selection strategy of this name; raises as :meth:`criteria`."""
        return self._named("selection_strategies", Strategy, "selection strategy", name)

    def reporter(self, name: str) -> Reporter:
        """Return the reporter of this name; raises as :meth:`criteria`."""
        return self._named("reporters", Reporter, "reporter", name)

    def command(self, name: str) -> Command:
        """Return the command of this name; raises as :meth:`criteria`."""
        return self._named("commands", Command, "command", name)

    def commands(self) -> list[Command]:
        """Return the commands that plugins add, sorted by name."""
        commands = [command for _, command in self._collect("commands", Command)]
        return sorted(commands, key=lambda command: command.name)

    def check(self, commands: Collection[str]) -> list[PluginInfo]:
        """Return the plugins after a call of every hook that finds; ``commands`` are built in.

        One that fails in such a call, or claims the name of another, has the status ``failed``.
        """
        self.discover_models(())
        for hook, record in _NAMED.items():
            claims: dict[str, list[tuple[str, Any]]] = {}
            for plugin, item in self._collect(hook, record):
                claims.setdefault(item.name, []).append((plugin, item))
            for name, claimed in claims.items():
                if claimed[0][0] == CORE:
                    self._note_taken(hook, name, claimed[1:])
                elif hook == "commands" and name in commands:
                    self._note_taken(hook, name, claimed)
                elif len(claimed) > 1:
                    self._note_shared(hook, f"the name {name!r}", claimed)
        for runtime, claimants in self._runtimes.items():
            if len(claimants) > 1:
                self._note_shared("create_detector", f"the runtime {runtime!r}", claimants)
        return [self._with_problems(info) for info in self.plugins]

    def runtime_problem(self, runtime: str) -> str | None:
        """Tell why models of this runtime cannot be loaded, or None if a plugin runs it."""
        claimants = self._runtimes.get(runtime, [])
        if len(claimants) == 1:
            return None
        if not claimants:
            return f"no plugin runs {runtime!r} models; install its plugin: {pip_line(runtime)}"
        names = " and ".join(name for name, _ in claimants)
        return f"{names} both claim the runtime {runtime!r}; block one with RAXE_PLUGINS_BLOCK"

    @property
    def watches_scans(self) -> bool:
        """Whether a plugin implements ``on_scan``."""
        return bool(self._manager.hook.on_scan.get_hookimpls())

    def on_scan(self, event: ScanEvent) -> None:
        """Tell the plugins of a scan; a plugin's fault is noted and changes nothing."""
        for implementation in self._manager.hook.on_scan.get_hookimpls():
            try:
                with contained():
                    _call(implementation, {"event": event})
            except PluginFaultError as fault:
                name = implementation.plugin_name.partition(":")[0]
                self._note(PluginProblem(name, "on_scan", str(fault)))

    def require_runtime(self, model: Model) -> None:
        """Raise if no plugin, or more than one, runs the model.

        Raises:
            RuntimeUnavailableError: no plugin claims the runtime.
            PluginError: two plugins claim it.
        """
        problem = self.runtime_problem(model.runtime)
        if problem is not None:
            kind = PluginError if self._runtimes.get(model.runtime) else RuntimeUnavailableError
            raise kind(f"Model {model.model_id}: {problem}.")

    def runtime_plugin(self, model: Model) -> tuple[str, str]:
        """Return the distribution and the module of the one plugin that runs the model.

        Raises as :meth:`require_runtime`.
        """
        self.require_runtime(model)
        name, module = self._runtimes[model.runtime][0]
        return name, module.__name__

    def create_detector(self, model: Model, options: RuntimeOptions) -> Detector:
        """Load a model with the one plugin that claims its runtime.

        Raises:
            RuntimeUnavailableError: no plugin claims the runtime, or a library is missing.
            PluginError: two plugins claim it, or the plugin broke its contract.
            ModelLoadError: the runtime could not load the model.
        """
        self.require_runtime(model)
        name, module = self._runtimes[model.runtime][0]
        from raxe_core.checked_detector import CheckedDetector
        from raxe_core.detector import Detector
        from raxe_core.text_detector import TextDetector

        implementation = self._implementation(module, "create_detector")
        arguments = {"model": model, "options": options}
        try:
            detector = _call(implementation, arguments)
        except (RaxeError, KeyboardInterrupt):
            raise
        except BaseException as error:  # native libraries raise beside Exception
            raise ModelLoadError(
                f"Model {model.model_id}: runtime plugin {name} could not load it: "
                f"{reason_of(error)}. Check it with: raxe models validate {model.model_id}"
            ) from error
        if not isinstance(detector, Detector):
            got = "declined it" if detector is None else f"returned a {type(detector).__name__}"
            raise PluginError(f"Model {model.model_id}: runtime plugin {name} {got}.")
        if type(detector) is TextDetector:  # it checks what the runtime gives it
            return detector
        return CheckedDetector(detector, model.model_id, name)

    def _add(self, point: EntryPoint) -> None:
        info = PluginInfo(point.distribution, point.version, point.name, str(point.location))
        if point.problem is not None:
            info = info._replace(status="failed", reason=point.problem)
        elif (reason := blocked_by(point.distribution)) is not None:
            info = info._replace(status="blocked", reason=reason)
        else:
            info = self._load(point, info)
        self.plugins.append(info)

    def _load(self, point: EntryPoint, info: PluginInfo) -> PluginInfo:
        """Import and register a plugin; whatever goes wrong becomes its status."""
        started = time.perf_counter()
        try:
            with contained(), time_limit(IMPORT_SECONDS), own_stdout():
                module = importlib.import_module(point.value)
            info = info._replace(import_ms=(time.perf_counter() - started) * 1e3)
            with contained():
                return self._register(module, info)
        except PluginFaultError as fault:
            return info._replace(status="failed", reason=str(fault))

    def _register(self, module: ModuleType, info: PluginInfo) -> PluginInfo:
        """Register an imported plugin, or raise with what is wrong with it."""
        api = getattr(module, "RAXE_API", None)
        if api != API_VERSION:
            reason = f"declares RAXE_API = {api!r}, this raxe-core offers {API_VERSION}"
            return info._replace(status="incompatible", reason=reason)
        name = f"{info.distribution}:{info.entry_point}"
        try:
            self._manager.register(module, name=name)
            self._manager.check_pending()
            callers = self._manager.get_hookcallers(module) or []
            hooks = tuple(sorted(caller.name for caller in callers))
            runtimes = _declared_runtimes(module, hooks)
        except BaseException:
            if self._manager.get_plugin(name) is module:
                self._manager.unregister(name=name)
            raise
        for runtime in runtimes:
            self._runtimes.setdefault(runtime, []).append((info.distribution, module))
        return info._replace(hooks=hooks, runtimes=runtimes)

    def _implementation(self, module: ModuleType, hook: str) -> Any:
        callers = self._manager.get_hookcallers(module) or []
        caller = next(caller for caller in callers if caller.name == hook)
        return next(impl for impl in caller.get_hookimpls() if impl.plugin is module)

    def _collect(self, hook: str, record: type[_T], **arguments: Any) -> list[tuple[str, _T]]:
        """Call a hook of every plugin, each under guard, and return the records by plugin name."""
        results: list[tuple[str, _T]] = []
        implementations = getattr(self._manager.hook, hook).get_hookimpls()
        for implementation in sorted(implementations, key=_builtin_first):
            name = implementation.plugin_name.partition(":")[0]
            answer = functools.partial(_records, implementation, arguments, record)
            try:
                if name == CORE:
                    with contained():
                        records = answer()
                elif hook == "discover_models":
                    with own_stdout():
                        records = call_within(HOOK_SECONDS, answer)
                else:
                    with contained(), time_limit(HOOK_SECONDS):
                        records = answer()
            except PluginFaultError as fault:
                self._note(PluginProblem(name, hook, str(fault)))
            else:
                results.extend((name, item) for item in records)
        return results

    def _named(self, hook: str, record: type[_T], kind: str, name: str) -> _T:
        records = self._collect(hook, record)
        claimed = [(plugin, item) for plugin, item in records if item.name == name]  # type: ignore[attr-defined]
        if not claimed:
            known = sorted({item.name for _, item in records})  # type: ignore[attr-defined]
            hint = did_you_mean(name, known)
            raise UnknownNameError(f"No {kind} {name!r}.{hint} Known: {', '.join(known)}.")
        plugin, item = claimed[0]
        if plugin == CORE:
            self._note_taken(hook, name, claimed[1:])
            return item
        if len(claimed) > 1:
            names = " and ".join(plugin for plugin, _ in claimed)
            raise PluginError(
                f"{names} both claim the {kind} {name!r}. Block one with RAXE_PLUGINS_BLOCK."
            )
        return guarded_record(item, plugin)

    def _note_taken(self, hook: str, name: str, claimed: Iterable[tuple[str, Any]]) -> None:
        """A built-in name cannot be taken."""
        for plugin, _ in claimed:
            self._note(PluginProblem(plugin, hook, f"the name {name!r} is built in"))

    def _note_shared(self, hook: str, what: str, claimed: Iterable[tuple[str, Any]]) -> None:
        names = " and ".join(plugin for plugin, _ in claimed)
        for plugin, _ in claimed:
            self._note(PluginProblem(plugin, hook, f"{names} both claim {what}"))

    def _with_problems(self, info: PluginInfo) -> PluginInfo:
        problems = [item for item in self.problems if item.distribution == info.distribution]
        if info.status != "active" or not problems:
            return info
        reason = "; ".join(f"failed in {item.stage}: {item.reason}" for item in problems)
        return info._replace(status="failed", reason=reason)

    def _note(self, problem: PluginProblem) -> None:
        if problem not in self.problems:
            self.problems.append(problem)


def pip_line(runtime: str) -> str:
    """Return how to install the plugin of a runtime."""
    if runtime in OUR_RUNTIMES:
        return f"pip install raxe-{runtime}"
    return "the model's documentation names it"


def _builtin_first(implementation: Any) -> tuple[bool, str]:
    name = implementation.plugin_name
    return (not name.startswith(f"{CORE}:"), name)


def _records(implementation: Any, arguments: dict[str, Any], record: type[_T]) -> list[_T]:
    """Return what a hook gives, generators exhausted, if it is what the contract says."""
    records = list(_call(implementation, arguments) or ())
    if not implementation.plugin_name.startswith(f"{CORE}:"):  # thousands of drop-in models
        for item in records:
            check_record(item, record)
    return records


def _call(implementation: Any, arguments: dict[str, Any]) -> Any:
    return implementation.function(*(arguments[name] for name in implementation.argnames))


def _declared_runtimes(module: ModuleType, hooks: tuple[str, ...]) -> tuple[str, ...]:
    runtimes = getattr(module, "RUNTIMES", ())
    if not isinstance(runtimes, tuple) or not all(isinstance(name, str) for name in runtimes):
        raise TypeError('RUNTIMES must be a tuple of strings, such as ("onnx",)')
    if ("create_detector" in hooks) != bool(runtimes):
        raise TypeError("create_detector and RUNTIMES go together; one of them is missing")
    return runtimes
