"""Installed plugins in a folder, as an installer leaves them, and what a host says of them."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import attrs
import pytest

from raxe_core import Model, ModelMetadata, RuntimeOptions, plugin_hooks, plugin_loading, plugins
from raxe_core.entry_points import EntryPoint, find_entry_points
from raxe_core.metadata import Requirements
from raxe_core.plugins import PluginHost, PluginInfo

HEAD = (
    "import time\nfrom raxe_core import Command, Criteria, Model, ModelMetadata, hookimpl\n"
    "RAXE_API = 1\n"
)


@attrs.define
class Site:
    """A folder like site-packages, to be filled with plugins."""

    folder: Path
    modules: list[str] = attrs.field(factory=list)

    def install(self, distribution: str, code: str, *, entry_points: bytes | None = None) -> str:
        """Install a plugin whose entry point module has this code; returns the module's name."""
        module = f"{distribution.replace('-', '_')}_hooks"
        self.modules.append(module)
        (self.folder / f"{module}.py").write_text(textwrap.dedent(code))
        info = self.folder / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n"
        )
        default = f"[console_scripts]\nx = y:z\n\n[raxe]\nmain = {module}\n".encode()
        (info / "entry_points.txt").write_bytes(default if entry_points is None else entry_points)
        return module

    def entry_points(self) -> list[EntryPoint]:
        """The entry points of the plugins in this folder alone."""
        return find_entry_points("raxe", [str(self.folder)])


GOOD = """
    from raxe_core import Command, Criteria, Model, ModelMetadata, Reporter, hookimpl

    RAXE_API = 1
    RUNTIMES = ("good",)


    class Detector:
        def analyze(self, text, l1_results=None): ...
        def analyze_batch(self, texts): ...
        def close(self): ...


    @hookimpl
    def discover_models():
        yield Model(ModelMetadata("v1.0_good", "Good", "1.0", "good"), "good-plugin")


    @hookimpl
    def create_detector(model):
        return Detector()


    @hookimpl
    def score_criteria():
        yield Criteria("good", "the best", lambda model: 1.0)
"""


def status(host: PluginHost, distribution: str) -> PluginInfo:
    """What the host says of a plugin."""
    return next(info for info in host.plugins if info.distribution == distribution)


def needs(runtime: str) -> Model:
    """A model of this runtime."""
    requirements = Requirements(runtime)
    return Model(ModelMetadata("v1.0_x", "X", "1.0", "x", requirements=requirements), "test")


def impatient_with(patch: pytest.MonkeyPatch, distribution: str, seconds: float) -> None:
    """Give one plugin little time; on a busy machine, its neighbours need all of theirs."""

    def load(manager: Any, point: EntryPoint) -> PluginInfo:
        with pytest.MonkeyPatch.context() as inner:
            if point.distribution == distribution:
                inner.setattr(plugin_loading, "IMPORT_SECONDS", seconds)
            return plugin_loading.load(manager, point)

    def records_of(implementation: Any, *arguments: Any) -> list[Any]:
        with pytest.MonkeyPatch.context() as inner:
            if plugin_hooks.distribution_of(implementation) == distribution:
                inner.setattr(plugin_hooks, "HOOK_SECONDS", seconds)
            return plugin_hooks.records_of(implementation, *arguments)

    patch.setattr(plugins, "load", load)
    patch.setattr(plugins, "records_of", records_of)


def neighbour_works(host: PluginHost) -> None:
    """The good plugin is active, and all its hooks answer."""
    assert status(host, "good-plugin").status == "active"
    assert "v1.0_good" in {model.model_id for _, model in host.discover_models(())}
    assert host.create_detector(needs("good"), RuntimeOptions()) is not None
    assert host.criteria("good").score(needs("good")) == 1.0
    assert host.criteria("latency").name == "latency"
