"""The report: what is known, whether it decides, and what to do next."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs

from raxe_abtest.guardrails import Guardrail

__all__ = ["NOT_MEASURED", "Arm", "Comparison", "Figure", "Report", "Share"]


class Share(float):
    """A confidence: formatted in percent it says ``<0.1%`` and ``>99.9%``, never 0 or 100."""

    def __format__(self, spec: str) -> str:
        if spec.endswith("%"):
            if self < 0.001:
                return "<0.1%"
            if self > 0.999:
                return ">99.9%"
        return super().__format__(spec)


class NotMeasured:
    """The value of what nobody measured: it equals None, is false, and prints as ``n/a``."""

    def __format__(self, spec: str) -> str:
        return "n/a"

    def __repr__(self) -> str:
        return "n/a"

    def __bool__(self) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, NotMeasured)

    def __hash__(self) -> int:
        return hash(None)


NOT_MEASURED = NotMeasured()
Figure = float | NotMeasured


@attrs.frozen
class Arm:
    """One variant's figures; what was not measured is ``NOT_MEASURED``, which equals None."""

    name: str
    model_id: str
    share: float
    users: int
    requests: int
    outcomes: int
    avg_latency: Figure
    p95_latency: Figure
    p95_interval: tuple[float, float] | None
    accuracy: Figure
    accuracy_interval: tuple[float, float] | None
    recall: Figure
    false_positive_rate: Figure
    error_rate: Figure
    labelled_share: Figure


@attrs.frozen
class Comparison:
    """A treatment against the control in the primary metric.

    ``confidence`` is one minus the anytime p-value at the best look so far, Holm-adjusted over the
    treatments: the largest level at which the anytime interval still excludes zero. It is not the
    probability that the treatment is better; that, under a flat prior, is ``chance_to_win``, which
    is no error rate when one looks often. ``fixed_p_value`` and ``fixed_interval`` are true at the
    planned size alone, looked at once; ``p_now`` is the anytime p-value of the current look.
    """

    treatment: str
    model_id: str
    metric: str
    effect: float | None
    interval: tuple[float, float] | None
    confidence: Share
    p_value: float
    p_now: float
    chance_to_win: Share
    fixed_p_value: float
    fixed_interval: tuple[float, float] | None
    users: int
    users_needed: int | None
    method: str
    note: str


@attrs.frozen(kw_only=True)
class Report:
    """How an experiment stands. ``sentence`` is what to tell the person who asks."""

    key: str
    state: str
    status: str
    winner: str | None
    confidence: Share
    sentence: str
    primary_metric: str
    alpha: float
    users: int
    variants: tuple[Arm, ...]
    comparisons: tuple[Comparison, ...] = ()
    guardrails: tuple[Guardrail, ...] = ()
    srm_p_value: float = 1.0
    missing_p_value: float = 1.0
    lost_events: int = 0
    facts: Mapping[str, float] = attrs.field(factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def variant_a(self) -> Arm:
        """The control."""
        return self.variants[0]

    @property
    def variant_b(self) -> Arm:
        """The first treatment."""
        return self.variants[1]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON types; what was not measured is None."""
        content = attrs.asdict(
            self,
            filter=lambda field, _: field.name != "guardrails",
            value_serializer=lambda _, __, value: _plain(value),
        )
        content["guardrails"] = [guardrail._asdict() for guardrail in self.guardrails]
        return content


def _plain(value: Any) -> Any:
    if isinstance(value, NotMeasured):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return float(value) if isinstance(value, Share) else value
