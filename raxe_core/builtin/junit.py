"""The reporter ``junit``: gates and constraints as test cases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from xml.sax.saxutils import quoteattr

from raxe_core.safe_text import safe_text

__all__ = ["render"]

_ELEMENTS = {"failed": "failure", "inconclusive": "skipped", "error": "error"}


class _Case(NamedTuple):
    model_id: str
    name: str
    verdict: str
    message: str


def render(report: Mapping[str, Any]) -> str:
    """Return JUnit XML. What is inconclusive is skipped, with its reason."""
    cases = list(_cases(report))
    numbers = {word: sum(c.verdict == word for c in cases) for word in _ELEMENTS}
    name = _attribute(f"raxe {report.get('kind', 'evaluation')}")
    counts = (
        f'tests="{len(cases)}" failures="{numbers["failed"]}" errors="{numbers["error"]}" '
        f'skipped="{numbers["inconclusive"]}"'
    )
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuites {counts}>"]
    lines.append(f"  <testsuite name={name} {counts}>")
    for case in cases:
        head = f"classname={_attribute(case.model_id)} name={_attribute(case.name)}"
        if case.verdict == "passed":
            lines.append(f"    <testcase {head}/>")
        else:
            element = f"<{_ELEMENTS[case.verdict]} message={_attribute(case.message)}/>"
            lines.append(f"    <testcase {head}>{element}</testcase>")
    return "\n".join([*lines, "  </testsuite>", "</testsuites>"])


def _cases(report: Mapping[str, Any]) -> Iterator[_Case]:
    """A model that was measured is a case of its own, so that no suite is empty."""
    kind = str(report.get("kind", "evaluation"))
    for row in report.get("models", [report]):
        error = row.get("error")
        yield _Case(row["model_id"], kind, "error" if error else "passed", error or "")
        for found in row.get("constraints", ()):
            verdict = "passed" if found["met"] else "failed" if found["certain"] else "inconclusive"
            yield _Case(row["model_id"], found["constraint"], verdict, found["reason"])
    for check in report.get("gate", {}).get("checks", ()):
        yield _Case(check["model_id"], check["metric"], check["verdict"], check["reason"])


def _attribute(text: str) -> str:
    return quoteattr(safe_text(text, 1_000))
