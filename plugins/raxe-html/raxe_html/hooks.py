"""The plugin's entry point; the page is made when a report is rendered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from raxe_core import Reporter, hookimpl

RAXE_API = 1


def render(report: Mapping[str, Any]) -> str:
    """Return one HTML file that needs nothing else."""
    from raxe_html.page import render_page

    return render_page(report)


@hookimpl
def reporters() -> Iterable[Reporter]:
    """Return the reporter ``html``."""
    yield Reporter("html", "one self-contained HTML file with plots", render)
