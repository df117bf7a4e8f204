"""``raxe models validate``."""

from __future__ import annotations

from pathlib import Path

import attrs
import click

from raxe_core.cli.model_argument import MODEL
from raxe_core.cli.output import echo_json
from raxe_core.config import load_config
from raxe_core.discovery import model_from_file
from raxe_core.registry import ModelRegistry
from raxe_core.safe_text import safe_text
from raxe_core.validation import Check, validate

_MARKS = {True: "✅", False: "❌", None: "⏭️ "}


@click.command("validate")
@click.argument("model", type=MODEL)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def validate_model(config_path: Path | None, model: str, as_json: bool) -> None:
    """Check the integrity of MODEL, an id or the path of a bundle.

    \b
    Exit codes:
      0  valid
      1  invalid; the failed check says why
      2  no such model

    \b
    Examples:
      raxe models validate v1.0_onnx_int8
      raxe models validate ./raxe_model_l2_v2.0_tiny.raxe --json
    """
    registry = ModelRegistry(load_config(config_path))
    path = Path(model)
    if path.suffix == ".raxe" and path.exists():
        target = model_from_file(path, source=str(path.parent))
    else:
        target = registry.get_model(model)
    checks = validate(target, registry.host, registry.trust)
    valid = all(check.passed for check in checks)
    if as_json:
        listed = [attrs.asdict(check) for check in checks]
        echo_json({"model_id": target.model_id, "valid": valid, "checks": listed})
    else:
        click.echo(f"Validating model: {safe_text(target.model_id)}")
        for check in checks:
            click.echo(_line(check))
        verdict = "Model is valid and ready to use!" if valid else "Model is not valid."
        click.echo(f"\n{verdict}")
    if not valid:
        raise SystemExit(1)


def _line(check: Check) -> str:
    detail = "skipped" if check.passed is None else check.detail
    tail = f": {safe_text(detail, 500)}" if detail else ""
    return f"  {_MARKS[check.passed]} {check.name}{tail}"
