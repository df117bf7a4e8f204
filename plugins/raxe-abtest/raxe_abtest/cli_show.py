"""``raxe abtest status``, ``report``, ``watch`` and ``export``."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click
from raxe_core import load_config
from raxe_core.cli.output import echo_json, format_table, warn
from raxe_core.safe_text import safe_text

from raxe_abtest.cli_common import experiment_options, find, known_in, section_of
from raxe_abtest.ending import end
from raxe_abtest.errors import StoreError
from raxe_abtest.guardrails import Guardrail
from raxe_abtest.looks import look, rollback_reason
from raxe_abtest.report import Figure, NotMeasured, Report
from raxe_abtest.store import open_store
from raxe_abtest.store.records import Registration
from raxe_abtest.wording import metric_name

_UNDECIDED = ("collecting", "insufficient_data")


@click.command()
@click.option("--store", "where", metavar="PATH|URL", help="Instead of l2_model.ab_test.store.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def status(config_path: Path | None, where: str | None, as_json: bool) -> None:
    """List the experiments of the store: state, variants, since when.

    \b
    Examples:
      raxe abtest status
      raxe abtest status --json
    """
    store = open_store(where or section_of(config_path).get("store"))
    known = known_in(store, where)
    if as_json:
        echo_json([_as_dict(registration) for registration in known])
    elif not known:
        click.echo("No experiments. Start one: raxe abtest start MODEL_A MODEL_B")
    else:
        rows = [
            [
                safe_text(item.key, 60),
                item.state,
                " / ".join(f"{weight / sum(item.epochs[-1]):.1%}" for weight in item.epochs[-1]),
                _day(item.started_at),
                safe_text(item.reason, 60),
            ]
            for item in known
        ]
        click.echo(format_table(["Experiment", "State", "Split", "Started", "Reason"], rows))


@click.command()
@experiment_options
@click.option("--html", "html_path", type=click.Path(path_type=Path, dir_okay=False),
              help="Also write a page with the interval over time.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def report(
    config_path: Path | None, key: str | None, where: str | None, html_path: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Show figures, evidence and what to do. Look as often as you like.

    \b
    Examples:
      raxe abtest report
      raxe abtest report --json
      raxe abtest report --html report.html
    """
    store, registration, experiment = find(config_path, key, where)
    found = look(store, experiment)
    if html_path is not None:
        from raxe_core import atomic_write

        from raxe_abtest.html import render

        page = render(experiment, found, store.looks(registration.number))
        try:
            atomic_write(html_path, page.encode("utf-8"))
        except OSError as error:
            raise StoreError(f"{html_path}: cannot be written: {error.strerror}.") from None
    if as_json:
        echo_json(found.as_dict())
        return
    click.echo(report_text(found))
    if html_path is not None:
        click.echo(f"Page: {html_path}")


@click.command()
@experiment_options
@click.option("--every", type=click.FloatRange(min=0.1), default=60.0, show_default=True,
              help="Seconds between looks.")  # fmt: skip
@click.option("--for", "limit", type=click.FloatRange(min=0), help="Give up after these seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each look.")
@click.pass_obj
def watch(
    config_path: Path | None, key: str | None, where: str | None, every: float,
    limit: float | None, as_json: bool,
) -> None:  # fmt: skip
    """Report again and again until the experiment is decided; roll back on a broken guardrail.

    \b
    Exit codes:
      0  a winner, or no difference that matters
      1  void, a broken guardrail, a trade-off, or the time is over

    \b
    Example:
      raxe abtest watch --every 300
    """
    started = time.monotonic()
    while True:
        store, registration, experiment = find(config_path, key, where)
        found = look(store, experiment)
        reason = rollback_reason(experiment, found)
        control = experiment.control.model_id
        if reason is not None:
            config = load_config(config_path)
            if end(store, registration, "rolled_back", control, reason, config, control):
                warn(f"rolled back to {control}: {reason}")
        store.close()
        now = datetime.now(timezone.utc).strftime("%H:%M:%S")
        click.echo(json.dumps(found.as_dict()) if as_json else f"{now}  {found.sentence}")
        if found.status not in _UNDECIDED or registration.state != "running":
            raise SystemExit(0 if found.status in ("winner", "equivalent") else 1)
        if limit is not None and time.monotonic() - started + every > limit:
            raise SystemExit(1)
        time.sleep(every)


