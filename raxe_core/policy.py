"""The policy: from a judgement to an action.

==========  =========  =====================================================
action      severity   when
==========  =========  =====================================================
``allow``   ``none``   the score is below the model's threshold
``flag``    ``medium`` a threat whose score is below ``policy.block_score``
``block``   ``high``   a threat whose score reaches ``policy.block_score``
``block``   ``high``   no model could judge, and ``on_failure`` is ``block``
==========  =========  =====================================================
"""

from __future__ import annotations

from typing import Literal

from raxe_core.detector import DetectionResult

__all__ = ["Action", "Severity", "action_of", "severity_of"]

Action = Literal["allow", "flag", "block"]
Severity = Literal["none", "medium", "high"]


def action_of(detection: DetectionResult | None, block_score: float) -> Action:
    """Return what to do with a text; None is a text that no model could judge."""
    if detection is None:
        return "block"
    if not detection.is_threat:
        return "allow"
    return "block" if detection.score >= block_score else "flag"


def severity_of(action: Action) -> Severity:
    """Return the severity that goes with an action."""
    severities: dict[Action, Severity] = {"allow": "none", "flag": "medium", "block": "high"}
    return severities[action]
