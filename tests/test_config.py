"""Where a setting comes from, which place wins, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from raxe_core.config import load_config
from raxe_core.errors import ConfigError


def write(home: Path, text: str) -> Path:
    path = home / "config.yaml"
    path.write_text(text)
    return path


def test_without_a_file_everything_has_its_default(home: Path) -> None:
    config = load_config()
    assert (config.l2_model["selection"], config.l2_model["auto_criteria"]) == ("auto", "balanced")
    assert "model_id" not in config.l2_model
    assert config.path == home / "config.yaml"
    assert config.search_path == (home / "models",)


def test_strongest_place_wins(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step lays a stronger place over the ones before."""
    write(home, "l2_model: {selection: explicit, model_id: from-home, auto_criteria: memory}\n")
    assert load_config().l2_model["model_id"] == "from-home"

    named = tmp_path / "named.yaml"
    named.write_text("l2_model: {selection: explicit, model_id: from-raxe-config}\n")
    monkeypatch.setenv("RAXE_CONFIG", str(named))
    assert load_config().l2_model["model_id"] == "from-raxe-config"

    given = tmp_path / "given.yaml"
    given.write_text("l2_model: {selection: explicit, model_id: from-option}\n")
    assert load_config(given).l2_model["model_id"] == "from-option"

    monkeypatch.setenv("RAXE_L2_MODEL_CRITERIA", "latency")
    section = load_config(given).l2_model
    assert (section["selection"], section["auto_criteria"]) == ("auto", "latency")

    monkeypatch.setenv("RAXE_L2_MODEL", "from-variable")
    section = load_config(given).l2_model
    assert (section["selection"], section["model_id"]) == ("explicit", "from-variable")

    section = load_config(given).for_model("from-argument", "the argument").l2_model
    assert (section["selection"], section["model_id"]) == ("explicit", "from-argument")


