"""What the commands share: which experiment is meant, and where its store is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
from raxe_core import load_config

from raxe_abtest.config import Experiment, experiment_from
from raxe_abtest.errors import ExperimentError, StoreError
from raxe_abtest.store import open_store
from raxe_abtest.store.base import Store
from raxe_abtest.store.records import Registration

__all__ = ["experiment_options", "find", "known_in", "section_of"]

_F = TypeVar("_F", bound=Callable[..., Any])


def experiment_options(command: _F) -> _F:
    """Add ``--experiment`` and ``--store``."""
    command = click.option(
        "--store", "where", metavar="PATH|URL", help="Instead of l2_model.ab_test.store."
    )(command)
    return click.option(
        "--experiment", "key", metavar="KEY", help="Instead of the configured or only one."
    )(command)


def section_of(config_path: Path | None) -> Mapping[str, Any]:
    """Return the section ``l2_model.ab_test``, empty where there is none."""
    section = load_config(config_path).l2_model.get("ab_test")
    return section if isinstance(section, Mapping) else {}


def known_in(store: Store, named: str | None) -> list[Registration]:
    """Return the experiments of a store; one that is not there is not made.

    Raises:
        StoreError: it is not there, and --store has ``named`` it.
    """
    if store.exists():
        return store.registrations()
    if named:
        raise StoreError(f"No A/B store {store.where}.")
    return []


def find(
    config_path: Path | None, key: str | None, where: str | None
) -> tuple[Store, Registration, Experiment]:
    """Return the experiment that is meant: the named, the configured, or the newest one.

    Raises:
        ExperimentError: there is none, or none of this key.
        StoreError: the store cannot be read.
    """
    section = section_of(config_path)
    store = open_store(where or section.get("store"))
    known = known_in(store, where)
    if key is None and (section.get("variants") or section.get("variant_a")):
        key = experiment_from(section).key
    if key is not None:
        for registration in known:
            if registration.key == key:
                return store, registration, experiment_from(registration.spec)
        keys = ", ".join(registration.key for registration in known) or "none"
        raise ExperimentError(f"No experiment {key!r} in {store.where}. Known: {keys}.")
    running = [registration for registration in known if registration.state == "running"]
    if not known:
        raise ExperimentError(
            f"No experiment in {store.where}. Start one: raxe abtest start MODEL_A MODEL_B"
        )
    if len(running) > 1:
        keys = ", ".join(registration.key for registration in running)
        raise ExperimentError(f"Several experiments run: {keys}. Name one with --experiment.")
    chosen = (running or known)[0]
    return store, chosen, experiment_from(chosen.spec)
