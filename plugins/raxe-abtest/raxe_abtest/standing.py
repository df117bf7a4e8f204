"""How an experiment stands in the store, as this process knows it."""

from __future__ import annotations

from collections.abc import Callable

from raxe_core import safe_logger

from raxe_abtest.assignment import Chooser, chooser
from raxe_abtest.config import Experiment
from raxe_abtest.errors import StoreError
from raxe_abtest.store.base import Store
from raxe_abtest.store.records import Registration

__all__ = ["Standing"]

_log = safe_logger(__name__)


class Standing:
    """The state, who answers when it is not running, and the hash that assigns users.

    Until the store has answered once, the state is unknown: it alone knows the secret of the hash,
    and whether somebody has ended the experiment. Everybody gets the control then, and nobody is in
    the experiment; ``problem`` says what the store failed with. ``changed`` is called after the
    state changed; ``rolled_back`` with the control and the reason, after this process has rolled
    the experiment back.

    Raises:
        ExperimentError: an experiment of this key runs with other variants or another secret.
    """

    def __init__(
        self, experiment: Experiment, store: Store, given_secret: bytes | None,
        changed: Callable[[], None], rolled_back: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        self._experiment, self._store, self._given_secret = experiment, store, given_secret
        self._changed, self._rolled_back = changed, rolled_back
        self.state, self.model_id = "unknown", experiment.control.model_id
        self.choose: Chooser = lambda _: None
        self.registration: Registration | None = None
        self.problem: str | None = None
        try:
            self.register(store)
        except StoreError as error:
            self.problem = f"{error} Until the store answers, everybody gets {self.model_id}."
            _log.warning("A/B test %s: %s", experiment.key, self.problem)

    def register(self, store: Store) -> Registration:
        """Enter the experiment into the store, or find it there, and go by what the store says.

        Raises:
            ExperimentError: an experiment of this key runs with other variants or another secret.
            StoreError: the store cannot be used.
        """
        registration = store.register(self._experiment, self._given_secret)
        self._adopt(registration)
        return registration

    def assigned(self, unit: str) -> tuple[int | None, int] | None:
        """Return (epoch, variant) of a user, the epoch only where it is an earlier one.

        None is for a user outside the experiment.
        """
        if self._experiment.sticky and self.registration is not None:
            try:
                found = self._store.first_assignment(self.registration, unit)
            except StoreError:
                found = None
            if found is not None:
                return found
        variant = self.choose(unit)
        return None if variant is None else (None, variant)

    def watch(self, store: Store, registration: Registration) -> None:
        """Take over what the store says; look at new data, roll back where a guardrail broke."""
        from raxe_abtest.looks import look, rollback_reason

        self._adopt(registration)
        if registration.state != "running":
            return
        reason = rollback_reason(self._experiment, look(store, self._experiment))
        if reason is None:
            return
        control = self._experiment.control.model_id
        done = store.set_state(registration.number, "rolled_back", control, reason)
        current = store.registration(registration.key)
        if current is not None:
            self._adopt(current)
        if done:
            self._rolled_back(control, reason)

    def _adopt(self, registration: Registration) -> None:
        if self.registration is None:
            self.choose = chooser(self._experiment, registration.secret)
        running = self.registration is not None and self.state == registration.state == "running"
        self.registration = registration
        if not running:
            self.state = registration.state
            self.model_id = registration.model_id or self._experiment.control.model_id
            self._changed()
