"""A/B tests of RAXE models that stay true while you watch them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raxe_abtest.config import Experiment
    from raxe_abtest.errors import (
        ABTestError,
        ExperimentError,
        LabelError,
        SettingsError,
        StoreError,
    )
    from raxe_abtest.report import Report
    from raxe_abtest.selector import ABModelSelector
    from raxe_abtest.statistics.planner import Plan, plan

_MODULE_OF = {
    "ABModelSelector": "selector",
    "ABTestError": "errors",
    "Experiment": "config",
    "ExperimentError": "errors",
    "LabelError": "errors",
    "Plan": "statistics.planner",
    "Report": "report",
    "SettingsError": "errors",
    "StoreError": "errors",
    "plan": "statistics.planner",
}

__all__ = [
    "ABModelSelector",
    "ABTestError",
    "Experiment",
    "ExperimentError",
    "LabelError",
    "Plan",
    "Report",
    "SettingsError",
    "StoreError",
    "plan",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'raxe_abtest' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"raxe_abtest.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
