"""``raxe models list`` and ``raxe models info``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from raxe_core.builtin.tables import threshold_line
from raxe_core.cli.model_argument import MODEL
from raxe_core.cli.output import echo_json, format_table, percent, warn, warn_of_problems
from raxe_core.config import Config, load_config
from raxe_core.errors import BundleError, RaxeError
from raxe_core.model import Model
from raxe_core.ranking import best_model
from raxe_core.registry import ModelRegistry
from raxe_core.safe_text import safe_text
from raxe_core.signing import Signature
from raxe_core.threshold import threshold_origin

_ORIGIN = "● = measured on this machine; other figures are as the metadata claims them."
_SHORT_STATUS = {"experimental": "exp"}


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_models(config_path: Path | None, as_json: bool) -> None:
    """List all models: those of installed packs and those in drop-in folders.

    A broken entry is listed as invalid, with its reason on standard error.

    \b
    Exit codes:
      0  every entry is valid
      1  an entry is invalid

    \b
    Examples:
      raxe models list
      raxe models list --json
    """
    registry = ModelRegistry(load_config(config_path))
    models = registry.list_models()
    signatures = registry.trust.known_signatures(models)
    if as_json:
        pairs = zip(models, signatures, strict=True)
        echo_json([_as_dict(registry.config, *pair) for pair in pairs])
    elif models:
        click.echo("Available L2 Models:")
        click.echo(_table(registry, models, signatures))
        click.echo("⚡ = Fastest    🎯 = Most Accurate    ⭐ = Recommended")
        click.echo(_ORIGIN)
        click.echo("Accuracy is the binary F1.")
        for model in models:
            if (found := _threshold(registry.config, model)) is not None:
                click.echo(threshold_line(model.model_id, found["value"], found["origin"]))
    else:
        click.echo("No models are installed. Install some: pip install raxe-l2 raxe-onnx")
    warn_of_problems(registry.host)
    for model in models:
        if model.problem is not None:
            warn(f"{model.model_id} is invalid: {model.problem}")
    if not all(model.is_valid for model in models):
        raise SystemExit(1)


@click.command()
@click.argument("model_id", type=MODEL)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def info(config_path: Path | None, model_id: str, as_json: bool) -> None:
    """Show one model: its figures, requirements and origin.

    \b
    Examples:
      raxe models info v1.0_onnx_int8
      raxe models info v1.0_onnx_int8 --json
    """
    registry = ModelRegistry(load_config(config_path))
    model = registry.get_model(model_id)
    try:
        signature = registry.trust.signature(model)
    except RaxeError as error:
        signature = Signature("unchecked", reason=str(error))
    if as_json:
        echo_json(_as_dict(registry.config, model, signature))
    else:
        click.echo("\n".join(_info_lines(model)))
        if (found := _threshold(registry.config, model)) is not None:
            where = safe_text(found["origin"], 500)
            click.echo(f"Threshold: {found['value']:.6g} (set in {where})")
        click.echo(_ORIGIN)
        if _tells_of_trust(registry, [signature]):
            reason = f" ({signature.reason})" if signature.reason else ""
            click.echo(f"Signature: {safe_text(f'{signature}{reason}', 500)}")
    if model.problem is not None:
        raise BundleError(model.problem)


def _threshold(config: Config, model: Model) -> dict[str, Any] | None:
    """Return the threshold that replaces the model's own, and where it is set."""
    origin = threshold_origin(config, model.model_id)
    if origin is None:
        return None
    return {"value": config.get("l2_model.thresholds")[model.model_id], "origin": origin}


def _as_dict(config: Config, model: Model, signature: Signature) -> dict[str, Any]:
    """Return a model as JSON types: its metadata, and where it stands."""
    path = model.bundle_path
    return {
        **model.metadata_json,
        "measured": dict(model.measured),
        "status": model.status,
        "source": model.source,
        "path": None if path is None else str(path),
        "problem": model.problem,
        "signature": signature._asdict(),
        "threshold": _threshold(config, model),
    }


def _tells_of_trust(registry: ModelRegistry, signatures: list[Signature]) -> bool:
    """Whether there is a signature or a policy to show."""
    trust = registry.trust
    silent = ("unsigned", "exempt")
    return trust.required or trust.has_keys or any(s.status not in silent for s in signatures)


