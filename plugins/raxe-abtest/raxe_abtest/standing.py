"""How an experiment stands in the store, as this process knows it."""

from __future__ import annotations

from collections.abc import Callable

from raxe_abtest.assignment import chooser
from raxe_abtest.config import Experiment
from raxe_abtest.errors import StoreError
from raxe_abtest.store.base import Store
from raxe_abtest.store.records import Registration

__all__ = ["Standing"]


class Standing:
    """The state, who answers when it is not running, and the hash that assigns users.

    Without the store, users are assigned all the same; ``problem`` says what it failed with then.
    ``changed`` is called after somebody stopped the experiment, promoted a model or started it
    again; ``rolled_back`` with the control and the reason, after this process has done that.

    Raises:
        ExperimentError: an experiment of this key runs with other variants or another secret.
    """

    def __init__(
        self, experiment: Experiment, store: Store, given_secret: bytes | None,
        changed: Callable[[], None], rolled_back: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        self._experiment, self._store = experiment, store
        self._changed, self._rolled_back = changed, rolled_back
        self.state, self.model_id = "running", experiment.control.model_id
        self.registration: Registration | None = None
        self.problem: str | None = None
        try:
            registration = store.register(experiment, given_secret)
        except StoreError as error:
            self.problem = str(error)
            self.choose = chooser(experiment, given_secret or store.local_secret())
            return
        self._adopt(registration)

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
