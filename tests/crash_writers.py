"""Programs for the tests of crash safety: each writes one kind of state until it is killed.

The first write is done when ``ready`` is set. They run in processes forked from one that has
imported this module, so that a round takes milliseconds.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path

import ruamel.yaml  # noqa: F401  # imported once, for all processes

from raxe_core import files, metadata  # noqa: F401  # likewise
from raxe_core.benchmark.profile import save_profile
from raxe_core.defaults import change_setting, rollback, set_default
from raxe_core.discovery import discover_folder, model_from_file
from raxe_core.evaluation.prompts import Prompt
from raxe_core.evaluation.sharded import Partial
from raxe_core.files import locked
from raxe_core.install import add_model
from raxe_core.plugins import PluginHost
from raxe_core.validated import remember

MODELS = ("v9.0_tiny", "v9.1_tiny", "v9.2_tiny")
SHARDS = 3
PROMPTS = [Prompt(f"text {number}", True) for number in range(40)]
VERDICTS = [[[True, 0.9, 0.5, "PI", None, 1.0]] * len(PROMPTS)]


def write_settings(home: Path, ready: Event) -> None:
    for number in _turns(home, ready):
        change_setting(f"aliases.name{number % 5}", MODELS[number % 3], home / "config.yaml")


def write_default(home: Path, ready: Event) -> None:
    for number in _turns(home, ready):
        set_default(MODELS[number % 3], home / "config.yaml", "test")
        if number % 3 == 2:
            rollback(home / "config.yaml")


def write_index(home: Path, ready: Event) -> None:
    (bundle,) = (home / "models").glob("*.raxe")
    for number in _turns(home, ready):
        os.utime(bundle, (number, number))
        discover_folder(home / "models", "test")


def write_validated(home: Path, ready: Event) -> None:
    (bundle,) = (home / "models").glob("*.raxe")
    model, host = model_from_file(bundle, "test"), PluginHost()
    for number in _turns(home, ready):
        model.manifest_digest = f"sha256:{number % 5:064x}"
        remember(model, host)


def write_profile(home: Path, ready: Event) -> None:
    for number in _turns(home, ready):
        save_profile({MODELS[number % 3]: (None, {"memory_mb": 5.0})}, "2026-01-01")


def write_models(home: Path, ready: Event) -> None:
    sources = sorted(home.parent.glob("source*/*.raxe"))
    for number in _turns(home, ready):
        add_model(sources[number % len(sources)], replace=True)


def write_shards(home: Path, ready: Event) -> None:
    for _ in _turns(home, ready):
        partial = Partial(home / "out.jsonl", {}, resume=True, rows=True)
        for number in range(SHARDS):
            if partial.read(number, len(PROMPTS)) is None:
                partial.write(number, PROMPTS, VERDICTS)
        partial.join()


def hold_lock(home: Path, ready: Event) -> None:
    with locked(home / "config.yaml"):
        for _ in _turns(home, ready):
            time.sleep(0.01)


def set_aliases(home: Path, writer: int, count: int) -> None:
    """Set ``count`` aliases of this writer's own."""
    _use(home)
    for number in range(count):
        change_setting(f"aliases.w{writer}n{number}", MODELS[0], home / "config.yaml")


def set_defaults(home: Path, writer: int, count: int) -> None:
    """Set the default ``count`` times, in a configuration that every other writer shares."""
    _use(home)
    for number in range(count):
        set_default(MODELS[number % 3], home / f"config{writer % 2}.yaml", f"{writer}:{number}")


def save_profiles(home: Path, writer: int, count: int) -> None:
    """Save the figures of ``count`` models of this writer's own."""
    _use(home)
    for number in range(count):
        save_profile({f"w{writer}n{number}": (None, {"memory_mb": 5.0})}, "2026-01-01")


def _turns(home: Path, ready: Event) -> Iterator[int]:
    _use(home)
    for number in itertools.count():
        yield number
        if not ready.is_set():
            ready.set()


def _use(home: Path) -> None:
    os.environ["RAXE_HOME"] = str(home)
    files.LOCK_SECONDS = 120  # several writers on a busy machine wait long for their turns
