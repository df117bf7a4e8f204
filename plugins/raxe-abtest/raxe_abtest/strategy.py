"""The selection strategy ``ab_test``: experiments on live scans."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from raxe_core import (
    RaxeError,
    Selection,
    SelectionRequest,
    load_config,
    safe_logger,
    set_default,
)

from raxe_abtest.errors import SettingsError
from raxe_abtest.selector import ABModelSelector

if TYPE_CHECKING:
    from raxe_core import ScanEvent

__all__ = ["close_all", "live_selector", "record", "select"]

STRATEGY = "ab_test"
_log = safe_logger(__name__)


class _Live(NamedTuple):
    """A selector of this process, and the configurations whose section it was made of."""

    settings: dict[str, Any]
    selector: ABModelSelector
    config_paths: set[Path | None]


_lock = threading.Lock()
_live: list[_Live] = []
_chosen = threading.local()  # what the thread's last scan got: .selector and .model_id


def select(request: SelectionRequest) -> Selection:
    """Choose the model of the request's user; the control where nobody is named.

    When the experiment is over, ``l2_model.model_id`` answers, so that ``raxe models set-default``
    and ``rollback`` work as ever; but no treatment that was rolled back, whatever a host's
    configuration says. Until the store has answered once, everybody gets the control.
    """
    section = request.settings.get(STRATEGY)
    if not isinstance(section, Mapping):
        raise SettingsError(
            "l2_model.ab_test is not set. Name its variants: raxe abtest start MODEL_A MODEL_B"
        )
    selector = live_selector(section, request.config_path)
    experiment, user = selector.experiment, request.user_id
    choose = selector.select if request.for_scan else selector.model_of
    if selector.state == "unknown":
        reason = f"control of experiment {experiment.key}: its store has not answered yet"
        return Selection(choose(user), "explicit", reason)
    if selector.state != "running":
        model_id = str(request.settings.get("model_id") or choose(user))
        treatments = {variant.model_id for variant in experiment.variants[1:]}
        if selector.state == "rolled_back" and model_id in treatments:
            model_id = choose(user)
        return Selection(model_id, "explicit", f"experiment {experiment.key} is {selector.state}")
    model_id = choose(user)
    _chosen.selector, _chosen.model_id = selector, model_id
    shadows = _shadows(selector, model_id)
    if user is None:
        reason = f"control of experiment {experiment.key}: the scan names no user"
    else:
        reason = f"variant of this user in experiment {experiment.key}"
    return Selection(model_id, STRATEGY, reason, shadow_model_ids=shadows)


def live_selector(section: Mapping[str, Any], config_path: Path | None) -> ABModelSelector:
    """Return this process's selector of a section; made once.

    A rollback makes the control the default model of every configuration that it was asked for by.
    """
    live = _find(section)
    if live is None:
        with _lock:
            live = _find(section)
            if live is None:
                made = ABModelSelector.from_settings(section)
                live = _Live(dict(section), made, set())
                made.on_rollback = partial(_remember, live)
                _live.insert(0, live)
    live.config_paths.add(config_path)
    return live.selector


def _find(section: Mapping[str, Any]) -> _Live | None:
    for live in _live:
        if live.settings == section:
            return live
    return None


def _remember(live: _Live, control: str, reason: str) -> None:
    """Make the control the default model of the configurations that have this experiment."""
    key = live.selector.experiment.key
    for path in tuple(live.config_paths):
        try:
            config = load_config(path)
            if config.l2_model.get(STRATEGY) == live.settings:
                set_default(control, config.path, f"A/B test {key} rolled_back: {reason}")
        except RaxeError as error:  # the store has the rollback; only the history lacks it
            _log.warning("The rollback of %s is not in the history: %s", key, error)


def record(event: ScanEvent) -> None:
    """Record a scan: exposure, latency and verdict; a model that could not judge has failed.

    The experiment is the one that has just chosen the model in this thread, and the model that it
    chose counts, also when another one had to answer.
    """
    selector: ABModelSelector = _chosen.selector
    assigned: str = _chosen.model_id
    failed = event.fallback_from is not None or event.error is not None
    if event.user_id is not None:
        selector.track_result(
            event.user_id,
            assigned,
            None if failed else event.latency_ms,
            request_id=event.request_id,
            is_threat=None if failed else event.is_threat,
            error=failed,
        )
    track = partial(
        selector.track_shadow, event.user_id, request_id=event.request_id, answered_by=assigned
    )
    for model_id, verdict in event.shadows.items():
        slower_ms = verdict.latency_ms - event.latency_ms
        track(model_id, event.is_threat, verdict.is_threat, latency_difference_ms=slower_ms)
    for model_id in _failed_shadows(selector, assigned, event):
        track(model_id, None if failed else event.is_threat, None)


def close_all() -> None:
    """Write what is left, and forget all selectors."""
    with _lock:
        for live in _live:
            live.selector.close()
        _live.clear()


def _failed_shadows(selector: ABModelSelector, assigned: str, event: ScanEvent) -> tuple[str, ...]:
    """Return the shadows without a verdict; none where a verdict goes by another name."""
    shadows = _shadows(selector, assigned)
    missing = tuple(model_id for model_id in shadows if model_id not in event.shadows)
    return missing if len(missing) + len(event.shadows) == len(shadows) else ()


def _shadows(selector: ABModelSelector, model_id: str) -> tuple[str, ...]:
    """The control judges in the shadow of a treatment, the treatments in that of the control."""
    if not selector.experiment.shadow:
        return ()
    models = [variant.model_id for variant in selector.experiment.variants]
    return tuple(models[1:]) if model_id == models[0] else (models[0],)
