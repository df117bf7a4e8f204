"""Shell completion, as each shell asks for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tiny_model import write_bundle

from conftest import RunRaxe

SHELLS = ["bash", "zsh", "fish"]


@pytest.mark.parametrize("shell", SHELLS)
def test_script_is_printed(raxe: RunRaxe, shell: str) -> None:
    printed = raxe("completion", shell)
    assert printed.exit_code == 0
    assert f"_RAXE_COMPLETE={shell}_complete" in printed.stdout


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("words", ["models info", "models validate", "scan --model"])
def test_ids_and_aliases_are_offered(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    shell: str,
    words: str,
) -> None:
    assert _offered(home, monkeypatch, capsys, shell, words) == {"v9.0_tiny", "v9.9_alias"}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("words", ["models rollback", "models alias"])
def test_aliases_alone_are_offered_for_a_name(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    shell: str,
    words: str,
) -> None:
    assert _offered(home, monkeypatch, capsys, shell, words) == {"v9.9_alias"}


def _offered(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    shell: str,
    words: str,
) -> set[str]:
    for model_id in ("v8.0_other", "v9.0_tiny"):
        write_bundle(home / "models", model_id)
    (home / "config.yaml").write_text("aliases: {v9.9_alias: v8.0_other}\n")
    monkeypatch.setenv("_RAXE_COMPLETE", f"{shell}_complete")
    monkeypatch.setenv("COMP_WORDS", f"raxe {words} v9")
    # fish gives the unfinished word, the others the number of the word.
    monkeypatch.setenv("COMP_CWORD", "v9" if shell == "fish" else "3")
    from raxe_core.cli.main import main

    with pytest.raises(SystemExit):
        main(prog_name="raxe", args=[])
    offered = set(re.split(r"[\n\t,]", capsys.readouterr().out))
    return {word for word in offered if word.startswith("v9")}
