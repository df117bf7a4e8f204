"""What is told of a scan, to the log and to ``on_scan``: never the text."""

from __future__ import annotations

import logging
import math
from typing import Any

from raxe_core.detector import DetectionResult
from raxe_core.errors import RaxeError
from raxe_core.pool import DetectorPool
from raxe_core.records import ScanEvent, Selection, ShadowVerdict
from raxe_core.safe_log import safe_logger

__all__ = ["report", "report_failure"]

_log = safe_logger("raxe_core")


def report(
    pool: DetectorPool,
    selection: Selection,
    detection: DetectionResult,
    text: str,
    l1_results: Any,
    user_id: str | None,
    request_id: str | None,
) -> None:
    """Log the scan and tell the plugins, without the text."""
    level = logging.INFO if selection.fallback_from is None else logging.WARNING
    host = pool.registry.host
    if not host.watches_scans and not _log.isEnabledFor(level):
        return
    event = ScanEvent(
        model_id=detection.model_id,
        bundle_digest=pool.digests.get(selection.model_id),
        is_threat=detection.is_threat,
        score=detection.score,
        latency_ms=detection.processing_time_ms,
        user_id=user_id,
        request_id=request_id,
        strategy=selection.strategy,
        fallback_from=selection.fallback_from,
        shadows=_shadow_verdicts(pool, selection, text, l1_results),
    )
    _log.log(
        level,
        "scan model=%s digest=%s threat=%s latency_ms=%.2f fallback_from=%s fallback_kind=%s",
        *(event.model_id, event.bundle_digest, event.is_threat, event.latency_ms),
        *(event.fallback_from, selection.fallback_kind),
    )
    _tell_plugins(pool, event)


def report_failure(
    pool: DetectorPool,
    selection: Selection,
    error: RaxeError,
    user_id: str | None,
    request_id: str | None,
) -> None:
    """Log that no model could judge, and tell the plugins."""
    _log.warning(
        "no model could judge model=%s fallback_from=%s blocked=%s error=%s: %s",
        *(selection.model_id, selection.fallback_from),
        pool.registry.config.get("l2_model.on_failure") == "block",
        *(error.kind, error),
    )
    if not pool.registry.host.watches_scans:
        return
    event = ScanEvent(
        model_id=selection.model_id,
        bundle_digest=pool.digests.get(selection.model_id),
        is_threat=True,
        score=math.nan,
        latency_ms=math.nan,
        user_id=user_id,
        request_id=request_id,
        strategy=selection.strategy,
        fallback_from=selection.fallback_from,
        shadows={},
        error=error.kind,
    )
    _tell_plugins(pool, event)


def _tell_plugins(pool: DetectorPool, event: ScanEvent) -> None:
    """Call ``on_scan`` of every plugin; the first fault of each is logged."""
    host = pool.registry.host
    host.on_scan(event)
    for problem in host.problems:
        plugin = problem.distribution
        if problem.stage == "on_scan" and plugin not in pool.failed_watchers:
            pool.failed_watchers.add(plugin)
            fault = problem.reason.partition(":")[0]  # what follows the type may quote anything
            _log.warning(
                "plugin %s failed in on_scan with %s; its later faults are not logged",
                plugin,
                fault,
            )


def _shadow_verdicts(
    pool: DetectorPool, selection: Selection, text: str, l1_results: Any
) -> dict[str, ShadowVerdict]:
    """Let the shadow models judge too; one that fails is logged and left out."""
    verdicts = {}
    for model_id in selection.shadow_model_ids:
        try:
            result = pool.detector(model_id).analyze(text, l1_results=l1_results)
        except RaxeError as error:
            _log.warning("shadow model=%s failed (%s): %s", model_id, error.kind, error)
        else:
            verdicts[model_id] = ShadowVerdict(
                result.is_threat, result.score, result.processing_time_ms
            )
    return verdicts
