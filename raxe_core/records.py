"""The records that plugins return from their hooks, each found by its ``name``.

They are named tuples and not attrs classes: attrs alone would take a tenth of the time of
``raxe models list``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from raxe_core.model import Model

__all__ = ["Command", "Criteria", "Reporter", "Selection", "SelectionRequest", "Strategy"]


class Criteria(NamedTuple):
    """What best means.

    ``score`` gives a model's value, higher is better, or None where the model was never measured
    for it: an unmeasured model never beats a measured one. It must be a pure function.
    """

    name: str
    description: str
    score: Callable[[Model], float | None]


class SelectionRequest(NamedTuple):
    """What a strategy chooses from.

    ``models`` are the models that can be used now, sorted by id; ``settings`` is the ``l2_model``
    section of the configuration; ``user_id`` is who the scan is for, if the caller said so.
    """

    models: tuple[Model, ...]
    settings: Mapping[str, Any]
    criteria: Callable[[str], Criteria]
    user_id: str | None = None


class Selection(NamedTuple):
    """The model that was chosen, and why, in words."""

    model_id: str
    strategy: str
    reason: str
    fallback_from: str | None = None


class Strategy(NamedTuple):
    """How a model is selected.

    It is asked when ``l2_model.selection`` is its name, or when ``l2_model`` has a section of its
    name with ``enabled: true``. ``select`` raises a RaxeError when it cannot choose.
    """

    name: str
    description: str
    select: Callable[[SelectionRequest], Selection]


class Reporter(NamedTuple):
    """How an evaluation is shown: ``render`` turns its JSON form into text."""

    name: str
    description: str
    render: Callable[[Mapping[str, Any]], str]


class Command(NamedTuple):
    """A click command under ``raxe``; ``target`` is ``module:attribute``, imported when it runs."""

    name: str
    help: str
    target: str
