"""Call one plugin's implementation of a hook: under guard, and the records it returns checked."""

from __future__ import annotations

import functools
from typing import Any, TypeVar

from raxe_core.plugin_call import call_within, contained, own_stdout, time_limit
from raxe_core.plugin_records import check_record
from raxe_core.plugin_status import CORE

__all__ = ["call", "distribution_of", "records_of"]

HOOK_SECONDS = 10.0
_T = TypeVar("_T")


def distribution_of(implementation: Any) -> str:
    """Return the distribution that an implementation comes from."""
    return str(implementation.plugin_name.partition(":")[0])


def call(implementation: Any, arguments: dict[str, Any]) -> Any:
    """Call with those of the hook's arguments that the plugin takes, without a guard."""
    return implementation.function(*(arguments[name] for name in implementation.argnames))


def records_of(
    implementation: Any, hook: str, record: type[_T], arguments: dict[str, Any]
) -> list[_T]:
    """Return the records that a hook gives, generators exhausted.

    Raises:
        PluginFaultError: the plugin failed, took too long, or returned something else.
    """
    if distribution_of(implementation) == CORE:
        with contained():  # and not checked: there may be thousands of drop-in models
            return list(call(implementation, arguments) or ())
    answer = functools.partial(_checked, implementation, record, arguments)
    if hook == "discover_models":
        with own_stdout():
            return call_within(HOOK_SECONDS, answer)
    with contained(), time_limit(HOOK_SECONDS):
        return answer()


def _checked(implementation: Any, record: type[_T], arguments: dict[str, Any]) -> list[_T]:
    records = list(call(implementation, arguments) or ())
    for item in records:
        check_record(item, record)
    return records