def test_working_folder_is_not_read(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.yaml").write_text("l2_model: {model_id: planted}\n")
    monkeypatch.chdir(tmp_path)
    assert "model_id" not in load_config().l2_model


@pytest.mark.parametrize("text", ["", "# nothing\n", "l2_model:\n", "l2_model: {model_id: null}\n"])
def test_empty_values_count_as_unset(home: Path, text: str) -> None:
    write(home, text)
    assert load_config().l2_model["selection"] == "auto"
    assert "model_id" not in load_config().l2_model


def test_section_of_a_strategy_is_kept_as_it_is(home: Path) -> None:
    write(home, "l2_model:\n  ab_test: {enabled: true, traffic_split: 0.5, deep: {x: [1]}}\n")
    section = load_config().l2_model["ab_test"]
    assert section == {"enabled": True, "traffic_split": 0.5, "deep": {"x": [1]}}


def test_section_of_a_strategy_may_be_named_a_little_like_a_key(home: Path) -> None:
    write(home, "l2_model: {selector: {enabled: true, enabled_at: 5}, model: {x: 1}}\n")
    assert {"selector", "model"} <= set(load_config().l2_model)


def test_folders_of_a_file_are_beside_it(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "conf" / "named.yaml"
    named.parent.mkdir()
    named.write_text("models_path: [near, ../up, ~/mine]\n")
    monkeypatch.setenv("RAXE_MODELS_PATH", "here")
    beside = named.parent
    expected = (home / "models", Path("here"), beside / "near", beside / "../up")
    assert load_config(named).search_path == (*expected, Path.home() / "mine")


def test_what_each_file_says_is_kept(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = write(home, "l2_model: {model_id: a}\n")
    named = tmp_path / "named.yaml"
    named.write_text("\nl2_model:\n  model_id: b\n")
    monkeypatch.setenv("RAXE_L2_MODEL", "c")
    said = load_config(named).said
    assert [said[file]["l2_model.model_id"].value for file in (own, named)] == ["a", "b"]
    assert said[named]["l2_model.model_id"].where == f"{named}, line 3"


def test_folders_come_in_the_order_of_their_places(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    monkeypatch.setenv("RAXE_MODELS_PATH", os.pathsep.join([str(one), "", str(two), str(one)]))
    write(home, f"models_path: [{two}, {three}, ~/raxe-models]\n")
    expected = (home / "models", one, two, three, Path.home() / "raxe-models")
    assert load_config().search_path == expected
    (home / "models").rmdir()
    assert load_config().search_path == expected[1:]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("\nl2_modle: {}\n", 2, "unknown key 'l2_modle'. Did you mean 'l2_model'?"),
        ("polcy: {block_score: 1}\n", 1, "Did you mean 'policy'?"),
        ("l2_model:\n  threshold: {m: 0.1}\n", 2, "Did you mean 'l2_model.thresholds'?"),
        ("l2_model:\n  constraint: {a: b}\n", 2, "Did you mean 'l2_model.constraints'?"),
        (
            "l2_model:\n  ab_test:\n    enbled: true\n",
            3,
            "Did you mean 'l2_model.ab_test.enabled'?",
        ),
        ("l2_model:\n  # note\n  modle_id: x\n", 3, "modle_id"),
        ("l2_model: [a]\n", 1, "l2_model must hold keys with values"),
        ("models_path: /srv\n", 1, "models_path must be a list of folders"),
        ("models_path: [1]\n", 1, "models_path must be a list of folders"),
        ("l2_model:\n  selection: 1\n", 2, "l2_model.selection must be a"),
        ("l2_model:\n  model_id: 2024-01-01\n", 2, "l2_model.model_id must be a"),
        ("1: 2\n", 1, "unknown key"),
        ('l2_model:\n  ab_test:\n    enabled: "yes"\n', 3, "must be true or false"),
        ("l2_model:\n  ab_test:\n    enabled: on\n", 3, "l2_model.ab_test.enabled must be true"),
        ("trust:\n  require_signature: yes\n", 2, "trust.require_signature must be true or false"),
        ("aliases:\n  a: v1\n  b: a\n", 3, "'b' stands for 'a', which is an alias itself"),
        ("aliases: {a: a}\n", 1, "'a' stands for 'a', which is an alias itself"),
        (
            "aliases: {a: v1}\nl2_model:\n  thresholds:\n    a: 0.5\n",
            4,
            "holds the alias 'a', and a threshold belongs to one model. Write its id: 'v1'",
        ),
    ],
)
def test_wrong_key_or_type_names_file_and_line(
    home: Path, text: str, line: int, reason: str
) -> None:
    path = write(home, text)
    with pytest.raises(ConfigError) as error:
        load_config()
    assert str(error.value).startswith(f"{path}, line {line}: ")
    assert reason in str(error.value)


@pytest.mark.parametrize("value", ["/no/such/file.yaml", "a\tb.yaml"])
def test_named_file_must_be_there(home: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("RAXE_CONFIG", value)
    with pytest.raises(ConfigError, match=f"^{value}: "):
        load_config()


@pytest.mark.parametrize("variable", ["RAXE_CONFIG", "RAXE_L2_MODEL", "RAXE_L2_MODEL_CRITERIA"])
def test_empty_variable_says_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "")
    assert load_config().l2_model["selection"] == "auto"


def test_threshold_of_an_alias_is_found_in_another_file(home: Path, tmp_path: Path) -> None:
    """The line is that of the file which holds the threshold."""
    write(home, "aliases: {production: v1}\n")
    named = tmp_path / "named.yaml"
    named.write_text("l2_model:\n  thresholds: {production: 0.5}\n")
    with pytest.raises(ConfigError, match=r"named\.yaml, line 2: .* 'production'"):
        load_config(named)


def test_unset_switch_of_a_strategy_is_off(home: Path) -> None:
    write(home, "l2_model: {ab_test: {enabled: null}}\n")
    assert load_config().l2_model["ab_test"] == {"enabled": None}
