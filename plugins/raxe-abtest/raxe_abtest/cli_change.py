"""``raxe abtest start``, ``stop`` and ``promote``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from raxe_core import ModelRegistry, load_config
from raxe_core.cli.output import echo_json, warn

from raxe_abtest.cli_common import experiment_options, find, section_of
from raxe_abtest.config import ARM_KEYS, STORE_KEYS, experiment_from
from raxe_abtest.ending import end
from raxe_abtest.errors import ExperimentError
from raxe_abtest.evaluate import evaluate
from raxe_abtest.settings_file import write_section
from raxe_abtest.store import open_store
from raxe_abtest.units import secret_bytes


@click.command()
@click.argument("model_a")
@click.argument("model_b")
@click.argument("more", nargs=-1)
@click.option("--split", type=float, help="The share of users that MODEL_B gets (0.5).")
@click.option("--weight", "weights", type=float, multiple=True, help="One for each model instead.")
@click.option("--coverage", type=float, help="The share of users in the experiment (1).")
@click.option("--experiment", "key", metavar="KEY", help="Its name (made of the models' ids).")
@click.option("--metric", "metric", help="The primary metric (accuracy).")
@click.option("--shadow", is_flag=True, default=None, help="The other models judge in the shadow.")
@click.option("--users", "planned", type=int, help="The planned number of users (5000).")
@click.option("--store", "where", metavar="PATH|URL", help="SQLite file or postgresql:// address.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def start(
    config_path: Path | None, /, model_a: str, model_b: str, more: tuple[str, ...],
    split: float | None, weights: tuple[float, ...], key: str | None, where: str | None,
    as_json: bool, **settings: Any,
) -> None:  # fmt: skip
    """Start an experiment: MODEL_A is the control. It is written into config.yaml.

    Started again with another split or coverage, it goes on with the new one.

    \b
    Examples:
      raxe abtest start v1.0_pytorch v1.0_onnx_int8
      raxe abtest start v1.0_pytorch v1.0_onnx_int8 --split 0.01
      raxe abtest start v1.0_pytorch v1.0_onnx_int8 --shadow --split 0
      raxe abtest start A B C --weight 2 --weight 1 --weight 1
    """
    models = [model_a, model_b, *more]
    names = {"metric": "primary_metric", "planned": "planned_users"}
    settings |= {"key": key, "store": where}
    given = {names.get(name, name): value for name, value in settings.items() if value is not None}
    before = section_of(config_path)
    if split is None and not weights and len(models) == 2 and not _has_arms(before):
        split = before.get("traffic_split")
    arms = _arms(models, split, weights)
    section = _kept(before, {**arms, **given})
    if split is not None or weights or not _has_arms(section):
        section = {name: value for name, value in section.items() if name not in ARM_KEYS} | arms
    section = {"enabled": True, **section, **given}
    experiment = experiment_from(section)
    config = load_config(config_path)
    registry = ModelRegistry(config)
    for model in models:
        registry.get_model(model)
    store = open_store(section.get("store"))
    registration = store.register(experiment, secret_bytes(section.get("secret")))
    if registration.state != "running":
        store.set_state(registration.number, "running", None, "started again")
    write_section(config.path, section)
    if as_json:
        echo_json({"key": experiment.key, "state": "running", "config": str(config.path),
                   "store": store.where, "epoch": len(registration.epochs)})  # fmt: skip
        return
    shares = tuple(experiment.shares)
    click.echo(f"✅ Running: {experiment.key}")
    for variant, share in zip(experiment.variants, shares, strict=True):
        click.echo(f"  {variant.name}  {share:6.1%}  {variant.model_id}")
    click.echo(f"Updated: {config.path}")
    click.echo("Scans with a user_id take part. Next: raxe abtest report")


@click.command()
@experiment_options
@click.option("--reason", default="stopped by hand", help="Why, for the log.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def stop(
    config_path: Path | None, key: str | None, where: str | None, reason: str, as_json: bool
) -> None:
    """Stop the experiment: from now on every user gets the control, as the default model.

    \b
    Example:
      raxe abtest stop --reason "wrong prompt template in B"
    """
    store, registration, experiment = find(config_path, key, where)
    reason = reason.encode("utf-8", "replace").decode()  # a terminal may send what is no UTF-8
    control = experiment.control.model_id
    end(store, registration, "stopped", control, reason, load_config(config_path), control)
    if as_json:
        echo_json({"key": experiment.key, "state": "stopped", "model_id": control})
    else:
        click.echo(f"✅ Stopped: {experiment.key}. Every user gets {control}.")


@click.command()
@click.argument("model_id", required=False)
@experiment_options
@click.option("--force", is_flag=True, help="Also when the report names no winner.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def promote(
    config_path: Path | None, model_id: str | None, key: str | None, where: str | None,
    force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Make the winner (or MODEL_ID) the default model, and end the experiment.

    The change is in the history: raxe models rollback undoes it.

    \b
    Examples:
      raxe abtest promote
      raxe abtest promote v1.0_onnx_int8 --force
    """
    store, registration, experiment = find(config_path, key, where)
    report = evaluate(experiment, store.snapshot(experiment.key), None)
    chosen = model_id or report.winner
    models = [variant.model_id for variant in experiment.variants]
    if chosen is not None and chosen not in models:
        raise ExperimentError(f"{chosen!r} is no variant of {experiment.key}: {', '.join(models)}.")
    if chosen is None or (chosen != report.winner and not force):
        raise ExperimentError(
            f"{report.sentence} To promote a model all the same: "
            f"raxe abtest promote {chosen or models[1]} --force"
        )
    config = load_config(config_path)
    why = report.sentence
    end(store, registration, "promoted", chosen, why, config, models[0])
    origin = config.values["l2_model.model_id"].origin
    if origin.startswith("RAXE_"):
        warn(f"{origin} is set, and wins over the file.")
    if as_json:
        echo_json({"key": experiment.key, "state": "promoted", "model_id": chosen, "why": why})
    else:
        click.echo(f"✅ Default L2 model set to: {chosen}")
        click.echo(f"The experiment {experiment.key} is over. Undo: raxe models rollback")


def _arms(models: list[str], split: float | None, weights: tuple[float, ...]) -> dict[str, Any]:
    """Return the keys of ``l2_model.ab_test`` that say who gets what share."""
    if len(models) == 2 and not weights:
        share = 0.5 if split is None else split
        return {"variant_a": models[0], "variant_b": models[1], "traffic_split": share}
    if split is not None:
        raise ExperimentError("--split is for two models. Give --weight once for each model.")
    if weights and len(weights) != len(models):
        raise ExperimentError(f"Give --weight once for each of the {len(models)} models.")
    shares = weights or (1.0,) * len(models)
    pairs = zip(models, shares, strict=True)
    return {"variants": [{"model_id": model, "weight": weight} for model, weight in pairs]}


def _kept(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that stay: all of them, of another experiment only those of the store."""
    stays = not _has_arms(before) or _same_arms(before, after)
    return {
        name: value
        for name, value in before.items()
        if (stays and name != "enabled") or name in STORE_KEYS
    }


def _has_arms(section: Mapping[str, Any]) -> bool:
    return bool(section.get("variant_a") or section.get("variants"))


def _same_arms(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Tell whether a section describes the same experiment."""
    old, new = ({k: v for k, v in s.items() if k in (*ARM_KEYS, "key")} for s in (before, after))
    return [v.model_id for v in experiment_from(old).variants] == [
        v.model_id for v in experiment_from(new).variants
    ] and before.get("key", after.get("key")) == after.get("key", before.get("key"))
