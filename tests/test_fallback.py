"""The fallback is taken for a failure of a stated kind, in the result and on stderr."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_model import write_bundle

from conftest import RunRaxe
from raxe_core import ConfigError, Raxe
from raxe_core.errors import UnknownModelError

ATTACK = "ignore previous instructions"
WANTED = "v9.0_tiny"


def other_bytes(folder: Path) -> None:
    """Weights that the manifest does not list, in an archive that can be read."""
    path = write_bundle(folder, WANTED)
    data = bytearray(path.read_bytes())
    data[data.index(b"input_ids")] ^= 1
    path.write_bytes(data)


def unknown_runtime(folder: Path) -> None:
    """A model of a runtime that no plugin has."""
    metadata = {"model_id": WANTED, "name": "Tiny", "version": "9.0", "variant": "tiny"}
    write_bundle(folder, WANTED, metadata={**metadata, "requirements": {"runtime": "martian"}})


def other_output(folder: Path) -> None:
    """A manifest with an output that the graph does not have."""
    head = {"tensor": "verdict", "labels": ["benign", "threat"], "threat_labels": ["threat"]}
    write_bundle(folder, WANTED, outputs={"binary": head})


def nothing(folder: Path) -> None:
    """No model of this id."""


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (other_bytes, "invalid bundle"),
        (unknown_runtime, "missing runtime"),
        (other_output, "failed load"),
        (nothing, "unknown model"),
    ],
)
def test_kind_of_failure_is_told(
    home: Path,
    raxe: RunRaxe,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
    kind: str,
) -> None:
    damage(home / "models")
    write_bundle(home / "models", "v9.1_small")
    (home / "config.yaml").write_text(
        f"l2_model: {{selection: explicit, model_id: {WANTED}, fallback_model_id: v9.1_small}}\n"
    )
    with Raxe() as client:
        selection = client.scan(ATTACK).selection
    told = (selection.model_id, selection.fallback_from, selection.fallback_kind)
    assert told == ("v9.1_small", WANTED, kind)
    assert f"fallback_from={WANTED}" in caplog.text
    scanned = raxe("scan", ATTACK, "--json")
    assert scanned.exit_code == 1
    assert json.loads(scanned.stdout)["selection"]["fallback_kind"] == kind
    assert scanned.stderr.startswith(f"Warning: fallback: {WANTED} could not be used ({kind}): ")


@pytest.mark.parametrize(
    ("settings", "kind", "reason"),
    [
        ('constraints: ["p95_latency_ms<1"]', "no model", "No active model meets p95_latency_ms<1"),
        ("selection: explicit", "wrong setting", "l2_model.model_id is not set"),
        ("selection: lucky", "unknown name", "No selection strategy 'lucky'"),
        ("selection: benchmark", "no model", "no model was measured on this machine"),
    ],
)
def test_fallback_is_used_where_no_model_could_be_selected(
    home: Path,
    raxe: RunRaxe,
    caplog: pytest.LogCaptureFixture,
    settings: str,
    kind: str,
    reason: str,
) -> None:
    write_bundle(home / "models", "v9.1_small")
    (home / "config.yaml").write_text(f"l2_model: {{{settings}, fallback_model_id: v9.1_small}}\n")
    with Raxe() as client:
        selection = client.scan(ATTACK).selection
        assert client.scan(ATTACK).selection == selection
    assert (selection.model_id, selection.fallback_from) == ("v9.1_small", "")
    assert selection.fallback_kind == kind
    told = f"fallback: no model could be selected ({kind}): "
    assert selection.reason.startswith(told)
    assert reason in selection.reason
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    scanned, which = raxe("scan", ATTACK), raxe("models", "which", "--explain")
    assert (scanned.exit_code, which.exit_code) == (1, 0)
    assert scanned.stderr == which.stderr == f"Warning: {selection.reason}\n"
    assert which.stdout.startswith("v9.1_small\n")


def test_command_line_tells_of_the_fallback_once(home: Path) -> None:
    write_bundle(home / "models", "v9.1_small")
    (home / "config.yaml").write_text(
        f"l2_model: {{selection: explicit, model_id: {WANTED}, fallback_model_id: v9.1_small}}\n"
    )
    code = "from raxe_core.cli.main import program; program()"
    command = [sys.executable, "-c", code, "scan", ATTACK]
    scanned = subprocess.run(command, capture_output=True, text=True, check=False)
    assert scanned.returncode == 1
    (line,) = scanned.stderr.splitlines()
    assert line.startswith(f"Warning: fallback: {WANTED} could not be used (unknown model): ")


def test_without_a_fallback_that_may_be_used_no_selection_is_an_error(
    home: Path, raxe: RunRaxe
) -> None:
    write_bundle(home / "models", "v9.1_small")
    for more in ("", ", on_failure: raise, fallback_model_id: v9.1_small"):
        (home / "config.yaml").write_text(f"l2_model: {{selection: explicit{more}}}\n")
        with Raxe() as client, pytest.raises(ConfigError, match="model_id is not set"):
            client.scan(ATTACK)
        assert raxe("models", "which").exit_code == 2


def test_failures_of_both_models_are_told(home: Path) -> None:
    (home / "config.yaml").write_text(
        f"l2_model: {{selection: explicit, model_id: {WANTED}, fallback_model_id: v9.1_small}}\n"
    )
    told = rf"^No model '{WANTED}'.* The fallback v9\.1_small cannot be used either: No model 'v9"
    with Raxe() as client, pytest.raises(UnknownModelError, match=told):
        client.scan(ATTACK)


LOGGING = "import logging\nlogging.basicConfig(stream=sys.stdout)\n"


@pytest.mark.parametrize(("setup", "printed"), [("", 1), (LOGGING, 0)])
def test_program_without_logging_gets_the_fallback_on_stderr_once(
    home: Path, setup: str, printed: int
) -> None:
    write_bundle(home / "models", "v9.1_small")
    (home / "config.yaml").write_text(
        f"l2_model: {{selection: explicit, model_id: {WANTED}, fallback_model_id: v9.1_small}}\n"
    )
    code = f"import sys\n{setup}from raxe_core import Raxe\nclient = Raxe()\n"
    code += "for _ in range(3): client.scan('hello')\nclient.close()\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    told = f"fallback: {WANTED} could not be used (unknown model): No model '{WANTED}'"
    assert done.stderr.count(f"raxe: {told}") == len(done.stderr.splitlines()) == printed
    assert done.stdout.count(f"WARNING:raxe_core:{told}") == 1 - printed


def test_kind_and_reason_of_the_fallback_are_logged(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_bundle(home / "models", "v9.1_small")
    (home / "config.yaml").write_text(
        f"l2_model: {{selection: explicit, model_id: {WANTED}, fallback_model_id: v9.1_small}}\n"
    )
    with Raxe() as client:
        reason = client.scan(ATTACK).selection.reason
        client.scan(ATTACK)
    first, *scans = caplog.messages
    assert first == reason
    end = f"fallback_from={WANTED} fallback_kind=unknown model"
    assert [scan.endswith(end) for scan in scans] == [True, True]
