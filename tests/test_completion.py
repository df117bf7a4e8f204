"""Shell completion, as each shell asks for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tiny_model import write_bundle

from conftest import RunRaxe

SHELLS = ["bash", "zsh", "fish"]
ALIASES = {"v9.9_alias"}
MODELS = {"v9.0_tiny", *ALIASES}


@pytest.mark.parametrize("shell", SHELLS)
def test_script_is_printed(raxe: RunRaxe, shell: str) -> None:
    printed = raxe("completion", shell)
    assert printed.exit_code == 0
    assert f"_RAXE_COMPLETE={shell}_complete" in printed.stdout


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("words", "names"),
    [
        *((words, MODELS) for words in ("models info", "models validate", "scan --model")),
        *((words, ALIASES) for words in ("models rollback", "models alias")),
    ],
)
def test_ids_and_aliases_are_offered_where_they_fit(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    shell: str,
    words: str,
    names: set[str],
) -> None:
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
    assert {word for word in offered if word.startswith("v9")} == names
