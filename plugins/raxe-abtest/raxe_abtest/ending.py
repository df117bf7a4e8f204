"""The end of an experiment: in the store for every process, in the history for people."""

from __future__ import annotations

from raxe_core import Config, set_default

from raxe_abtest.store.base import Store
from raxe_abtest.store.records import Registration

__all__ = ["end"]


def end(
    store: Store,
    registration: Registration,
    state: str,
    model_id: str,
    why: str,
    config: Config,
    control: str,
) -> bool:
    """Give everybody ``model_id``, and return whether the state was set.

    It becomes the default model, so that ``raxe models history`` shows it and ``raxe models
    rollback`` undoes it: back to the default of before, or to the ``control`` where there was none.
    The store comes first: that is what reaches every process and host. ``state`` is stopped,
    promoted or rolled_back; an experiment that is over is not rolled back.

    Raises:
        StoreError: the store cannot be written; nothing has changed.
        ConfigError: the configuration cannot be written; the experiment is over all the same.
    """
    if not store.set_state(registration.number, state, model_id, why):
        return False
    if model_id != control and config.get("l2_model.model_id") is None:
        # Without a default, the store's answer would hold after the rollback as well.
        set_default(control, config.path, f"A/B test {registration.key}: the control")
    set_default(model_id, config.path, f"A/B test {registration.key} {state}: {why}")
    return True
