"""ABModelSelector: who gets which model, what came of it, and what follows from that."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from raxe_abtest.assignment import chooser
from raxe_abtest.config import experiment_from
from raxe_abtest.errors import ExperimentError, SettingsError, StoreError
from raxe_abtest.recorder import Recorder
from raxe_abtest.store import open_store
from raxe_abtest.store.base import Store
from raxe_abtest.store.records import Event, Registration
from raxe_abtest.units import unit_text

if TYPE_CHECKING:
    from types import TracebackType

    from raxe_abtest.report import Report

__all__ = ["ABModelSelector"]

CACHED_USERS = 100_000
DURABILITIES = ("batch", "per_event")


class ABModelSelector:
    """An experiment: assigns users to models, records what came of it, and reports.

    ``split`` is the share of users that ``variant_b`` gets; ``user_hash_key`` is the name of the
    keyword under which :meth:`select` finds who is asking. More than two arms are given as
    ``variants={"model": weight, ...}``, the first being the control. ``store`` is a path or a
    ``postgresql://`` address, ``durability`` is ``batch`` or ``per_event``; every other setting is
    one of ``l2_model.ab_test``, such as ``coverage=0.1`` or ``primary_metric="recall"``.

    Example::

        selector = ABModelSelector("v1.0_pytorch", "v1.0_onnx_int8", split=0.5)
        model_id = selector.select(user_id="user123")
        selector.track_result("user123", model_id, latency_ms=10.5, accuracy=1.0)
        print(selector.get_report().sentence)

    Raises:
        SettingsError: a setting is wrong.
        ExperimentError: an experiment of this key runs with other variants or another secret.
    """

    def __init__(
        self,
        variant_a: str | None = None,
        variant_b: str | None = None,
        split: float = 0.5,
        user_hash_key: str = "user_id",
        *,
        variants: Mapping[str, float] | None = None,
        store: str | os.PathLike[str] | None = None,
        durability: str = "batch",
        secret: str | bytes | None = None,
        **settings: Any,
    ) -> None:
        if durability not in DURABILITIES:
            raise SettingsError(f"durability must be batch or per_event, not {durability!r}.")
        if variants is None:
            arms = {"variant_a": variant_a, "variant_b": variant_b, "traffic_split": split}
        elif variant_a is None and variant_b is None:
            arms = {"variants": [{"model_id": m, "weight": w} for m, w in variants.items()]}  # type: ignore[dict-item]
        else:
            raise SettingsError("Give variants, or variant_a and variant_b, not both.")
        self.experiment = experiment_from({**settings, **arms})
        self.where = None if store is None else os.fspath(store)
        self._user_hash_key, self._per_event = user_hash_key, durability == "per_event"
        self._given_secret = _secret_bytes(secret)
        self._models = [variant.model_id for variant in self.experiment.variants]
        self._numbers = {model_id: number for number, model_id in enumerate(self._models)}
        self._control = self._models[0]
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}
        self._older: dict[str, str] = {}
        self._store = open_store(self.where)
        self._recorder = Recorder(self.experiment, self.where, self._given_secret, self._watch)
        self._state, self._override = "running", self._control
        self._plain = user_hash_key == "user_id" and not self.experiment.sticky
        self._open()

    @classmethod
    def from_settings(cls, section: Mapping[str, Any]) -> ABModelSelector:
        """Return the selector that the section ``l2_model.ab_test`` describes."""
        settings = {key: value for key, value in section.items() if value is not None}
        settings.pop("enabled", None)
        settings["split"] = settings.pop("traffic_split", 0.5)
        listed = settings.pop("variants", None)
        if listed is not None:
            checked = experiment_from({"variants": listed})
            settings["variants"] = {v.model_id: v.weight for v in checked.variants}
        return cls(**settings)

    def __enter__(self) -> ABModelSelector:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def state(self) -> str:
        """Say whether the experiment is running, stopped, promoted or rolled_back."""
        return self._state

    @property
    def lost_events(self) -> int:
        """The events of this process that could not be kept, because the store failed for long."""
        return self._recorder.lost

    @property
    def store_problem(self) -> str | None:
        """What the store last failed with; None while it works."""
        return self._recorder.problem

    def select(self, user_id: object = None, **attributes: object) -> str:
        """Return the model for a user: always the same one, everywhere, without any I/O.

        A user outside the experiment, or no user, gets the control. It never fails because of
        the store.
        """
        try:
            return self._known[user_id]  # type: ignore[index]
        except (KeyError, TypeError):
            return self._select(user_id, attributes)

    def track_result(
        self,
        user_id: object,
        model_id: str,
        latency_ms: float | None = None,
        accuracy: float | None = None,
        *,
        request_id: str | None = None,
        is_threat: bool | None = None,
        error: bool = False,
    ) -> None:
        """Record what came of one request: any of latency, accuracy (0 to 1), failure, verdict.

        With a ``request_id`` the outcome may come later, by :meth:`track_label`, and a repeated
        call counts once. A value that is no number, negative, or outside 0 to 1 is left out and
        counted as invalid.

        Raises:
            ExperimentError: ``model_id`` is no variant.
            StoreError: with durability per_event, the event is not on the disk.
        """
        variant = self._numbers.get(model_id)
        if variant is None:
            raise ExperimentError(
                f"{model_id!r} is no variant of {self.experiment.key!r}: {', '.join(self._models)}."
            )
        unit = user_id if type(user_id) is str and user_id else unit_text(user_id)
        if unit is None:
            self._recorder.count("no_user")
            return
        epoch, expected = None, None
        if self.experiment.sticky:
            epoch, expected = self._assigned(unit) or (None, None)
        else:
            expected = self._choose(unit)
        if expected != variant:
            self._recorder.count("outside" if expected is None else "mismatched")
            if expected is None:
                return
        if latency_ms is not None:
            latency_ms = self._checked(latency_ms, math.inf)
        if accuracy is not None:
            accuracy = self._checked(accuracy, 1.0)
        request = None if request_id is None else _request_key(request_id)
        # A plain tuple of the fields of an Event after its kind; the writer's thread makes one.
        self._put(
            (
                time.time(), unit, variant, request, latency_ms, accuracy, error, is_threat,
                None, None, 1, epoch,
            )
        )  # fmt: skip

    def track_label(
        self, request_id: str, is_threat: bool | None = None, accuracy: float | None = None
    ) -> None:
        """Record the outcome of an earlier request: what its text really was, or how right it was.

        Raises:
            SettingsError: neither or both are given, or the accuracy is not within 0 to 1.
        """
        if (is_threat is None) == (accuracy is None) or not _within(accuracy or 0.0, 1.0):
            raise SettingsError("Give is_threat, or accuracy within 0 to 1.")
        key = _request_key(request_id)
        self._put(Event("label", time.time(), None, -1, key, accuracy=accuracy, label=is_threat))

    def track_shadow(
        self,
        user_id: object,
        shadow_model_id: str,
        answered: bool,
        shadow: bool,
        *,
        latency_difference_ms: float | None = None,
        request_id: str | None = None,
        answered_by: str | None = None,
    ) -> None:
        """Record both verdicts on a prompt that a shadow model judged too, to compare in pairs.

        ``latency_difference_ms`` is the shadow's time less that of the model that answered.
        """
        by = self._numbers.get(answered_by or self._control)
        other = self._numbers.get(shadow_model_id)
        if by is None or other is None or 0 not in (by, other) or by == other:
            self._recorder.count("foreign_shadows")  # pairs are of the control and a treatment
            return
        treatment, first, second = other, answered, shadow
        if by:  # the treatment answered, the control was its shadow
            treatment, first, second = by, shadow, answered
            latency_difference_ms = (
                None if latency_difference_ms is None else -latency_difference_ms
            )
        unit = unit_text(user_id) or f"request {request_id or time.time_ns()}"
        self._put(
            Event(
                "pair", time.time(), unit, treatment, _request_key(request_id),
                latency_difference_ms, verdict=first, other=second,
            )
        )  # fmt: skip

    def get_report(self) -> Report:
        """Return how the experiment stands, with everything that was tracked until now.

        It may be asked at any time and as often as you like; that is taken into account.
        """
        from raxe_abtest.report import evaluate, unavailable
        from raxe_abtest.report_looks import looks_of, refresh_clustering

        flushed = self._recorder.flush(2.0)
        try:
            snapshot = self._store.snapshot(self.experiment.key)
        except (StoreError, ExperimentError) as error:
            if isinstance(error, ExperimentError) and flushed and self._recorder.problem is None:
                with self._lock:
                    self._store.register(self.experiment, self._given_secret)
                snapshot = self._store.snapshot(self.experiment.key)
            else:
                return unavailable(self.experiment, str(error), self._recorder.lost)
        try:
            snapshot = refresh_clustering(self._store, snapshot)
            report = evaluate(self.experiment, snapshot, self._recorder.problem)
            looks = looks_of(report, snapshot)
            if looks:
                self._store.add_looks(snapshot.registration.number, looks)
        except StoreError as error:  # it can be read, and not written
            return evaluate(self.experiment, snapshot, str(error))
        return report

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until everything tracked is on the disk; False when it is not in time."""
        return self._recorder.flush(timeout)

    def close(self) -> None:
        """Write what is left and close the store; selecting goes on to work."""
        self._recorder.close()
        self._store.close()

    def _open(self) -> None:
        """Enter the experiment into the store; without the store, selection works all the same."""
        try:
            registration = self._store.register(self.experiment, self._given_secret)
        except StoreError as error:
            self._recorder.problem = str(error)
            secret = self._given_secret or self._store.local_secret()
            self._registration: Registration | None = None
            self._choose: Any = chooser(self.experiment, secret)
            return
        if self._given_secret is not None and registration.secret != self._given_secret:
            raise ExperimentError(
                f"Experiment {self.experiment.key!r} runs with another secret; this one would move "
                "its users. Use the first one, or give the new experiment another key."
            )
        self._registration = None
        self._adopt(registration)

    def _adopt(self, registration: Registration) -> None:
        """Take over the state that the store has: somebody may have stopped the experiment."""
        first, self._registration = self._registration is None, registration
        if first:
            self._choose = chooser(self.experiment, registration.secret)
        if not first and self._state == registration.state == "running":
            return
        with self._lock:
            self._state = registration.state
            self._override = registration.model_id or self._control
            self._known, self._older = {}, {}

    def _watch(self, store: Store, registration: Registration) -> None:
        """Look at new data in the writer's thread, and roll back where a guardrail broke."""
        from raxe_abtest.report import evaluate
        from raxe_abtest.report_looks import looks_of, refresh_clustering, rollback_reason

        self._adopt(registration)
        if registration.state != "running":
            return
        snapshot = store.snapshot(self.experiment.key)
        snapshot = refresh_clustering(store, snapshot)
        report = evaluate(self.experiment, snapshot, None)
        looks = looks_of(report, snapshot)
        if looks:
            store.add_looks(registration.number, looks)
        reason = rollback_reason(self.experiment, report)
        if reason is not None:
            store.set_state(registration.number, "rolled_back", self._control, reason)
            current = store.registration(self.experiment.key)
            if current is not None:
                self._adopt(current)

    def _select(self, user_id: object, attributes: Mapping[str, object]) -> str:
        """Assign a user whom this process has not met lately."""
        if type(user_id) is str and user_id and self._plain and not attributes:
            known = self._known
            variant = self._choose(user_id)
            # The state is read after the cache: who stops the experiment renews the cache last.
            if self._state == "running" and len(known) < CACHED_USERS:
                if variant is None:
                    model = self._control
                else:
                    model = self._models[variant]
                    self._recorder.put((time.time(), user_id, variant, None))
                known[user_id] = model
                return model
        return self._select_slowly(user_id, attributes)

    def _select_slowly(self, user_id: object, attributes: Mapping[str, object]) -> str:
        if self._user_hash_key != "user_id":
            user_id = attributes.get(self._user_hash_key)
        elif attributes:
            raise SettingsError(
                f"select() takes user_id=..., not {', '.join(attributes)}. Name another key with "
                "user_hash_key."
            )
        known, unit = self._known, unit_text(user_id)
        if unit is None:
            self._recorder.count("no_user")
            return self._override
        if self._state != "running":
            return self._override
        model = known.get(unit) or self._older.get(unit)
        if model is None:
            assigned = self._assigned(unit)
            if assigned is None:
                model = self._control
            else:
                model = self._models[assigned[1]]
                self._recorder.expose(unit, assigned[1], assigned[0])
        if len(known) >= CACHED_USERS:
            self._older, self._known = known, {}
        known[unit] = model
        return model

    def _assigned(self, unit: str) -> tuple[int | None, int] | None:
        """Return (epoch, variant) of a user, the epoch only where it is an earlier one."""
        if self.experiment.sticky and self._registration is not None:
            try:
                found = self._store.first_assignment(self._registration, unit)
            except StoreError:
                found = None
            if found is not None:
                return found
        variant = self._choose(unit)
        return None if variant is None else (None, variant)

    def _checked(self, value: Any, high: float) -> float | None:
        """Return a value as a float, None (and counted) where it cannot be one of the metric's."""
        if _within(value, high):
            return float(value)
        self._recorder.count("invalid")
        return None

    def _put(self, event: Any) -> None:
        self._recorder.put(event)
        if self._per_event and not self._recorder.flush():
            raise StoreError(
                f"The event is not on the disk yet: {self._recorder.problem or 'the store is slow'}"
            )


def _within(value: Any, high: float) -> bool:
    return isinstance(value, (int, float)) and 0 <= value <= high and math.isfinite(value)


def _request_key(request_id: str | None) -> str | None:
    """Return what a request is known by; long ids are kept as their hash."""
    if request_id is None:
        return None
    text = str(request_id)
    if len(text) <= 64 and text.isascii() and text.isprintable():
        return text
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _secret_bytes(secret: str | bytes | None) -> bytes | None:
    """Return the secret in at most 64 bytes, from the argument or RAXE_ABTEST_SECRET."""
    secret = secret or os.environ.get("RAXE_ABTEST_SECRET") or None
    if secret is None:
        return None
    data = secret.encode() if isinstance(secret, str) else bytes(secret)
    return data if len(data) <= 64 else blake2b(data).digest()
