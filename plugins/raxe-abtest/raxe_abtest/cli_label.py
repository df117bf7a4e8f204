"""``raxe abtest label``."""

from __future__ import annotations

import time
from pathlib import Path

import click
from raxe_core.cli.output import echo_json

from raxe_abtest.cli_common import experiment_options, find
from raxe_abtest.labels import read_labels

BATCH = 8_000


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@experiment_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def label(
    config_path: Path | None, file: Path, key: str | None, where: str | None, as_json: bool
) -> None:
    """Say what earlier requests really were, from a csv or jsonl FILE.

    A row has request_id, and is_threat (true or false) or accuracy (0 to 1). A file with malformed
    rows is refused as a whole. A request's first label counts; the same file may be read twice.

    \b
    Examples:
      raxe abtest label reviewed.csv
      raxe abtest label reviewed.jsonl --json
    """
    store, registration, experiment = find(config_path, key, where)
    labels = read_labels(file, time.time())
    before = store.snapshot(experiment.key).facts.get("duplicate_labels", 0.0)
    for start in range(0, len(labels), BATCH):
        part = labels[start : start + BATCH]
        store.write(registration, part, experiment.label_delay_hours * 3600)
    repeated = int(store.snapshot(experiment.key).facts.get("duplicate_labels", 0.0) - before)
    waiting = store.waiting_labels(registration.number)
    if as_json:
        echo_json({"key": experiment.key, "labels": len(labels), "repeated": repeated,
                   "waiting": waiting})  # fmt: skip
        return
    click.echo(f"✅ {len(labels):,} labels read, {repeated:,} of them known before.")
    if waiting:
        click.echo(f"{waiting:,} labels wait for requests that were not recorded. Check their ids.")
    click.echo("Next: raxe abtest report")
