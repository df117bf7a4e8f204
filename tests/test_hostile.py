"""What strangers send is refused with its reason, runs nothing, and hides no neighbour."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hostile import archives, config, file_system, metadata, prompts, tokenizer, weights
from hostile.case import BAD, Case, archive, place
from hostile.terminal import raw_controls

from conftest import RunRaxe

FILES = [*archives.CASES, *file_system.CASES, *metadata.CASES]
LOADED = [*weights.CASES, *tokenizer.CASES]
GOOD = "v9.0_tiny"
TRACES = re.compile(r"Traceback|panicked|PanicException|Unexpected|core dumped")


def names(cases: list[Case]) -> list[str]:
    """The test ids of cases."""
    return [str(case) for case in cases]


@pytest.fixture
def start(dropped_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home with the good neighbour; afterwards, nothing may have been left anywhere else."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(work))
    yield dropped_in.parents[1]
    assert list(work.iterdir()) == []
    assert not list(tmp_path.rglob("canary"))


def run(raxe: RunRaxe, *arguments: str) -> Result:
    """Run a command, and check what must hold of every command."""
    result = raxe(*arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (0, 1, 2, 3)
    assert not TRACES.search(result.output)
    assert raw_controls(result.stdout) == raw_controls(result.stderr) == []
    return result


def as_json(result: Result) -> Any:
    """Parse standard output as JSON, which knows no NaN."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(result.stdout, parse_constant=refuse)


def listed(raxe: RunRaxe) -> dict[str, dict[str, Any]]:
    """Every model by its id; the good neighbour is among them, and the other form agrees."""
    models = {model["model_id"]: model for model in as_json(run(raxe, "models", "list", "--json"))}
    assert models[GOOD]["status"] == "active"
    shown = run(raxe, "models", "list")
    assert all(model_id in shown.stdout for model_id in models)
    broken = {model_id for model_id, model in models.items() if model["problem"]}
    assert all(f"{model_id} is invalid: " in shown.stderr for model_id in broken)
    assert shown.exit_code == (1 if broken else 0)
    return models


def validated(raxe: RunRaxe, target: str) -> Result:
    """What validate says; its JSON agrees with its exit code."""
    result = run(raxe, "models", "validate", target, "--json")
    if result.exit_code < 2:
        assert as_json(result)["valid"] is (result.exit_code == 0)
    return result


@pytest.mark.parametrize("case", FILES, ids=names(FILES))
def test_file_of_a_stranger(start: Path, raxe: RunRaxe, case: Case) -> None:
    case.build(start)
    models = listed(raxe)
    broken = {model_id: model["problem"] for model_id, model in models.items() if model["problem"]}
    if case.expect == "accept":
        assert not broken
        assert validated(raxe, BAD).exit_code == 0
        return
    result = validated(raxe, BAD) if BAD in models else None
    if case.expect == "reject":
        assert result is not None
        assert result.exit_code == 1
        said = f"{result.stdout} {broken.get(BAD, '')}"
        assert re.search(case.reason, said)
        assert run(raxe, "scan", "hello", "--model", BAD).exit_code == 2


@pytest.mark.parametrize("case", LOADED, ids=names(LOADED))
def test_weights_of_a_stranger(start: Path, raxe: RunRaxe, case: Case) -> None:
    case.build(start)
    listed(raxe)
    result = validated(raxe, BAD)
    if case.expect == "reject":
        assert result.exit_code == 1
    elif case.expect == "accept":
        assert result.exit_code == 0


@pytest.mark.parametrize("case", config.CASES, ids=names(config.CASES))
def test_configuration_of_a_stranger(start: Path, raxe: RunRaxe, case: Case) -> None:
    case.build(start)
    results = [
        run(raxe, "models", "list", "--json"),
        run(raxe, "scan", "hello", "--json"),
        run(raxe, "config", "show", "--origin"),
    ]
    for result in results:
        if result.exit_code == 2:
            assert result.stderr.startswith("Error: ")
            assert result.stdout == ""
        else:
            assert case.expect != "reject"
    if case.expect == "reject":
        assert "config.yaml" in results[0].stderr
    assert run(raxe, "--help").exit_code == run(raxe, "models", "--help").exit_code == 0
    assert run(raxe, "plugins", "list").exit_code == 0


@pytest.mark.parametrize("case", prompts.CASES, ids=names(prompts.CASES))
def test_prompts_of_a_stranger(start: Path, raxe: RunRaxe, case: Case) -> None:
    before = set(start.iterdir())
    case.build(start)
    (path,) = set(start.iterdir()) - before
    result = run(raxe, "models", "test", GOOD, "--prompts", str(path), "--json")
    if case.expect == "accept":
        assert result.exit_code == 0
        assert as_json(result)["dataset"]["prompts"] > 0
        for reporter in ("table", "csv", "markdown", "junit"):
            run(raxe, "models", "test", GOOD, "--prompts", str(path), "--format", reporter)
    else:
        assert result.exit_code == 2
        assert result.stdout == ""
        assert "Error: " in result.stderr


