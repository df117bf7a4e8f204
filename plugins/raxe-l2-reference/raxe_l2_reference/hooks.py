"""The plugin's entry point."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from raxe_core import discover_folder, hookimpl

if TYPE_CHECKING:
    from raxe_core import Model

RAXE_API = 1


@hookimpl
def discover_models() -> Iterable[Model]:
    """Return the models that ship in this package."""
    return discover_folder(Path(__file__).parent / "models", source="raxe-l2-reference")
