"""Every module has a place: in the order of imports, and on the page that shows it."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path

import raxe_core

ROOT = Path(__file__).parent.parent


def test_every_module_has_its_layer() -> None:
    layers = (ROOT / "pyproject.toml").read_text("utf-8").split("layers = [")[1].split("\n]")[0]
    placed = set(re.findall(r"raxe_core\.[\w.]+", layers))
    modules = pkgutil.walk_packages(raxe_core.__path__, "raxe_core.")
    names = {module.name for module in modules if not module.ispkg}
    assert {name for name in names if not placed & {name, name.rpartition(".")[0]}} == set()


def test_every_module_is_on_the_page_of_the_architecture() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text("utf-8")
    table = page.split("## The layers")[1].split("\n## ")[0]
    names = {module.name for module in pkgutil.iter_modules(raxe_core.__path__)} - {"_version"}
    assert {name for name in names if f"`{name}`" not in table} == set()
