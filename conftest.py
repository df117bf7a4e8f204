"""Fixtures for the tests of the core and of every plugin."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "tests"))


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
    """An empty RAXE_HOME whose place the test knows."""
    folder = tmp_path / "home"
    (folder / "models").mkdir(parents=True)
    monkeypatch.setenv("RAXE_HOME", str(folder))
    return folder
