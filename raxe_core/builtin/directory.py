"""Models in drop-in folders."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from raxe_core.discovery import discover_folder
from raxe_core.hookspecs import hookimpl
from raxe_core.model import Model


@hookimpl
def discover_models(search_path: tuple[Path, ...]) -> Iterable[Model]:
    """Return the models of every folder on the search path."""
    for folder in search_path:
        yield from discover_folder(folder, source=str(folder))
