"""What costs time to import is imported when it is needed, and not before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = [
    "numpy",
    "onnxruntime",
    "torch",
    "tokenizers",
    "rich",
    "importlib.metadata",
    "onnx",
    "scipy",
    "cryptography",
    "model_signing",
]

PROGRAM = """
import sys
from importlib import import_module
try:
    {code}
except SystemExit as end:
    assert not end.code, end.code
print(*sorted(set(sys.modules) & set(sys.argv[-1].split())), file=sys.stderr)
"""


def imported_by(code: str, modules: list[str]) -> tuple[str, list[str]]:
    """Run code in a new interpreter; what it printed, and which modules it imported."""
    command = [sys.executable, "-c", PROGRAM.format(code=code), " ".join(modules)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout, done.stderr.split()


def command_line(arguments: str) -> str:
    """Code that runs a command line."""
    return f"import_module('raxe_core.cli.main').main({arguments.split()!r})"


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ("--version", "version"),
        ("--help", "Commands:"),
        ("models list", "v9.0_tiny"),
        ("plugins list", "raxe-onnx"),
    ],
)
def test_light_commands_import_nothing_heavy(
    dropped_in: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, shown: str
) -> None:
    monkeypatch.delenv("RAXE_PLUGINS")
    for _ in range(2 if arguments == "models list" else 1):  # without an index, and with one
        printed, found = imported_by(command_line(arguments), HEAVY)
        assert shown in printed
        assert found == []


def test_listing_signed_models_imports_no_cryptography(dropped_in: Path, home: Path) -> None:
    dropped_in.with_name(f"{dropped_in.name}.sig").write_text("{}")
    key = home / "key.pem"
    key.write_text("no key; that is found when a model is loaded")
    policy = f"trust: {{require_signature: true, keys: {{alice: {key}}}}}"
    (home / "config.yaml").write_text(policy)
    printed, found = imported_by(command_line("models list"), HEAVY)
    assert "signature not checked" in printed
    assert found == []


def test_a_scan_imports_what_it_needs_and_no_more(
    dropped_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAXE_PLUGINS")
    scan = command_line("scan hello --model v9.0_tiny")
    spared = ["attr", "attrs", "cattrs", "ruamel.yaml", "filelock", "asyncio", "raxe_core.trial"]
    imported_by(scan, [])  # the first use tries the model
    printed, found = imported_by(scan, ["onnxruntime", *spared, "raxe_core.metadata"])
    assert "No threat" in printed
    assert found == ["onnxruntime"]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts the threads of Linux")
def test_a_scan_starts_no_thread_for_matrix_products(
    dropped_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAXE_PLUGINS")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    code = """
import atexit, os, sys, threading, time
from raxe_core.cli.main import program

def others():
    return len(os.listdir("/proc/self/task")) - threading.active_count()

@atexit.register
def count():
    # The thread that loaded the model may be on its way out, and is then of Linux alone.
    end = time.monotonic() + 60
    while others() and time.monotonic() < end:
        time.sleep(0.01)
    print("numpy" in sys.modules, others())

sys.argv = ["raxe", "scan", "hello", "--model", "v9.0_tiny"]
program()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True 0"


def test_importing_the_package_imports_none_of_its_parts() -> None:
    parts = ["raxe_core.client", "raxe_core.plugins", "attr", "attrs", "click", "pluggy", "cattrs"]
    assert imported_by("import raxe_core", [*HEAVY, *parts]) == ("", [])


def test_the_check_sees_an_import() -> None:
    assert imported_by("import importlib.metadata", HEAVY)[1] == ["importlib.metadata"]
