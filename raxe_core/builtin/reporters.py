"""The reporters of the core: table, json, csv, markdown, junit.

A report says in ``kind`` what it is: ``evaluation``, ``comparison`` or ``benchmark``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from raxe_core.hookspecs import hookimpl
from raxe_core.records import Reporter


def render_json(report: Mapping[str, Any]) -> str:
    """Return the report as it is, for programs."""
    return json.dumps(report, indent=2, allow_nan=False)


def render_table(report: Mapping[str, Any]) -> str:
    """Return the report for people, as in the documentation."""
    from raxe_core.builtin import tables

    return tables.render(report)


def render_csv(report: Mapping[str, Any]) -> str:
    """Return one line per model and figure."""
    from raxe_core.builtin import flat

    return flat.render_csv(report)


def render_markdown(report: Mapping[str, Any]) -> str:
    """Return a table for a pull request or a wiki."""
    from raxe_core.builtin import flat

    return flat.render_markdown(report)


def render_junit(report: Mapping[str, Any]) -> str:
    """Return gates and constraints as test cases, for a CI service."""
    from raxe_core.builtin import junit

    return junit.render(report)


@hookimpl
def reporters() -> Iterable[Reporter]:
    """Return the built-in reporters."""
    yield Reporter("table", "for people", render_table)
    yield Reporter("json", "for programs", render_json)
    yield Reporter("csv", "one line per model and figure", render_csv)
    yield Reporter("markdown", "for pull requests and wikis", render_markdown)
    yield Reporter("junit", "gates as test cases, for CI services", render_junit)
