"""The errors that this plugin raises on purpose; each says what to do next."""

from __future__ import annotations

from raxe_core import RaxeError

__all__ = [
    "ABTestError", "ExperimentError", "LabelError", "RefusedError", "SettingsError", "StoreError",
]  # fmt: skip


class ABTestError(RaxeError):
    """Base class of this plugin's errors."""


class SettingsError(ABTestError):
    """An argument or a key of ``l2_model.ab_test`` is wrong."""


class ExperimentError(ABTestError):
    """The experiment cannot do this: unknown, stopped, or changed in what must stay."""


class StoreError(ABTestError):
    """The store cannot be opened, read or written."""


class RefusedError(StoreError):
    """The store works, but refuses a value: too large, or of a form that it cannot hold."""


class LabelError(ABTestError):
    """A file of labels cannot be read, or has malformed rows."""
