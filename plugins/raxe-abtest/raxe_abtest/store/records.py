"""What goes into the store and comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from raxe_abtest.statistics.sums import Sums

__all__ = [
    "ARMS", "METRIC_COLUMNS", "Event", "Look", "Peak", "Registration", "Snapshot", "UserRow",
]  # fmt: skip

# Per user, a number of values and their sum for each of these.
METRIC_COLUMNS = (
    "accuracy", "latency", "error_rate", "recall", "false_positive_rate", "labelled",
)  # fmt: skip
ARMS = ""  # the scope of randomised comparisons; others are "pair:<treatment>"


class Event(NamedTuple):
    """One thing that happened; ``kind`` is exposure, result, pair, label or count.

    ``unit`` is the user's id as it was given and leaves this process only as a pseudonym.
    ``verdict`` and ``label`` say threat or not; for a pair, ``verdict`` is the control's and
    ``other`` the treatment's, ``latency_ms`` and ``error`` (1, 0 or -1) the treatment's less the
    control's. Without an ``epoch`` the event belongs to the one that runs.
    """

    kind: str
    at: float
    unit: str | None
    variant: int
    request: str | None = None
    latency_ms: float | None = None
    accuracy: float | None = None
    error: int = 0
    verdict: bool | None = None
    label: bool | None = None
    other: bool | None = None
    amount: int = 1
    epoch: int | None = None


class UserRow:
    """One user's running sums in one scope: ``values`` holds m and s for each metric."""

    __slots__ = ("at", "before", "new", "values", "variant")

    def __init__(self, variant: int, at: float, values: list[float] | None = None) -> None:
        self.variant, self.at, self.new = variant, at, values is None
        self.values = values if values is not None else [0.0] * (2 * len(METRIC_COLUMNS))
        self.before = tuple(self.values)

    @property
    def changed(self) -> bool:
        """Whether a value was added."""
        return self.before != tuple(self.values)

    def add(self, metric: int, value: float) -> None:
        """Add a value of one metric."""
        self.values[2 * metric] += 1.0
        self.values[2 * metric + 1] += value


class Look(NamedTuple):
    """What one look saw of one comparison; ``comparison`` is such as ``B`` or ``srm``."""

    at: float
    comparison: str
    metric: str
    users: float
    effect: float
    low: float | None
    high: float | None
    log_e: float


class Peak(NamedTuple):
    """The strongest evidence that any look saw, and how many users the last one had."""

    log_e: float
    users: float


class Registration(NamedTuple):
    """How an experiment stands in the store.

    ``epochs`` holds the weights of each epoch; ``state`` is running, stopped, promoted or
    rolled_back; ``model_id`` is who answers when it is not running.
    """

    number: int
    spec: Mapping[str, Any]
    epochs: tuple[tuple[int, ...], ...]
    state: str
    model_id: str | None
    reason: str
    started_at: float
    secret: bytes

    @property
    def key(self) -> str:
        """The experiment's name."""
        return str(self.spec["key"])


class Snapshot(NamedTuple):
    """All that a report is made of, read in one transaction.

    ``sums`` is keyed by (epoch, scope, variant, metric); the metric ``users`` counts the exposed.
    """

    registration: Registration
    sums: Mapping[tuple[int, str, int, str], Sums]
    histograms: Mapping[int, tuple[tuple[int, float], ...]]
    facts: Mapping[str, float]
    peaks: Mapping[tuple[str, str], Peak]

    @classmethod
    def empty(cls, experiment: Any) -> Snapshot:
        """Return the snapshot of an experiment that has no data."""
        registration = Registration(
            0, experiment.as_dict(), (experiment.weights,), "running", None, "", 0.0, b""
        )
        return cls(registration, {}, {}, {}, {})
