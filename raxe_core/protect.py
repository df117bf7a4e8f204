"""The decorator behind ``Raxe.protect``."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from raxe_core.errors import ThreatBlockedError

if TYPE_CHECKING:
    from raxe_core.client import Raxe
    from raxe_core.result import ScanResult

__all__ = ["protected"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def protected(raxe: Raxe, function: _Function) -> _Function:
    """Return ``function`` with a scan of its text arguments before each call."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def guarded_async(*args: Any, **kwargs: Any) -> Any:
            for text in _texts(args, kwargs):
                _stop_if_blocked(await raxe.scan_async(text))
            return await function(*args, **kwargs)

        return cast("_Function", guarded_async)

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        for text in _texts(args, kwargs):
            _stop_if_blocked(raxe.scan(text))
        return function(*args, **kwargs)

    return cast("_Function", guarded)


def _texts(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    return [value for value in [*args, *kwargs.values()] if isinstance(value, str)]


def _stop_if_blocked(result: ScanResult) -> None:
    if result.action == "block":
        raise ThreatBlockedError(result)