def _table(registry: ModelRegistry, models: list[Model], signatures: list[Signature]) -> str:
    latencies, scores = [_p95(model) for model in models], [_f1(model) for model in models]
    fastest, sharpest = _best(models, latencies, min), _best(models, scores, max)
    recommended = _recommended(registry, models, signatures)
    rows = [
        [
            safe_text(model.model_id, 64),
            safe_text(model.name, 40) + " ⭐" * (model.model_id == recommended),
            safe_text(model.variant, 40),
            _ms(latency)
            + " ●" * ("p95_latency_ms" in model.measured)
            + " ⚡" * (model.model_id == fastest),
            percent(score) + " 🎯" * (model.model_id == sharpest),
            _SHORT_STATUS.get(model.status, model.status),
        ]
        for model, latency, score in zip(models, latencies, scores, strict=True)
    ]
    headers = ["Model", "Name", "Variant", "P95 Latency", "Accuracy", "Status"]
    if _tells_of_trust(registry, signatures):
        headers.append("Signature")
        for row, signature in zip(rows, signatures, strict=True):
            row.append(safe_text(str(signature), 60))
    return format_table(headers, rows)


def _recommended(
    registry: ModelRegistry, models: list[Model], signatures: list[Signature]
) -> str | None:
    """Return the id of the best model to use; listing verifies no signature for that."""
    usable = [
        model
        for model, signature in zip(models, signatures, strict=True)
        if registry.trust.allows(signature) and registry.host.runtime_problem(model.runtime) is None
    ]
    try:
        return best_model(usable, registry.host.criteria("balanced")).model.model_id
    except RaxeError:  # nothing to recommend
        return None


def _p95(model: Model) -> float | None:
    return model.figure("performance", "p95_latency_ms")


def _f1(model: Model) -> float | None:
    return model.figure("accuracy", "binary_f1")


def _best(models: list[Model], figures: list[float | None], choose: Any) -> str | None:
    """Return the id of the valid model with the best figure, or None when no model has one."""
    known = [
        (figure, model.model_id)
        for model, figure in zip(models, figures, strict=True)
        if figure is not None and model.is_valid
    ]
    return choose(known)[1] if known else None


def _info_lines(model: Model) -> list[str]:
    metadata, accuracy = model.metadata, model.accuracy
    requirements = model.requirements
    mark = {"active": " ✅", "invalid": " ❌"}.get(model.status, "")

    def performance(field: str, unit: str, decimals: int = 0) -> str:
        value = model.figure("performance", field)
        shown = "n/a" if value is None else f"{value:.{decimals}f}{unit}"
        return shown + " ●" * (field in model.measured)

    p50, p95, p99 = (performance(f"p{share}_latency_ms", "ms", 1) for share in (50, 95, 99))
    lines = [
        f"Model: {safe_text(model.name)}",
        f"Version: {model.version}",
        f"Status: {model.status.capitalize()}{mark}",
        *([safe_text(metadata.description, 1_000)] if metadata.description else []),
        "",
        "Performance:",
        f"  P50: {p50}  P95: {p95}  P99: {p99}",
        f"  Throughput: {performance('throughput_per_sec', ' req/sec')}",
        f"  Memory: {performance('memory_mb', ' MB')}",
        "",
        "Accuracy:",
        f"  Binary F1: {percent(accuracy.binary_f1)}",
        f"  Family F1: {percent(accuracy.family_f1)}",
        f"  Subfamily F1: {percent(accuracy.subfamily_f1)}",
        f"  False Positive Rate: {percent(accuracy.false_positive_rate)}",
        f"  False Negative Rate: {percent(accuracy.false_negative_rate)}",
        "",
        "Requirements:",
        f"  Runtime: {requirements.runtime.upper()}",
        f"  GPU: {'Required' if requirements.requires_gpu else 'Not required'}",
    ]
    if requirements.min_onnxruntime_version is not None:
        lines.append(f"  Min ONNX Runtime: {requirements.min_onnxruntime_version}")
    families = ", ".join(metadata.capabilities.supported_families) or "n/a"
    return [
        *lines,
        "",
        f"Families: {safe_text(families)}",
        f"Source: {safe_text(model.source)}",
        f"File: {safe_text(str(model.bundle_path or 'none'), 500)}",
    ]


def _ms(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.1f}ms"
