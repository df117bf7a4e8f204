"""Fixtures for the tests of the core and of every plugin."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent / "tests"))

if TYPE_CHECKING:
    from plugin_source import Site

RunRaxe = Callable[..., Result]

# Every run has the same examples, and a busy machine fails none. New examples are looked for with
# ``nox -s search``.
_slow = (HealthCheck.too_slow,)
settings.register_profile("same", deadline=None, derandomize=True, suppress_health_check=_slow)
settings.register_profile("search", deadline=None, suppress_health_check=_slow)
settings.load_profile("same")


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has an empty RAXE_HOME and no RAXE variable of the machine it runs on."""
    for name in (
        "RAXE_CONFIG",
        "RAXE_L2_MODEL",
        "RAXE_L2_MODEL_CRITERIA",
        "RAXE_MODELS_PATH",
        "RAXE_PLUGINS",
        "RAXE_PLUGINS_BLOCK",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAXE_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty RAXE_HOME whose place the test knows, and no plugin but the ONNX runtime."""
    folder = tmp_path / "home"
    (folder / "models").mkdir(parents=True)
    monkeypatch.setenv("RAXE_HOME", str(folder))
    monkeypatch.setenv("RAXE_PLUGINS", "raxe-onnx")
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the tiny model, ``v9.0_tiny``; not to be changed."""
    from tiny_model import write_bundle

    return write_bundle(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def dropped_in(home: Path, tiny_bundle: Path) -> Path:
    """A home whose drop-in folder holds ``v9.0_tiny``; returns the bundle's path."""
    path = home / "models" / tiny_bundle.name
    path.write_bytes(tiny_bundle.read_bytes())
    return path


@pytest.fixture
def raxe() -> RunRaxe:
    """Run the command line in this process: ``raxe("models", "list").exit_code``."""
    from raxe_core.cli.main import main

    def run(*arguments: str, stdin: bytes | None = None) -> Result:
        return CliRunner().invoke(main, arguments, input=stdin)

    return run


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A folder on ``sys.path`` to install plugins into."""
    from plugin_source import Site

    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    made = Site(folder)
    yield made
    for name in made.modules:
        sys.modules.pop(name, None)
