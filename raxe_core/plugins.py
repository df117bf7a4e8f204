"""The plugin host: find plugins and call their hooks, so that a broken one harms nobody else.

A plugin's fault is caught where it happens (import, registration, call, inside a generator) and
becomes its status or a :class:`PluginProblem`. Finding models goes on without the broken plugin; a
judgement never does: creating the detector of a requested model raises.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterable
from pathlib import Path
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
from raxe_core.hookspecs import ENTRY_POINT_GROUP, RaxeSpec
from raxe_core.model import Model, RuntimeOptions
from raxe_core.plugin_call import PluginFaultError, contained, reason_of
from raxe_core.plugin_clashes import clashes
from raxe_core.plugin_hooks import call, distribution_of, records_of
from raxe_core.plugin_loading import load, registered_name
from raxe_core.plugin_records import guarded_record
from raxe_core.plugin_status import CORE, PluginInfo, PluginProblem
from raxe_core.records import Command, Criteria, Reporter, ScanEvent, Strategy

if TYPE_CHECKING:
    from raxe_core.detector import Detector

__all__ = ["PluginHost", "PluginInfo", "PluginProblem", "pip_line"]

BUILTINS = (
    "raxe_core.builtin.directory",
    "raxe_core.builtin.criteria",
    "raxe_core.builtin.strategies",
    "raxe_core.builtin.reporters",
)
OUR_RUNTIMES = ("onnx", "torch")
PROBLEMS_KEPT = 10  # of one plugin in one stage: a process may go on for months
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
        self._runtimes: dict[str, list[PluginInfo]] = {}
        for name in BUILTINS:
            self._manager.register(importlib.import_module(name), name=f"{CORE}:{name}")
        if entry_points is None:
            entry_points = find_entry_points(ENTRY_POINT_GROUP)
        for point in sorted(entry_points, key=lambda point: (point.distribution, point.name)):
            info = load(self._manager, point)
            self.plugins.append(info)
            for runtime in info.runtimes:
                self._runtimes.setdefault(runtime, []).append(info)

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
            found = self._collect(hook, record)
            built_in = {item.name for plugin, item in found if plugin == CORE}
            claims = [(plugin, item.name) for plugin, item in found if plugin != CORE]
            if hook == "commands":
                built_in.update(commands)
            self._note_clashes(hook, claims, "name", built_in)
        runtimes = [(info.distribution, name) for info in self.plugins for name in info.runtimes]
        self._note_clashes("create_detector", runtimes, "runtime")
        return [self._with_problems(info) for info in self.plugins]

    def runtime_problem(self, runtime: str) -> str | None:
        """Tell why models of this runtime cannot be loaded, or None if a plugin runs it."""
        claimants = self._runtimes.get(runtime, [])
        if len(claimants) == 1:
            return None
        if not claimants:
            inactive = [info.distribution for info in self.plugins if info.status != "active"]
            names = f" (not active: {', '.join(inactive)}; see: raxe plugins list)"
            advice = f"install its plugin: {pip_line(runtime)}{names if inactive else ''}"
            return f"no plugin runs {runtime!r} models; {advice}"
        names = " and ".join(info.distribution for info in claimants)
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
                    call(implementation, {"event": event})
            except PluginFaultError as fault:
                self._note(distribution_of(implementation), "on_scan", str(fault))

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
        implementation = self._runner(model)
        return distribution_of(implementation), implementation.plugin.__name__

    def create_detector(self, model: Model, options: RuntimeOptions) -> Detector:
        """Load a model with the one plugin that claims its runtime.

        Raises:
            RuntimeUnavailableError: no plugin claims the runtime, or a library is missing.
            PluginError: two plugins claim it, or the plugin broke its contract.
            ModelLoadError: the runtime could not load the model.
        """
        implementation = self._runner(model)
        name = distribution_of(implementation)
        from raxe_core.checked_detector import CheckedDetector
        from raxe_core.detector import Detector
        from raxe_core.text_detector import TextDetector

        try:
            detector = call(implementation, {"model": model, "options": options})
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

    def _runner(self, model: Model) -> Any:
        """Return the ``create_detector`` of the one plugin that runs the model."""
        self.require_runtime(model)
        name = registered_name(self._runtimes[model.runtime][0])
        implementations = self._manager.hook.create_detector.get_hookimpls()
        return next(item for item in implementations if item.plugin_name == name)

    def _collect(self, hook: str, record: type[_T], **arguments: Any) -> list[tuple[str, _T]]:
        """Call a hook of every plugin, each under guard, and return the records by plugin name."""
        results: list[tuple[str, _T]] = []
        implementations = getattr(self._manager.hook, hook).get_hookimpls()
        for implementation in sorted(implementations, key=_builtin_first):
            name = distribution_of(implementation)
            try:
                records = records_of(implementation, hook, record, arguments)
            except PluginFaultError as fault:
                self._note(name, hook, str(fault))
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
            self._note_clashes(hook, [(other, name) for other, _ in claimed[1:]], "name", {name})
            return item
        if len(claimed) > 1:
            names = " and ".join(plugin for plugin, _ in claimed)
            raise PluginError(
                f"{names} both claim the {kind} {name!r}. Block one with RAXE_PLUGINS_BLOCK."
            )
        return guarded_record(item, plugin)

    def _note_clashes(
        self,
        hook: str,
        claims: Iterable[tuple[str, str]],
        kind: str,
        built_in: Collection[str] = (),
    ) -> None:
        for plugin, reason in clashes(claims, kind, built_in):
            self._note(plugin, hook, reason)

    def _with_problems(self, info: PluginInfo) -> PluginInfo:
        problems = [item for item in self.problems if item.distribution == info.distribution]
        if info.status != "active" or not problems:
            return info
        reason = "; ".join(f"failed in {item.stage}: {item.reason}" for item in problems)
        return info._replace(status="failed", reason=reason)

    def _note(self, plugin: str, stage: str, reason: str) -> None:
        problem = PluginProblem(plugin, stage, reason)
        alike = [item for item in self.problems if (item.distribution, item.stage) == problem[:2]]
        if problem not in alike and len(alike) < PROBLEMS_KEPT:
            self.problems.append(problem)


def pip_line(runtime: str) -> str:
    """Return how to install the plugin of a runtime."""
    if runtime in OUR_RUNTIMES:
        return f"pip install raxe-{runtime}"
    return "the model's documentation names it"


def _builtin_first(implementation: Any) -> tuple[bool, str]:
    return (distribution_of(implementation) != CORE, implementation.plugin_name)
