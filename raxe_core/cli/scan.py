"""``raxe scan``."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from raxe_core.cli.model_argument import MODEL
from raxe_core.cli.output import echo_json, warn
from raxe_core.client import Raxe
from raxe_core.errors import NoModelError, RaxeError, UsageError
from raxe_core.files import read_regular
from raxe_core.result import ScanResult
from raxe_core.safe_log import safe_logger
from raxe_core.safe_text import safe_text

MAX_INPUT_BYTES = 64 << 20


@click.command()
@click.argument("text", required=False)
@click.option("--file", "path", type=click.Path(path_type=Path), help="Read the text from a file.")
@click.option("--model", "model_id", type=MODEL, help="Use this model instead of the selected one.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_obj
def scan(
    config_path: Path | None,
    text: str | None,
    path: Path | None,
    model_id: str | None,
    as_json: bool,
) -> None:
    """Judge TEXT, or standard input when TEXT is "-"; at most 1,000,000 characters.

    \b
    Exit codes:
      0  no threat
      1  threat
      2  no verdict: wrong usage, unreadable input, or no model could be used

    \b
    Examples:
      raxe scan "What is the capital of France?"
      raxe scan - < mail.txt
      raxe scan --file mail.txt --json
    """
    content = _content(text, path)
    safe_logger("raxe_core").addHandler(logging.NullHandler())  # a fallback is told below, once
    try:
        with Raxe(l2_model=model_id, config_path=config_path) as raxe:
            result = raxe.scan(content)
    except RaxeError as error:
        # Exit code 1 says "threat", so no error may have it.
        raise NoModelError(str(error)) from error
    if result.detection is not None and result.selection.fallback_from is not None:
        warn(result.selection.reason)
    if as_json:
        echo_json(result.as_dict())
    else:
        click.echo(_as_text(result))
    sys.exit(1 if result.is_threat else 0)


def _content(text: str | None, path: Path | None) -> str:
    if (text is None) == (path is None):
        raise UsageError("Give one text: raxe scan TEXT, raxe scan -, or raxe scan --file FILE.")
    try:
        if path is not None:
            data = read_regular(path, MAX_INPUT_BYTES)
        elif text == "-":
            if sys.stdin is None:
                raise UsageError("Standard input is closed.")
            data = sys.stdin.buffer.read(MAX_INPUT_BYTES + 1)
            if len(data) > MAX_INPUT_BYTES:
                raise UsageError(f"Standard input is longer than {MAX_INPUT_BYTES:,} bytes.")
        else:
            return text or ""
    except OSError as error:
        where = path or "Standard input"
        raise UsageError(f"{where}: cannot be read: {error.strerror or error}.") from None
    return data.decode("utf-8", "replace")


def _as_text(result: ScanResult) -> str:
    detection = result.detection
    if detection is None:
        return f"🚨 Blocked: {safe_text(result.selection.reason, 1_000)}"
    foot = f"  Model: {result.model_id} ({detection.processing_time_ms:.1f}ms)"
    if not result.is_threat:
        head = f"✅ No threat (score {detection.score:.3f}, threshold {detection.threshold:.3f})"
        return f"{head}\n{foot}"
    figures = f"score {detection.score:.3f}, threshold {detection.threshold:.3f}"
    lines = [f"🚨 Threat: {result.action} ({figures})"]
    for item in result.predictions:
        name = safe_text(f"{item.family}/{item.subfamily}" if item.subfamily else item.family)
        where = f", characters {item.evidence.start}-{item.evidence.end}" if item.evidence else ""
        lines.append(f"  {name}: {item.confidence:.1%}{where}")
    return "\n".join([*lines, foot])
