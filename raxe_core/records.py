"""The records that plugins return from their hooks, each found by its ``name``.

They are named tuples and not attrs classes: attrs alone would take a tenth of the time of
``raxe models list``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from raxe_core.model import Model

__all__ = [
    "Command",
    "Criteria",
    "Reporter",
    "ScanEvent",
    "Selection",
    "SelectionRequest",
    "ShadowVerdict",
    "Strategy",
]


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
    ``for_scan`` is false where somebody only asks which model it would be: nothing is to be
    recorded then. ``config_path`` is the configuration's file, which need not exist.
    """

    models: tuple[Model, ...]
    settings: Mapping[str, Any]
    criteria: Callable[[str], Criteria]
    user_id: str | None = None
    for_scan: bool = True
    config_path: Path | None = None


class Selection(NamedTuple):
    """The model that was chosen, and why, in words.

    ``fallback_from`` is the model that could not be used, empty where none could be selected, and
    ``fallback_kind`` the kind of failure: ``missing runtime``, ``failed load``, ``invalid bundle``,
    ``time-out`` and so on. A text that is blocked because no model could judge has both, and an
    empty ``model_id``. The ``shadow_model_ids`` judge the same text, and their verdicts go to
    ``on_scan`` alone.
    """

    model_id: str
    strategy: str
    reason: str
    fallback_from: str | None = None
    fallback_kind: str | None = None
    shadow_model_ids: tuple[str, ...] = ()


class ShadowVerdict(NamedTuple):
    """What a shadow model would have answered."""

    is_threat: bool
    score: float
    latency_ms: float


class ScanEvent(NamedTuple):
    """One scan, for metrics and experiments; it never holds the text.

    ``latency_ms`` is the detector's wall time. ``user_id`` and ``request_id`` are the caller's.
    ``error`` is the kind of failure where the model could not be loaded or could not judge. Such a
    scan has no verdict: ``is_threat`` is true, as nobody cleared the text, ``score`` and
    ``latency_ms`` are NaN, and ``model_id`` is empty where no model could be selected.
    """

    model_id: str
    bundle_digest: str | None
    is_threat: bool
    score: float
    latency_ms: float
    user_id: str | None
    request_id: str | None
    strategy: str
    fallback_from: str | None
    shadows: Mapping[str, ShadowVerdict]
    error: str | None = None


class Strategy(NamedTuple):
    """How a model is selected.

    It is asked when ``l2_model.selection`` is its name, or when ``l2_model`` has a section of its
    name with ``enabled: true``. ``select`` raises a RaxeError when it cannot choose. It is called
    for each scan, unless ``once`` says that its choice depends on the configuration alone.
    """

    name: str
    description: str
    select: Callable[[SelectionRequest], Selection]
    once: bool = False


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
