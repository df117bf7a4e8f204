"""ABModelSelector: who gets which model, what came of it, and what follows from that."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from raxe_abtest.config import arms_of, experiment_from
from raxe_abtest.errors import ExperimentError, SettingsError, StoreError
from raxe_abtest.intake import label_of, pair_of
from raxe_abtest.recorder import Recorder
from raxe_abtest.standing import Standing
from raxe_abtest.store import address_of, open_store
from raxe_abtest.units import secret_bytes, unit_text

if TYPE_CHECKING:
    from raxe_abtest.report import Report

__all__ = ["ABModelSelector"]

CACHED_USERS = 100_000
DURABILITIES = ("batch", "per_event")


class ABModelSelector:
    """An experiment: assigns users to models, records what came of it, and reports.

    ``split`` is the share of users that ``variant_b`` gets (0.5), as ``traffic_split`` in the
    configuration; ``user_hash_key`` is the name of the keyword under which :meth:`select` finds who
    is asking. More than two arms are given as ``variants={"model": weight, ...}``, the first being
    the control. ``store`` is a path or a ``postgresql://`` address, ``durability`` is ``batch`` or
    ``per_event``; every other setting is one of ``l2_model.ab_test``, such as ``coverage=0.1`` or
    ``primary_metric="recall"``. ``on_rollback`` is called with the control's model id and the
    reason, in the writer's thread, after this process has rolled the experiment back.

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
        split: float | None = None,
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
        arms = arms_of(variant_a, variant_b, split, settings.pop("traffic_split", None), variants)
        self.experiment = experiment_from({**settings, **arms})
        self.where = address_of(store)
        self._user_hash_key, self._per_event = user_hash_key, durability == "per_event"
        self._models = [variant.model_id for variant in self.experiment.variants]
        self._numbers = {model_id: number for number, model_id in enumerate(self._models)}
        self._control = self._models[0]
        self._plain = user_hash_key == "user_id" and not self.experiment.sticky
        self.on_rollback: Callable[[str, str], None] | None = None
        self._forget()
        self._store = open_store(self.where)
        self._standing = Standing(
            self.experiment, self._store, secret_bytes(secret), self._forget, self._rolled_back
        )
        self._recorder = Recorder(self.experiment, self.where, self._standing)

    @classmethod
    def from_settings(cls, section: Mapping[str, Any]) -> ABModelSelector:
        """Return the selector that the section ``l2_model.ab_test`` describes.

        Raises:
            SettingsError: names the key, and what it may hold.
            ExperimentError: an experiment of this key runs with other variants or another secret.
        """
        experiment_from(section)  # one that is wrong is told in the section's words
        settings = {key: value for key, value in section.items() if value is not None}
        settings.pop("enabled", None)
        if "variants" in settings:
            # As they stand there: weights that were rounded before would be another split.
            settings["variants"] = {v["model_id"]: v.get("weight", 1) for v in settings["variants"]}
        return cls(**settings)

    def __enter__(self) -> ABModelSelector:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def state(self) -> str:
        """Say whether the experiment is running, stopped, promoted or rolled_back.

        It is unknown until the store has answered once.
        """
        return self._standing.state

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

        A user outside the experiment, or no user, gets the control, and so does everybody until
        the store has answered once. It never fails because of the store.
        """
        try:
            return self._known[user_id]  # type: ignore[index]
        except (KeyError, TypeError):
            return self._select(user_id, attributes)

    def model_of(self, user_id: object = None) -> str:
        """Return what :meth:`select` would, for who only asks: the user is not counted."""
        unit = unit_text(user_id)
        if unit is None or self._standing.state != "running":
            return self._standing.model_id
        assigned = self._standing.assigned(unit)
        return self._control if assigned is None else self._models[assigned[1]]

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
        call counts once. A value that is no number, negative, or too large (an accuracy above 1,
        a latency above 1e9) is left out and counted as invalid; so is a verdict other than true and
        false, 1 and 0.

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
        self._put((time.time(), unit, variant, request_id, latency_ms, accuracy, error, is_threat))

    def track_label(
        self, request_id: str, is_threat: bool | None = None, accuracy: float | None = None
    ) -> None:
        """Record the outcome of an earlier request: what its text really was, or how right it was.

        Raises:
            SettingsError: neither or both are given, ``is_threat`` is no truth value, the accuracy
                is not within 0 to 1, or there is no ``request_id``.
        """
        self._put(label_of(request_id, is_threat, accuracy))

    def track_shadow(
        self,
        user_id: object,
        shadow_model_id: str,
        answered: bool | None,
        shadow: bool | None,
        *,
        latency_difference_ms: float | None = None,
        request_id: str | None = None,
        answered_by: str | None = None,
    ) -> None:
        """Record both verdicts on a prompt that a shadow model judged too, to compare in pairs.

        A verdict is None where the model failed; where ``answered`` is, the shadow need not have
        been asked. ``latency_difference_ms`` is the shadow's time less the answering model's.
        """
        by = self._numbers.get(answered_by or self._control)
        other = self._numbers.get(shadow_model_id)
        if by is None or other is None or 0 not in (by, other) or by == other:
            self._recorder.count("foreign_shadows")  # pairs are of the control and a treatment
            return
        known = request_id is not None and request_id != ""
        unit = unit_text(user_id) or f"request {request_id if known else time.time_ns()}"
        verdicts, count = (answered, shadow), self._recorder.count
        self._put(pair_of(unit, request_id, by, other, verdicts, latency_difference_ms, count))

    def get_report(self) -> Report:
        """Return how the experiment stands, with everything that was tracked until now.

        It may be asked at any time and as often as you like; that is taken into account.
        """
        from raxe_abtest.evaluate import unavailable
        from raxe_abtest.looks import look

        recorder = self._recorder
        flushed = recorder.flush(2.0) or (recorder.problem is None and recorder.flush(30.0))
        try:
            if flushed and self._standing.registration is None:
                self._standing.register(self._store)
            return look(self._store, self.experiment, recorder.problem)
        except (StoreError, ExperimentError) as error:
            return unavailable(self.experiment, str(error), recorder.lost)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until everything tracked is on the disk; False when it is not in time."""
        return self._recorder.flush(timeout)

    def close(self) -> None:
        """Write what is left and close the store; selecting goes on to work."""
        self._recorder.close()
        self._store.close()

    def _forget(self) -> None:
        """Assign everybody anew; users whom this process knows get what the state says now."""
        self._known: dict[str, str] = {}
        self._older: dict[str, str] = {}

    def _rolled_back(self, model_id: str, reason: str) -> None:
        if self.on_rollback is not None:
            self.on_rollback(model_id, reason)

    def _select(self, user_id: object, attributes: Mapping[str, object]) -> str:
        """Assign a user whom this process has not met lately."""
        if type(user_id) is str and user_id and self._plain and not attributes:
            known = self._known
            variant = self._standing.choose(user_id)
            # The state is read after the cache: who stops the experiment renews the cache last.
            if self._standing.state == "running" and len(known) < CACHED_USERS:
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
            return self._standing.model_id
        if self._standing.state != "running":
            if self._standing.registration is None:
                self._recorder.wake()  # it joins when the store answers
            return self._standing.model_id
        model = known.get(unit) or self._older.get(unit)
        if model is None:
            assigned = self._standing.assigned(unit)
            if assigned is None:
                model = self._control
            else:
                model = self._models[assigned[1]]
                self._recorder.put((time.time(), unit, assigned[1], assigned[0]))
        if len(known) >= CACHED_USERS:
            self._older, self._known = known, {}
        known[unit] = model
        return model

    def _put(self, event: Any) -> None:
        self._recorder.put(event)
        if self._per_event and not self._recorder.flush():
            raise StoreError(
                f"The event is not on the disk yet: {self._recorder.problem or 'the store is slow'}"
            )
