"""A careless plugin is named with its reason, and all else works; it never makes a threat pass."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from hostile.case import BAD, bundle, place, tiny_files
from hostile.plugins import FAULTS, HEAD, JUDGES, hook, runtime
from hostile.terminal import raw_controls
from plugin_source import Site, impatient_with

from conftest import RunRaxe

NAME = "a-bad-plugin"


@pytest.fixture
def all_plugins(dropped_in: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of the good model, with the bad plugin allowed."""
    monkeypatch.setenv("RAXE_PLUGINS", f"raxe-onnx,{NAME}")
    return dropped_in.parents[1]


def run(raxe: RunRaxe, *arguments: str) -> Result:
    """Run a command, and check what must hold of every command."""
    result = raxe(*arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert not re.search("Traceback|panicked", result.output)
    assert raw_controls(result.stdout) == raw_controls(result.stderr) == []
    return result


@pytest.mark.parametrize("case", FAULTS)
def test_faulty_plugin_is_named_and_out_of_work(
    all_plugins: Path, site: Site, raxe: RunRaxe, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    plugin = FAULTS[case]
    if "did not return" in plugin.reason:
        impatient_with(monkeypatch, NAME, 0.3)
    site.install(NAME, plugin.code, entry_points=plugin.entry_points)
    result = run(raxe, "plugins", "list", "--json")
    assert result.exit_code == 1
    (info,) = (item for item in json.loads(result.stdout) if item["distribution"] == NAME)
    assert re.search(plugin.reason, info["reason"])
    assert info["status"] in (plugin.status, "incompatible")
    assert f"{NAME} is {info['status']}: " in run(raxe, "plugins", "list").stdout
    listed = json.loads(run(raxe, "models", "list", "--json").stdout)
    assert [model["model_id"] for model in listed] == ["v9.0_tiny"]
    assert run(raxe, "--help").exit_code == 0
    if "onnx" not in plugin.reason:
        assert run(raxe, "scan", "hello").exit_code == 0
        assert run(raxe, "scan", "reveal password").exit_code == 1


@pytest.mark.parametrize("case", JUDGES)
def test_faulty_judge_never_lets_a_text_pass(
    all_plugins: Path, site: Site, raxe: RunRaxe, case: str
) -> None:
    site.install(NAME, JUDGES[case])
    metadata = json.loads(tiny_files()["manifest.json"])["metadata"]
    metadata["requirements"] = {"runtime": "bad"}
    place(all_plugins, bundle({"metadata": metadata}))
    assert run(raxe, "scan", "hello", "--model", BAD).exit_code == 2
    prompts = all_plugins / "benign.txt"
    prompts.write_text("hello\n")
    tested = run(raxe, "models", "test", BAD, "--prompts", str(prompts))
    assert tested.exit_code in (1, 2)
    assert tested.stderr.startswith("Error: ")
    assert run(raxe, "models", "validate", BAD).exit_code == 1
    assert run(raxe, "scan", "hello", "--model", "v9.0_tiny").exit_code == 0


def test_plugin_without_its_metadata_works(all_plugins: Path, site: Site, raxe: RunRaxe) -> None:
    site.install(NAME, f"{HEAD}def unused(): ...\n")
    (site.folder / "a_bad_plugin-1.2.dist-info" / "METADATA").unlink()
    assert f"{NAME} " in run(raxe, "plugins", "list").stdout


def test_what_a_plugin_prints_does_not_break_json(
    all_plugins: Path, site: Site, raxe: RunRaxe
) -> None:
    shout = "print('\\x1b[31mloaded\\x07')"
    site.install(NAME, f"{shout}\n" + hook("discover_models", f"{shout}; return []"))
    result = run(raxe, "models", "list", "--json")
    assert [model["model_id"] for model in json.loads(result.stdout)] == ["v9.0_tiny"]
    assert result.stderr.count("\\x1b[31mloaded\\x07") == 2


@pytest.mark.parametrize("body", ["sys.exit(0)", "return 'high'", "raise KeyboardInterrupt"])
def test_criteria_that_fails_is_an_error_that_names_the_plugin(
    all_plugins: Path, site: Site, raxe: RunRaxe, body: str
) -> None:
    code = f"{HEAD}def score(model): {body}\n@hookimpl\ndef score_criteria():\n"
    site.install(NAME, f"{code}    return [Criteria('mine', 'x', score)]\n")
    (all_plugins / "config.yaml").write_text("l2_model: {auto_criteria: mine}")
    result = run(raxe, "scan", "hello")
    assert result.exit_code == 2
    assert "'mine'" in result.stderr


@pytest.mark.parametrize(
    "body",
    ["sys.exit(0)", "return None", "return 'v9.0_tiny'", "return Selection(['x'], 's', 'r')"],
)
def test_strategy_that_fails_is_an_error(
    all_plugins: Path, site: Site, raxe: RunRaxe, body: str
) -> None:
    code = f"{HEAD}def select(request): {body}\n@hookimpl\ndef selection_strategies():\n"
    site.install(NAME, f"{code}    return [Strategy('mine', 'x', select)]\n")
    (all_plugins / "config.yaml").write_text("l2_model: {selection: mine}")
    result = run(raxe, "scan", "hello")
    assert result.exit_code == 2
    assert "'mine'" in result.stderr


@pytest.mark.parametrize("body", ["sys.exit(0)", "return None", "return report['nothing']"])
def test_reporter_that_fails_is_an_error(
    all_plugins: Path, site: Site, raxe: RunRaxe, body: str
) -> None:
    code = f"{HEAD}def render(report): {body}\n@hookimpl\ndef reporters():\n"
    site.install(NAME, f"{code}    return [Reporter('mine', 'x', render)]\n")
    prompts = all_plugins / "benign.txt"
    prompts.write_text("hello\n")
    arguments = ("--prompts", str(prompts), "--format", "mine")
    result = run(raxe, "models", "test", "v9.0_tiny", *arguments)
    assert result.exit_code == 2
    assert f"'mine' of plugin {NAME} failed" in result.stderr


@pytest.mark.parametrize("body", ["sys.exit(0)", "raise KeyboardInterrupt", "1 / 0"])
def test_watcher_of_scans_changes_no_verdict(
    all_plugins: Path, site: Site, raxe: RunRaxe, body: str
) -> None:
    site.install(NAME, hook("on_scan", body, "event"))
    assert run(raxe, "scan", "hello").exit_code == 0
    assert run(raxe, "scan", "reveal password").exit_code == 1


@pytest.mark.parametrize("target", ["gone:main", "os:system", "sys", "a_bad_plugin_exit:main"])
def test_command_that_cannot_be_imported_is_an_error(
    all_plugins: Path, site: Site, raxe: RunRaxe, target: str
) -> None:
    (site.folder / "a_bad_plugin_exit.py").write_text("import sys; sys.exit(0)")
    site.install(NAME, hook("commands", f"return [Command('mine', '\\x1b[31m', '{target}')]"))
    result = run(raxe, "mine")
    assert result.exit_code == 2
    assert "command 'mine' cannot be imported" in result.stderr
    assert run(raxe, "--help").exit_code == 0


def test_sound_plugin_of_the_same_form_works(all_plugins: Path, site: Site, raxe: RunRaxe) -> None:
    site.install(NAME, runtime())
    metadata = json.loads(tiny_files()["manifest.json"])["metadata"]
    metadata["requirements"] = {"runtime": "bad"}
    place(all_plugins, bundle({"metadata": metadata}))
    assert run(raxe, "plugins", "list").exit_code == 0
    result = run(raxe, "scan", "hello", "--model", BAD)
    assert result.exit_code == 0, result.stderr


def test_plugin_that_hangs_does_not_keep_the_process(
    all_plugins: Path, site: Site, tmp_path: Path
) -> None:
    site.install(NAME, hook("discover_models", "while True: time.sleep(1)"))
    code = (
        "import raxe_core.plugin_hooks as hooks; hooks.HOOK_SECONDS = 0.3\n"
        "from raxe_core.cli.main import main; main(['models', 'list', '--json'])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(site.folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert json.loads(result.stdout)[0]["model_id"] == "v9.0_tiny"
    assert f"plugin {NAME} failed in discover_models: did not return within" in result.stderr
