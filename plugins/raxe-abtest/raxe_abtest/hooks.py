"""The plugin's entry point: a strategy, a command and an observer of scans, all imported late."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from raxe_core import Command, Selection, SelectionRequest, Strategy, hookimpl

if TYPE_CHECKING:
    from raxe_core import ScanEvent

RAXE_API = 1
STRATEGY = "ab_test"


def select(request: SelectionRequest) -> Selection:
    """Choose the variant of the user."""
    from raxe_abtest.strategy import select as select_variant

    return select_variant(request)


@hookimpl
def selection_strategies() -> Iterable[Strategy]:
    """Return the strategy that ``l2_model.ab_test.enabled`` switches on."""
    yield Strategy(STRATEGY, "the variant of an A/B test that the user is in", select)


@hookimpl
def commands() -> Iterable[Command]:
    """Return the command group ``raxe abtest``."""
    yield Command("abtest", "Run A/B tests of models.", "raxe_abtest.cli:abtest")


@hookimpl
def on_scan(event: ScanEvent) -> None:
    """Record what came of a scan that an experiment chose the model for."""
    if event.strategy == STRATEGY:
        from raxe_abtest.strategy import record

        record(event)
