"""The public API: every name can be imported, is documented, and nothing else is promised."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing

import pytest

import raxe_core


@pytest.mark.parametrize("name", raxe_core.__all__)
def test_public_name_can_be_imported_and_is_documented(name: str) -> None:
    value = getattr(raxe_core, name)
    if name != "__version__":
        assert inspect.getdoc(value)
    assert name in dir(raxe_core)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Rax'"):
        raxe_core.Rax  # noqa: B018


def test_everything_that_is_listed_is_exported() -> None:
    assert sorted(raxe_core.__all__) == list(raxe_core.__all__)
    assert set(raxe_core._MODULE_OF) | {"__version__"} == set(raxe_core.__all__)


@pytest.mark.parametrize(
    "name", [found.name for found in pkgutil.walk_packages(raxe_core.__path__, "raxe_core.")]
)
def test_every_module_is_documented_and_exports_what_it_says(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    for exported in getattr(module, "__all__", ()):
        value = getattr(module, exported)
        if typing.get_origin(value) is not None:
            continue  # an alias, which on Python 3.10 passes for a class
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), f"{name}.{exported}"
