"""The selection strategy ``ab_test``: experiments on live scans."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

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
_lock = threading.Lock()
_live: list[tuple[dict[str, Any], ABModelSelector]] = []


def select(request: SelectionRequest) -> Selection:
    """Choose the model of the request's user; the control where nobody is named.

    When the experiment is over, ``l2_model.model_id`` answers, so that ``raxe models set-default``
    and ``rollback`` work as ever; but no treatment that was rolled back, whatever a host's
    configuration says.
    """
    section = request.settings.get(STRATEGY)
    if not isinstance(section, Mapping):
        raise SettingsError(
            "l2_model.ab_test is not set. Name its variants: raxe abtest start MODEL_A MODEL_B"
        )
    selector = live_selector(section)
    experiment, user = selector.experiment, request.user_id
    choose = selector.select if request.for_scan else selector.model_of
    if selector.state != "running":
        model_id = str(request.settings.get("model_id") or choose(user))
        treatments = {variant.model_id for variant in experiment.variants[1:]}
        if selector.state == "rolled_back" and model_id in treatments:
            model_id = choose(user)
        return Selection(model_id, "explicit", f"experiment {experiment.key} is {selector.state}")
    model_id = choose(user)
    shadows = _shadows(selector, model_id)
    if user is None:
        reason = f"control of experiment {experiment.key}: the scan names no user"
    else:
        reason = f"variant of this user in experiment {experiment.key}"
    return Selection(model_id, STRATEGY, reason, shadow_model_ids=shadows)


def live_selector(section: Mapping[str, Any]) -> ABModelSelector:
    """Return this process's selector of a section; made once."""
    for settings, selector in _live:
        if settings == section:
            return selector
    with _lock:
        for settings, selector in _live:
            if settings == section:
                return selector
        made = ABModelSelector.from_settings(section)
        made.on_rollback = partial(_remember, made.experiment.key, dict(section))
        _live.insert(0, (dict(section), made))
        return made


def _remember(key: str, section: Mapping[str, Any], control: str, reason: str) -> None:
    """Make the control the default model of the configuration that has this experiment."""
    try:
        config = load_config()
        if config.l2_model.get(STRATEGY) == section:
            set_default(control, config.path, f"A/B test {key} rolled_back: {reason}")
    except RaxeError as error:  # the store has the rollback; only the history lacks it
        _log.warning("The rollback of %s is not in the history: %s", key, error)


def record(event: ScanEvent) -> None:
    """Record a scan: exposure, latency and verdict; a model that could not judge has failed.

    Whoever the user was assigned to counts, also when another model had to answer.
    """
    assigned = event.fallback_from or event.model_id
    for _, selector in _live:
        if any(variant.model_id == assigned for variant in selector.experiment.variants):
            break
    else:
        return
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
    if failed:
        return
    for model_id, verdict in event.shadows.items():
        selector.track_shadow(
            event.user_id,
            model_id,
            event.is_threat,
            verdict.is_threat,
            latency_difference_ms=verdict.latency_ms - event.latency_ms,
            request_id=event.request_id,
            answered_by=event.model_id,
        )


def close_all() -> None:
    """Write what is left, and forget all selectors."""
    with _lock:
        for _, selector in _live:
            selector.close()
        _live.clear()


def _shadows(selector: ABModelSelector, model_id: str) -> tuple[str, ...]:
    """The control judges in the shadow of a treatment, the treatments in that of the control."""
    if not selector.experiment.shadow:
        return ()
    models = [variant.model_id for variant in selector.experiment.variants]
    return tuple(models[1:]) if model_id == models[0] else (models[0],)
