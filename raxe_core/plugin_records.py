"""What plugins return from their hooks: checked where it comes in, so that nothing later trips."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, TypeVar

from raxe_core.errors import PluginError, RaxeError
from raxe_core.model import Model
from raxe_core.plugin_call import PluginFaultError, contained

__all__ = ["check_record", "guarded_record"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TEXTS = ("name", "description", "help", "target")
_FUNCTIONS = {"score": object, "select": object, "render": str}
_T = TypeVar("_T")


def check_record(item: Any, kind: type[Any]) -> None:
    """Check one record of a hook that returns records of this kind.

    Raises:
        TypeError, ValueError: it is none, or a field does not hold what it must.
    """
    if not isinstance(item, kind):
        raise TypeError(f"returned a {type(item).__name__} where a {kind.__name__} is expected")
    if isinstance(item, Model):
        item.check_listed()
        return
    for field, value in item._asdict().items():
        fits = isinstance(value, str) if field in _TEXTS else callable(value)
        if field in (*_TEXTS, *_FUNCTIONS) and not fits:
            raise TypeError(f"returned a {kind.__name__} whose {field} is {type(value).__name__}")
    if not _NAME.fullmatch(item.name):
        raise TypeError(f"returned a {kind.__name__} whose name is {item.name[:80]!r}")


def guarded_record(item: _T, plugin: str) -> _T:
    """Return a record whose functions raise PluginError for whatever goes wrong in them."""
    guarded = {
        field: _guarded(getattr(item, field), answer, f"{item.name!r} of plugin {plugin}")  # type: ignore[attr-defined]
        for field, answer in _FUNCTIONS.items()
        if hasattr(item, field)
    }
    return item._replace(**guarded)  # type: ignore[attr-defined, no-any-return]


def _guarded(function: Callable[..., Any], answer: type, what: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        try:
            with contained(RaxeError):
                result = function(*arguments)
                if not isinstance(result, answer):
                    raise TypeError(f"returned a {type(result).__name__}")
        except PluginFaultError as fault:
            raise PluginError(f"{what} failed: {fault}. Choose another.") from fault
        return result

    return call
