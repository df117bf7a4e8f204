"""Each failure names file, reason and next step, exits non-zero, and leaves the others usable."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import RunRaxe

BAD = "v1.0_bad"


def flipped(path: Path) -> str:
    data = bytearray(path.read_bytes())
    data[data.index(b"ir_version") if b"ir_version" in data else len(data) // 4] ^= 1
    path.write_bytes(bytes(data))
    return "CRC|SHA-256|archive"


def truncated(path: Path) -> str:
    path.write_bytes(path.read_bytes()[:-40])
    return "not a readable archive"


def empty(path: Path) -> str:
    path.write_bytes(b"")
    return "not a readable archive"


def folder(path: Path) -> str:
    path.unlink()
    path.mkdir()
    return "not a regular file"


def dangling(path: Path) -> str:
    path.unlink()
    path.symlink_to(path.parent / "gone")
    return "No such file"


def sidecar(text: str) -> Callable[[Path], str]:
    """Damage that is a sidecar with this text."""

    def damage(path: Path) -> str:
        target = path.parent / "metadata" / f"{BAD}.json"
        target.parent.mkdir()
        target.write_text(text)
        return rf"metadata/{BAD}\.json: "

    return damage


def alone(path: Path) -> str:
    sidecar("{}")(path)
    path.unlink()
    return "there is no bundle raxe_model_l2_v1.0_bad.raxe"


SEEN_BY_LIST = {
    "truncated": truncated,
    "empty": empty,
    "folder": folder,
    "dangling": dangling,
    "wrong type": sidecar('{"model_id": "v1.0_bad", "performance": {"p95_latency_ms": "10ms"}}'),
    "unknown field": sidecar('{"modelid": "v1.0_bad"}'),
    "unknown status": sidecar('{"status": "retired"}'),
    "other id": sidecar('{"model_id": "v1.0_other"}'),
    "no JSON": sidecar("{"),
    "JSON with NaN": sidecar('{"accuracy": {"binary_f1": NaN}}'),
    "JSON list": sidecar("[]"),
    "no bundle": alone,
}


@pytest.fixture
def bad(dropped_in: Path) -> Path:
    """A second bundle beside the good one, to be damaged."""
    path = dropped_in.with_name(f"raxe_model_l2_{BAD}.raxe")
    shutil.copy(dropped_in, path)
    return path


def good_one_works(raxe: RunRaxe) -> None:
    """The other model is listed and judges."""
    listed = json.loads(raxe("models", "list", "--json").stdout)
    assert next(m for m in listed if m["model_id"] == "v9.0_tiny")["status"] == "active"
    assert raxe("scan", "reveal password").exit_code == 1
    assert raxe("scan", "hello france").exit_code == 0


@pytest.mark.parametrize("case", SEEN_BY_LIST)
def test_broken_entry_is_listed_as_invalid(bad: Path, raxe: RunRaxe, case: str) -> None:
    reason = SEEN_BY_LIST[case](bad)
    for _ in range(2):  # read from the files, then from the index
        result = raxe("models", "list")
        assert result.exit_code == 1
        row = next(line for line in result.stdout.splitlines() if BAD in line)
        assert "invalid" in row
        assert f"{BAD} is invalid: {bad.parent}" in result.stderr
        assert reason.replace("\\", "") in result.stderr
    good_one_works(raxe)


COMMANDS = ["validate", "test", "scan", "set-default", "info"]


@pytest.mark.parametrize(
    ("case", "command"),
    # A flipped byte shows when the weights are read; the last two commands do not read them.
    [*itertools.product(SEEN_BY_LIST, COMMANDS), *itertools.product(["flipped"], COMMANDS[:3])],
)
def test_broken_model_cannot_be_used(bad: Path, raxe: RunRaxe, case: str, command: str) -> None:
    reason = {**SEEN_BY_LIST, "flipped": flipped}[case](bad)
    arguments = ["scan", "hi", "--model", BAD] if command == "scan" else ["models", command, BAD]
    result = raxe(*arguments)
    # Of these two, 1 is a verdict: a threat, a broken gate.
    assert result.exit_code == (2 if command in ("scan", "test") else 1)
    said = result.stdout if command == "validate" else result.stderr
    assert str(bad.parent) in said.replace("\n", "")
    assert any(part.replace("\\", "") in said for part in reason.split("|"))
    if command != "validate":
        assert said.startswith("Error: ")
        assert said.count("\n") == 1
    good_one_works(raxe)


@pytest.mark.parametrize("command", ["test", "validate", "set-default", "info"])
def test_unknown_model_names_the_nearest(dropped_in: Path, raxe: RunRaxe, command: str) -> None:
    result = raxe("models", command, "v9.0_tini")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == (
        "Error: No model 'v9.0_tini'. Did you mean 'v9.0_tiny'? See: raxe models list\n"
    )


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("threats.txt", "", "holds no prompt. Give a file with at least one"),
        ("threats.txt", " \n\n#: label=threat\n", "holds no prompt"),
        ("none.txt", None, "cannot be read: No such file"),
        ("a.pdf", "x", "datasets are .txt, .csv or .jsonl files"),
        ("prompts.txt", "x", "line 1: the label is missing"),
    ],
)
def test_unusable_prompts_are_an_error(
    dropped_in: Path, raxe: RunRaxe, tmp_path: Path, name: str, content: str | None, reason: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    result = raxe("models", "test", "v9.0_tiny", "--prompts", str(path))
    assert result.exit_code == 2
    assert "Results:" not in result.stdout
    assert result.stderr.startswith(f"Error: {path}")
    assert reason in result.stderr
    good_one_works(raxe)


@pytest.mark.parametrize("kind", ["missing", "file", "loop", "unreadable"])
def test_folder_that_cannot_be_read_is_listed(
    dropped_in: Path, raxe: RunRaxe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = tmp_path / "elsewhere"
    if kind == "file":
        path.write_text("")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "unreadable":
        if os.geteuid() == 0:
            pytest.skip("root reads everything")
        path.mkdir(mode=0)
    monkeypatch.setenv("RAXE_MODELS_PATH", str(path))
    result = raxe("models", "list")
    assert result.exit_code == 1
    assert f"{path}: cannot be read: " in result.stderr
    assert "Mend the path, or remove it" in result.stderr
    good_one_works(raxe)


def test_missing_runtime_names_the_pip_line(
    dropped_in: Path, raxe: RunRaxe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAXE_PLUGINS", "")
    for arguments in (["models", "test", "v9.0_tiny"], ["scan", "hi", "--model", "v9.0_tiny"]):
        result = raxe(*arguments)
        assert result.exit_code == 2
        assert "pip install raxe-onnx" in result.stderr
    assert raxe("models", "list").exit_code == 0
    result = raxe("models", "validate", "v9.0_tiny")
    assert result.exit_code == 1
    assert "❌ Runtime dependencies available" in result.stdout
    assert "pip install raxe-onnx" in result.stdout


def test_no_model_at_all_says_what_to_install(home: Path, raxe: RunRaxe) -> None:
    listed, scanned = raxe("models", "list"), raxe("scan", "hi")
    assert (listed.exit_code, scanned.exit_code) == (0, 2)
    assert "pip install raxe-l2 raxe-onnx" in listed.stdout
    assert "pip install raxe-l2 raxe-onnx" in scanned.stderr
