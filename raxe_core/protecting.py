"""The decorator behind ``Raxe.protect``."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar, cast

from raxe_core.errors import ThreatBlockedError, UsageError

if TYPE_CHECKING:
    from raxe_core.client import Raxe
    from raxe_core.result import ScanResult

__all__ = ["protected"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def protected(raxe: Raxe, function: _Function) -> _Function:
    """Return ``function`` with a scan of its text arguments before each call.

    Raises:
        UsageError: ``function`` is none.
    """
    if not callable(function) or isinstance(function, staticmethod):
        raise UsageError(
            f"protect() takes a function, not a {type(function).__name__}. "
            "Write @staticmethod, @classmethod or @property above it."
        )

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def guarded_async(*args: Any, **kwargs: Any) -> Any:
            await _check_async(raxe, args, kwargs)
            return await function(*args, **kwargs)

        return cast("_Function", guarded_async)

    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def guarded_stream(*args: Any, **kwargs: Any) -> Any:
            await _check_async(raxe, args, kwargs)
            async with aclosing(function(*args, **kwargs)) as stream:
                async for item in stream:
                    yield item

        return cast("_Function", guarded_stream)

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        for text in _texts(args, kwargs):
            _stop_if_blocked(raxe.scan(text))
        return function(*args, **kwargs)

    return cast("_Function", guarded)


async def _check_async(raxe: Raxe, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    for text in _texts(args, kwargs):
        _stop_if_blocked(await raxe.scan_async(text))


def _texts(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    return [value for value in [*args, *kwargs.values()] if isinstance(value, str)]


def _stop_if_blocked(result: ScanResult) -> None:
    if result.action == "block":
        raise ThreatBlockedError(result)
