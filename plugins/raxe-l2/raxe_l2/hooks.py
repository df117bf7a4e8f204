"""The plugin's entry point."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from raxe_core import Model, discover_folder, hookimpl

RAXE_API = 1


@hookimpl
def discover_models() -> Iterable[Model]:
    """Return the models that ship in this package."""
    return discover_folder(Path(__file__).parent / "models", source="raxe-l2")