@click.command()
@experiment_options
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write a file.")
@click.option("--json", "_as_json", is_flag=True, help="Lines of JSON: the only format.")
@click.pass_obj
def export(
    config_path: Path | None, key: str | None, where: str | None, output: Path | None,
    _as_json: bool,
) -> None:  # fmt: skip
    """Write every event as a line of JSON; users are pseudonyms, texts were never kept.

    \b
    Example:
      raxe abtest export --output events.jsonl
    """
    from raxe_core import replacing

    store, registration, _ = find(config_path, key, where)
    lines = (json.dumps(event) for event in store.export(registration.number))
    if output is None:
        for line in lines:
            click.echo(line)
        return
    try:
        with replacing(output) as temporary, temporary.open("w", encoding="utf-8") as file:
            count = sum(file.write(line + "\n") > 0 for line in lines)
    except OSError as error:
        raise StoreError(f"{output}: cannot be written: {error.strerror or error}.") from None
    click.echo(f"Wrote {count:,} events: {output}")


def report_text(found: Report) -> str:
    """Return a report for the terminal."""
    rows = [
        [
            arm.name,
            safe_text(arm.model_id, 40) + " 🏆" * (arm.model_id == found.winner),
            f"{arm.share:.1%}",
            f"{arm.users:,}",
            _percent(arm.accuracy),
            _percent(arm.recall),
            _percent(arm.false_positive_rate),
            _ms(arm.avg_latency),
            _ms(arm.p95_latency),
            _percent(arm.error_rate),
        ]
        for arm in found.variants
    ]
    headers = ["", "Model", "Share", "Users", "Accuracy", "Recall", "FPR", "Avg", "P95", "Errors"]
    lines = [
        f"Experiment: {safe_text(found.key)} ({found.state}, {found.status})",
        format_table(headers, rows),
        *(_rail_text(found)),
        *(f"Note: {safe_text(note, 500)}" for note in found.notes),
        safe_text(found.sentence, 1_000),
    ]
    return "\n".join(lines)


def _rail_text(found: Report) -> list[str]:
    lines = []
    for rail in found.guardrails:
        mark = {"ok": "✅", "violated": "❌"}.get(rail.status, "…")
        seen = "not measured"
        if rail.harm is not None and rail.low is not None and rail.high is not None:
            harm, low, high = (_amount(rail, x) for x in (rail.harm, rail.low, rail.high))
            seen = f"{harm} [{low}, {high}]"
        elif rail.status == "undecided":
            seen = "too few requests"
        lines.append(
            f"{mark} Guardrail {rail.treatment}: {metric_name(rail.metric)} {seen}, "
            f"allowed {_amount(rail, rail.margin)}: {rail.status}"
        )
    return lines


def _amount(rail: Guardrail, value: float) -> str:
    return f"{value:+.1%}" if rail.relative else f"{100 * value:+.2f} pt"


def _as_dict(item: Registration) -> dict[str, Any]:
    return {
        "key": item.key,
        "state": item.state,
        "model_id": item.model_id,
        "reason": item.reason,
        "started_at": item.started_at,
        "epochs": [list(epoch) for epoch in item.epochs],
        "experiment": dict(item.spec),
    }


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d %H:%M")


def _percent(value: Figure) -> str:
    return "n/a" if isinstance(value, NotMeasured) else f"{value:.1%}"


def _ms(value: Figure) -> str:
    return "n/a" if isinstance(value, NotMeasured) else f"{value:.1f}ms"
