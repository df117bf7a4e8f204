"""Fold a batch of events into users' sums; the same arithmetic for every database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from raxe_abtest.statistics.quantile import bucket_of
from raxe_abtest.statistics.sums import Sums
from raxe_abtest.store.records import ARMS, METRIC_COLUMNS, Event, UserRow

__all__ = ["Fold", "RequestRow", "UserKey"]

ACCURACY, LATENCY, ERROR, RECALL, FALSE_ALARM, LABELLED = range(len(METRIC_COLUMNS))
UserKey = tuple[int, str, bytes]  # epoch, scope, pseudonym
_OUTCOMES = {
    (True, True): "both",
    (True, False): "only_control",
    (False, True): "only_treatment",
    (False, False): "neither",
}


class RequestRow:
    """A request whose label may come later: who answered what, and what is counted already.

    ``others`` holds, by treatment, the verdicts of control and treatment; None once counted.
    """

    __slots__ = (
        "accuracy", "at", "done", "epoch", "label", "matured", "others", "unit", "variant",
        "verdict",
    )  # fmt: skip

    def __init__(self, at: float, epoch: int) -> None:
        self.at, self.epoch = at, epoch
        self.unit: bytes | None = None
        self.variant = -1
        self.verdict: bool | None = None
        self.label: bool | None = None
        self.accuracy: float | None = None
        self.others: dict[str, tuple[bool, bool] | None] = {}
        self.done = False
        self.matured = False


class Fold:
    """One batch; ``users`` and ``requests`` are the rows that it touches, as the store has them."""

    def __init__(
        self, epoch: int, users: dict[UserKey, UserRow], requests: dict[str, RequestRow]
    ) -> None:
        self.epoch, self.users, self.requests = epoch, users, requests
        self.buckets: Counter[tuple[int, int]] = Counter()
        self.facts: Counter[str] = Counter()
        self.samples: list[tuple[int, bytes, float]] = []
        self.logged: list[tuple[int, bytes | None, Event]] = []
        self._apply: dict[str, Callable[[bytes, Event, int], None]] = {
            "exposure": self._exposure,
            "result": self._result,
            "pair": self._pair,
        }

    def apply(self, events: Sequence[tuple[bytes | None, Event]]) -> None:
        """Apply events in order, each with its user's pseudonym."""
        for unit, event in events:
            epoch = self.epoch if event.epoch is None else event.epoch
            if event.kind == "count":
                self.facts[event.request or ""] += event.amount
            elif event.kind == "label":
                self._label(event, epoch)
            else:
                assert unit is not None
                self._apply[event.kind](unit, event, epoch)

    def mature(self, request: RequestRow) -> None:
        """Count a request whose label did not come in time."""
        request.matured = True
        row = self._arm_row(request)
        if row is not None and not request.done:
            row.add(LABELLED, 0.0)

    def sum_changes(self) -> dict[tuple[int, str, int, str], Sums]:
        """Return what the changed users add to the sums of (epoch, scope, variant, metric)."""
        totals: dict[tuple[int, str, int], list[float]] = {}
        new: Counter[tuple[int, str, int]] = Counter()
        for (epoch, scope, _), row in self.users.items():
            key = (epoch, scope, row.variant)
            if row.new:
                new[key] += 1
            total = totals.get(key)
            if total is None:
                total = totals[key] = [0.0] * (6 * len(METRIC_COLUMNS))
            values, before = row.values, row.before
            for i in range(0, len(values), 2):
                m, m0 = values[i], before[i]
                if m == m0:  # every value adds one to the number of values
                    continue
                s, s0, at = values[i + 1], before[i + 1], 3 * i
                if not m0:
                    total[at] += 1.0
                total[at + 1] += s - s0
                total[at + 2] += m - m0
                total[at + 3] += s * s - s0 * s0
                total[at + 4] += s * m - s0 * m0
                total[at + 5] += m * m - m0 * m0
        changes = {(*key, "users"): Sums(float(n)) for key, n in new.items()}
        for key, total in totals.items():
            for number, metric in enumerate(METRIC_COLUMNS):
                part = total[6 * number : 6 * number + 6]
                if any(part):
                    changes[(*key, metric)] = Sums(*part)
        return changes

    def _user(self, unit: bytes, event: Event, epoch: int) -> UserRow | None:
        """Return the user's row; the first variant wins, another one later is left out."""
        row = self.users.get((epoch, ARMS, unit))
        if row is None:
            row = self.users[epoch, ARMS, unit] = UserRow(event.variant, event.at)
        elif row.variant != event.variant:
            self.facts["crossovers"] += 1
            return None
        return row

    def _exposure(self, unit: bytes, event: Event, epoch: int) -> None:
        known = (epoch, ARMS, unit) in self.users
        if self._user(unit, event, epoch) is not None and not known:
            self.logged.append((epoch, unit, event))

    def _result(self, unit: bytes, event: Event, epoch: int) -> None:
        request = self._request(event, epoch)
        if request is not None:
            if request.variant >= 0:  # a pair alone has a unit, and no variant
                self.facts["duplicates"] += 1
                return
            request.unit, request.variant, request.epoch = unit, event.variant, epoch
            request.matured = False
            request.verdict, request.at = event.verdict, event.at
        row = self._user(unit, event, epoch)
        if row is None:
            return
        self.logged.append((epoch, unit, event))
        self.facts["results"] += 1
        row.add(ERROR, float(event.error))
        if event.latency_ms is not None:
            row.add(LATENCY, event.latency_ms)
            self.buckets[event.variant, bucket_of(event.latency_ms)] += 1
            self.samples.append((event.variant, unit, event.latency_ms))
        if event.accuracy is not None:
            row.add(ACCURACY, event.accuracy)
            row.add(LABELLED, 1.0)
            if request is not None:
                request.done = request.matured = True
        elif request is None and not event.error:  # what has failed has nothing to label
            row.add(LABELLED, 0.0)
        if request is not None:
            self._settle(request)

    def _pair(self, unit: bytes, event: Event, epoch: int) -> None:
        """A shadow's verdict beside the answer; it counts for accuracy once the label is known."""
        request = self._request(event, epoch)
        treatment = str(event.variant)
        if request is not None:
            if treatment in request.others:
                self.facts["duplicates"] += 1
                return
            if request.unit is None:  # no result yet; none ever where nobody was randomised
                request.unit, request.matured = unit, True
            if event.verdict is not None and event.other is not None:
                request.others[treatment] = (event.verdict, event.other)
        row = self._pair_row(treatment, unit, event.at)
        self.logged.append((epoch, unit, event))
        row.add(ERROR, float(event.error))
        if event.latency_ms is not None:
            row.add(LATENCY, event.latency_ms)
        if request is not None:
            self._settle_pairs(request)

    def _label(self, event: Event, epoch: int) -> None:
        request = self._request(event, epoch)
        assert request is not None
        known = request.done and event.label is None  # a verdict's truth still tells of its pairs
        if known or request.label is not None or request.accuracy is not None:
            self.facts["duplicate_labels"] += 1
            return
        request.label, request.accuracy = event.label, event.accuracy
        self.logged.append((request.epoch, request.unit, event))
        self.facts["labels"] += 1
        self._settle(request)

    def _request(self, event: Event, epoch: int) -> RequestRow | None:
        """Return the request's row; one whose label came before its result has no user yet."""
        if event.request is None:
            return None
        row = self.requests.get(event.request)
        if row is None:
            row = self.requests[event.request] = RequestRow(event.at, epoch)
        return row

    def _arm_row(self, request: RequestRow) -> UserRow | None:
        if request.unit is None:
            return None
        row = self.users.get((request.epoch, ARMS, request.unit))
        return row if row is not None and row.variant == request.variant else None

    def _pair_row(self, treatment: str, unit: bytes, at: float) -> UserRow:
        """Return the user's row of pairs: one for all epochs, as no split decides who judges."""
        key = (0, f"pair:{treatment}", unit)
        row = self.users.get(key)
        if row is None:
            row = self.users[key] = UserRow(int(treatment), at)
        return row

    def _settle(self, request: RequestRow) -> None:
        """Count the outcome, when the later one of result and label has come."""
        label = request.label
        if request.unit is None or (label is None and request.accuracy is None):
            return
        row = self._arm_row(request)
        if row is not None:
            value = request.accuracy
            if value is None and request.verdict is not None:
                value = float(request.verdict == label)
            if value is not None and not request.done:
                row.add(ACCURACY, value)
                request.done = True
            if label is not None and request.verdict is not None:
                row.add(RECALL if label else FALSE_ALARM, float(request.verdict))
            if not request.matured:  # labelled, even where a failed request has no verdict
                row.add(LABELLED, 1.0)
                request.matured = True
        self._settle_pairs(request)

    def _settle_pairs(self, request: RequestRow) -> None:
        label = request.label
        if label is None:
            return
        assert request.unit is not None
        for treatment, verdicts in request.others.items():
            if verdicts is None:
                continue
            pair = self._pair_row(treatment, request.unit, request.at)
            control, other = verdicts
            right = (control == label, other == label)
            pair.add(ACCURACY, float(right[1]) - float(right[0]))
            pair.add(RECALL if label else FALSE_ALARM, float(other) - float(control))
            self.facts[f"pair:{treatment}:{_OUTCOMES[right]}"] += 1
            request.others[treatment] = None
