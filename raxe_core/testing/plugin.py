"""What holds for every plugin: its entry point loads, and loading it is light."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from typing import ClassVar

import pytest

from raxe_core.entry_points import EntryPoint, find_entry_points, normalized
from raxe_core.hookspecs import ENTRY_POINT_GROUP
from raxe_core.plugins import PluginHost

__all__ = ["HEAVY", "RUNTIME_LIBRARIES", "PluginContract"]

RUNTIME_LIBRARIES = ("numpy", "onnxruntime", "tokenizers", "torch", "transformers")
HEAVY = (*RUNTIME_LIBRARIES, "cattrs", "rich")

# argv: the sys.path, the statement, the module names; prints those that the statement imported.
_IMPORTED_BY = """
import json, sys
path, statement, names = map(json.loads, sys.argv[1:])
sys.path[:] = path
before = set(sys.modules)
exec(statement)
print(json.dumps([name for name in names if name in sys.modules and name not in before]))
"""


class PluginContract:
    """The checks of any plugin. ``plugin`` is the name of its distribution.

    ``heavy`` names the modules that importing the entry point must not import.
    """

    plugin: ClassVar[str]
    heavy: ClassVar[Iterable[str]] = HEAVY

    def entry_points(self) -> list[EntryPoint]:
        """Return the plugin's installed entry points; none is a failure."""
        points = [
            point
            for point in find_entry_points(ENTRY_POINT_GROUP)
            if point.distribution == normalized(self.plugin)
        ]
        if not points:
            pytest.fail(
                f"{self.plugin} is not installed, or has no entry point in the group "
                f"{ENTRY_POINT_GROUP!r}. Install it: pip install -e ."
            )
        return points

    @pytest.fixture
    def host(self, monkeypatch: pytest.MonkeyPatch) -> PluginHost:
        """A plugin host with this plugin alone, whatever RAXE_PLUGINS says."""
        for name in ("RAXE_PLUGINS", "RAXE_PLUGINS_BLOCK"):
            monkeypatch.delenv(name, raising=False)
        return PluginHost(self.entry_points())

    def test_plugin_is_active(self, host: PluginHost) -> None:
        """The entry point imports, RAXE_API is this core's, and there is no unknown hook."""
        for info in host.plugins:
            assert info.status == "active", (
                f"{info.distribution}:{info.entry_point} is {info.status}: {info.reason}"
            )

    def test_import_is_light(self) -> None:
        """Importing the hook module imports no heavy library: ``raxe models list`` stays fast."""
        for point in self.entry_points():
            heavy = imported_by(f"import {point.value}", self.heavy)
            assert not heavy, (
                f"importing {point.value} imports {', '.join(heavy)}; import such libraries inside "
                "the functions that need them"
            )


def imported_by(statement: str, modules: Iterable[str]) -> list[str]:
    """Return which of ``modules`` a new Python process imports when it runs ``statement``."""
    arguments = [json.dumps(value) for value in (sys.path, statement, list(modules))]
    done = subprocess.run(  # noqa: S603 - runs this Python on code of this module
        [sys.executable, "-c", _IMPORTED_BY, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{statement!r} fails in a new process: {done.stderr[-2_000:]}"
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found