LIST = """
import sys
from raxe_core.cli.main import main
try:
    main(["models", "list", "--json"])
finally:
    assert not {"onnxruntime", "tokenizers", "torch", "numpy"} & set(sys.modules)
"""


def test_two_hundred_at_once_are_each_listed_without_a_runtime(start: Path) -> None:
    forms = [make() for make, _ in archives.HOSTILE.values()]
    forms += [archive(("manifest.json", document)) for document, _ in metadata.DOCUMENTS.values()]
    for number in range(200):
        place(start, forms[number % len(forms)], f"v1.0_bad{number}")
    result = subprocess.run(
        [sys.executable, "-c", LIST], capture_output=True, text=True, timeout=300, check=False
    )
    models = {model["model_id"]: model for model in json.loads(result.stdout)}
    assert result.returncode == 1
    assert models.pop(GOOD)["status"] == "active"
    assert {model["status"] for model in models.values()} == {"invalid"}
    assert len(models) == 200
    assert all(f"{model_id}.raxe" in model["problem"] for model_id, model in models.items())
    assert raw_controls(result.stderr) == []


@pytest.mark.parametrize("extra", [[], ["--output", "o"], ["--output", "o", "--resume"]])
def test_pipe_as_prompts_does_not_wait_for_a_writer(
    start: Path, raxe: RunRaxe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extra: list[str]
) -> None:
    monkeypatch.chdir(start)
    os.mkfifo(tmp_path / "threats.txt")
    result = run(raxe, "models", "test", GOOD, "--prompts", str(tmp_path / "threats.txt"), *extra)
    assert result.exit_code == 2
    assert "not a regular file" in result.stderr


@pytest.mark.parametrize("target", ["models/none.raxe", "x" * 300 + ".raxe", "a\x1b[31m", ".."])
def test_target_that_is_no_model(start: Path, raxe: RunRaxe, target: str) -> None:
    for command in ("validate", "test", "info"):
        assert run(raxe, "models", command, target).exit_code == 2
    assert run(raxe, "scan", "hello", "--model", target).exit_code == 2


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RAXE_HOME", "/dev/null"),
        ("RAXE_HOME", "/proc"),
        ("RAXE_HOME", "x" * 5_000),
        ("RAXE_HOME", "a\n\x1b[31mb"),
        ("RAXE_CONFIG", "/"),
        ("RAXE_CONFIG", "/dev/zero"),
        ("RAXE_CONFIG", "x" * 5_000),
        ("RAXE_MODELS_PATH", "/:/proc:/dev:" + "x" * 5_000),
        ("RAXE_MODELS_PATH", "~nobody-of-this-name/x"),
        ("RAXE_MODELS_PATH", "\x1b[31m\u202e"),
        ("RAXE_L2_MODEL", "../\x1b[31m"),
        ("RAXE_L2_MODEL_CRITERIA", "eval\n"),
        ("RAXE_PLUGINS_BLOCK", "\x1b,,,"),
    ],
)
def test_environment_of_a_stranger(
    start: Path, raxe: RunRaxe, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    for arguments in (["models", "list"], ["scan", "hello"], ["config", "show"], ["--help"]):
        result = run(raxe, *arguments)
        assert result.exit_code < 2 or result.stderr.startswith("Error: ")


@pytest.mark.parametrize("text", ["\x00", "\u202e\u200b", "\ud800", "", "[/red]", "\x1b"])
def test_text_of_a_stranger_gets_a_verdict(start: Path, raxe: RunRaxe, text: str) -> None:
    assert run(raxe, "scan", text).exit_code in (0, 1)
    assert as_json(run(raxe, "scan", text, "--json"))["model_id"] == GOOD


@pytest.mark.parametrize("data", [b"\xff\xfe", b"caf\xe9", b"a\x00b", b"word " * 2_000_000])
def test_file_that_is_scanned_gets_a_verdict_or_an_error(
    start: Path, raxe: RunRaxe, tmp_path: Path, data: bytes
) -> None:
    path = tmp_path / "mail.txt"
    path.write_bytes(data)
    for result in (run(raxe, "scan", "--file", str(path)), raxe("scan", "-", stdin=data)):
        if len(data) > 1_000_000:
            assert result.exit_code == 2
            assert "longer than the 1,000,000" in result.stderr
        else:
            assert result.exit_code in (0, 1)
