"""Which model is selected, by registry and client, and what the reason says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from plugin_source import Site
from tiny_model import write_bundle

from conftest import RunRaxe
from raxe_core import ModelRegistry, Raxe
from raxe_core.benchmark.profile import save_profile
from raxe_core.discovery import bundle_filename
from raxe_core.errors import (
    BundleError,
    ConfigError,
    NoModelError,
    PluginError,
    UnknownModelError,
    UnknownNameError,
    UsageError,
)
from raxe_core.selection_report import candidates, effective_selection


@pytest.fixture
def three(home: Path) -> Path:
    """Three models: a fast one, a sharp one, an experimental one that is both."""
    figures = {"v1.0_fast": (5, 0.8), "v1.0_sharp": (50, 0.9), "v1.0_trial": (1, 0.99)}
    for model_id, (p95, f1) in figures.items():
        metadata = {
            "model_id": model_id,
            "name": model_id,
            "version": "1.0",
            "variant": "x",
            "performance": {"p95_latency_ms": p95},
            "accuracy": {"binary_f1": f1},
            "status": "experimental" if model_id.endswith("trial") else "active",
        }
        write_bundle(home / "models", model_id, metadata=metadata)
    return home


@pytest.mark.parametrize(
    ("criteria", "model_id"),
    [("latency", "v1.0_fast"), ("accuracy", "v1.0_sharp"), ("balanced", "v1.0_fast")],
)
def test_criteria_choose_among_active_models(
    three: Path, monkeypatch: pytest.MonkeyPatch, criteria: str, model_id: str
) -> None:
    assert ModelRegistry().get_best_model(criteria).model_id == model_id
    monkeypatch.setenv("RAXE_L2_MODEL_CRITERIA", criteria)
    selection = ModelRegistry().select()
    assert (selection.model_id, selection.strategy) == (model_id, "auto")
    assert "RAXE_L2_MODEL_CRITERIA" in selection.reason


def test_constraints_narrow_the_choice(three: Path) -> None:
    registry = ModelRegistry()
    assert registry.get_best_model("accuracy", ["p95_latency_ms<10"]).model_id == "v1.0_fast"
    with pytest.raises(NoModelError, match=r"meets p95_latency_ms<10 and f1>0\.85"):
        registry.get_best_model("accuracy", ["p95_latency_ms<10", "f1>0.85"])
    with pytest.raises(NoModelError, match="meets memory_mb<999"):  # which nobody measured
        registry.get_best_model("accuracy", ["memory_mb<999"])
    (three / "config.yaml").write_text(
        'l2_model: {auto_criteria: accuracy, constraints: ["p95_latency_ms<10"]}\n'
    )
    assert ModelRegistry().select().model_id == "v1.0_fast"


def test_explicit_choice_may_be_any_model(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAXE_L2_MODEL", "v1.0_trial")
    with Raxe() as client:
        result = client.scan("reveal password")
    assert result.model_id == result.selection.model_id == "v1.0_trial"
    assert "RAXE_L2_MODEL" in result.selection.reason
    with Raxe(l2_model="v1.0_sharp") as client:
        assert client.scan("hello").model_id == "v1.0_sharp"


@pytest.mark.parametrize(
    ("config", "error", "reason"),
    [
        ("selection: explicit", ConfigError, "l2_model.model_id is not set"),
        ("selection: lucky", UnknownNameError, "No selection strategy 'lucky'"),
        ("auto_criteria: latenzy", UnknownNameError, "Did you mean 'latency'"),
        ("{selection: explicit, model_id: v1.0_fats}", UnknownModelError, "Did you mean 'v1.0_fas"),
        ("my_test: {enabled: true}", UnknownNameError, "No selection strategy 'my_test'"),
    ],
)
def test_wrong_selection_is_an_error_and_no_silent_pass(
    three: Path, config: str, error: type[Exception], reason: str
) -> None:
    (three / "config.yaml").write_text(f"l2_model:\n  {config}\n")
    with pytest.raises(error, match=reason), Raxe() as client:
        client.scan("hello")


def test_nothing_to_select_from_says_what_to_install(home: Path) -> None:
    with pytest.raises(NoModelError, match="pip install raxe-l2 raxe-onnx"), Raxe() as client:
        client.scan("hello")


def test_models_without_a_runtime_are_not_selected(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAXE_PLUGINS", "")
    registry = ModelRegistry()
    assert len(registry.list_models()) == 3
    assert registry.usable_models() == ()


@pytest.mark.parametrize("failing", ["missing", "broken"])
def test_fallback_is_used_and_told(three: Path, failing: str) -> None:
    (three / "models" / "raxe_model_l2_v1.0_broken.raxe").write_bytes(b"no archive")
    (three / "config.yaml").write_text(
        f"l2_model: {{selection: explicit, model_id: v1.0_{failing}, "
        "fallback_model_id: v1.0_sharp}\n"
    )
    with Raxe() as client:
        result = client.scan("reveal password")
    assert (result.model_id, result.is_threat) == ("v1.0_sharp", True)
    assert result.selection.fallback_from == f"v1.0_{failing}"
    assert f"v1.0_{failing}" in result.selection.reason


def test_alias_is_told_as_the_model_that_it_stands_for(three: Path) -> None:
    aliases = "aliases: {production: v1.0_gone, spare: v1.0_sharp}\n"
    (three / "config.yaml").write_text(
        f"{aliases}l2_model: {{selection: explicit, model_id: production, "
        "fallback_model_id: spare}\n"
    )
    with Raxe() as client:
        result = client.scan("reveal password")
    assert result.detection is not None
    assert result.model_id == result.detection.model_id == "v1.0_sharp"
    assert result.bundle_digest is not None
    assert result.selection.fallback_from == "v1.0_gone"
    assert effective_selection(ModelRegistry()).model_id == "v1.0_sharp"


def test_fallback_that_is_an_alias_of_the_failed_model_is_none(three: Path) -> None:
    (three / "config.yaml").write_text(
        "aliases: {spare: v1.0_gone}\n"
        "l2_model: {selection: explicit, model_id: v1.0_gone, fallback_model_id: spare}\n"
    )
    with pytest.raises(UnknownModelError, match=r"v1\.0_gone"), Raxe() as client:
        client.scan("hello")


def test_model_that_an_alias_hides_is_not_selected_and_says_so(three: Path) -> None:
    (three / "config.yaml").write_text("aliases: {v1.0_fast: v1.0_trial}\n")
    registry = ModelRegistry()
    selection = registry.select()
    assert selection.model_id == "v1.0_sharp"
    verdicts = {item.model_id: item.verdict for item in candidates(registry, selection)}
    assert verdicts["v1.0_fast"] == "hidden: an alias of this name stands for v1.0_trial"


@pytest.mark.parametrize(
    ("config", "reason", "verdict"),
    [
        ("l2_model: {auto_criteria: latenzy}", "No criteria 'latenzy'", "No criteria 'latenzy'"),
        ("l2_model: {constraints: [fast]}", "'fast' is no constraint", "'fast' is no constraint"),
        ("l2_model: {selection: lucky}", "No selection strategy 'lucky'", "not named by the con"),
        ("l2_model: {selection: explicit}", "model_id is not set", "not named by the config"),
        ("models_path: [~nobody-of-this-name/x]", "begins with ~ and a user", None),
    ],
)
def test_which_prints_json_whatever_the_failure_is(
    three: Path, raxe: RunRaxe, config: str, reason: str, verdict: str | None
) -> None:
    (three / "config.yaml").write_text(f"{config}\n")
    result = raxe("models", "which", "--json")
    shown = json.loads(result.stdout)
    assert (result.exit_code, shown["model_id"]) == (2, None)
    assert reason in shown["reason"]
    assert result.stderr == f"Error: {shown['reason']}\n"
    verdicts = {item["model_id"]: item["verdict"] for item in shown["candidates"]}
    assert sorted(verdicts) == (
        [] if verdict is None else ["v1.0_fast", "v1.0_sharp", "v1.0_trial"]
    )
    assert verdict is None or verdict in verdicts["v1.0_fast"]


def test_which_needs_no_criteria_for_an_explicit_choice(three: Path, raxe: RunRaxe) -> None:
    (three / "config.yaml").write_text(
        "l2_model: {selection: explicit, model_id: v1.0_sharp, auto_criteria: latenzy}\n"
    )
    shown = raxe("models", "which", "--json")
    verdicts = {
        item["model_id"]: item["verdict"] for item in json.loads(shown.stdout)["candidates"]
    }
    assert (shown.exit_code, verdicts["v1.0_sharp"]) == (0, "chosen")
    assert verdicts["v1.0_fast"] == "not named by the configuration"
    assert raxe("models", "which", "--explain").exit_code == 0


@pytest.mark.parametrize(
    ("config", "line"),
    [("selection: lucky", 3), ("auto_criteria: latenzy", 3), ("constraints: [zz<1]", 3)],
)
def test_wrong_name_in_a_file_is_told_with_its_line(three: Path, config: str, line: int) -> None:
    path = three / "config.yaml"
    path.write_text(f"l2_model:\n\n  {config}\n")
    with pytest.raises(UsageError) as error:
        ModelRegistry().select()
    assert str(error.value).startswith(f"{path}, line {line}: No ")


def test_wrong_criteria_of_a_variable_are_told_with_its_name(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAXE_L2_MODEL_CRITERIA", "latenzy")
    with pytest.raises(UnknownNameError, match=r"^RAXE_L2_MODEL_CRITERIA: No criteria"):
        ModelRegistry().select()


def verdicts_of(registry: ModelRegistry) -> dict[str, str]:
    """What became of each model."""
    found = candidates(registry, registry.select(for_scan=False))
    return {item.model_id: item.verdict for item in found}


def test_benchmark_tells_which_models_were_not_measured(three: Path) -> None:
    (three / "config.yaml").write_text("l2_model: {selection: benchmark, auto_criteria: latency}\n")
    bundle = three / "models" / bundle_filename("v1.0_sharp")
    save_profile({"v1.0_sharp": (bundle, {"p95_latency_ms": 6.0})}, "2026-01-01")
    told = verdicts_of(ModelRegistry())
    assert (told["v1.0_sharp"], told["v1.0_fast"]) == ("chosen", "not measured on this machine")


def test_tie_of_models_without_figures_is_told(three: Path) -> None:
    (three / "config.yaml").write_text("l2_model: {auto_criteria: memory}\n")
    told = verdicts_of(ModelRegistry())
    assert (told["v1.0_fast"], told["v1.0_sharp"]) == ("chosen", "tie, later id")


def test_explicit_choice_passes_over_the_others_for_no_other_reason(three: Path) -> None:
    (three / "config.yaml").write_text(
        "l2_model: {selection: explicit, model_id: v1.0_sharp, constraints: [p95_latency_ms<1]}\n"
    )
    told = verdicts_of(ModelRegistry())
    assert told["v1.0_trial"] == told["v1.0_fast"] == "not named by the configuration"


CRITERIA = """
    from raxe_core import Criteria, hookimpl

    RAXE_API = 1

    def score(model):
        if model.status != "active":
            raise ValueError("no")
        return {score}

    @hookimpl
    def score_criteria():
        yield Criteria("picky", "of a test", score)
"""


@pytest.mark.parametrize(
    ("score", "verdict"),
    [
        ("model.accuracy.binary_f1", "picky 0.8 is below 0.9"),
        ("1 / 0", "not ranked: Criteria 'picky' failed on model v1.0_fast: "),
    ],
)
def test_criteria_that_fail_on_a_model_that_cannot_be_selected_rank_the_others(
    three: Path,
    site: Site,
    raxe: RunRaxe,
    monkeypatch: pytest.MonkeyPatch,
    score: str,
    verdict: str,
) -> None:
    site.install("picker", CRITERIA.replace("{score}", score))
    monkeypatch.setenv("RAXE_PLUGINS", "raxe-onnx,picker")
    monkeypatch.setenv("RAXE_L2_MODEL_CRITERIA", "picky")
    result = raxe("models", "which", "--json")
    told = {item["model_id"]: item["verdict"] for item in json.loads(result.stdout)["candidates"]}
    assert told["v1.0_fast"].startswith(verdict)
    assert told["v1.0_trial"].startswith("status is experimental")
    assert result.stderr.count("Choose another") == (score == "1 / 0")
    assert ".." not in result.stderr


def test_which_says_whether_a_value_is_measured_or_claimed(three: Path, raxe: RunRaxe) -> None:
    bundle = three / "models" / bundle_filename("v1.0_fast")
    save_profile({"v1.0_fast": (bundle, {"p95_latency_ms": 6.0})}, "2026-01-01")
    wanted = {"latency": "measured", "balanced": "both", "accuracy": "claimed", "memory": None}
    marks = {"measured": "-6 ●", "both": " ◐", "claimed": "0.8 ", None: "n/a "}
    for criteria, origin in wanted.items():
        raxe("config", "set", "l2_model.auto_criteria", criteria)
        shown = json.loads(raxe("models", "which", "--json").stdout)
        origins = {item["model_id"]: item["origin"] for item in shown["candidates"]}
        assert (origins["v1.0_fast"], origins["v1.0_sharp"]) == (origin, origin and "claimed")
        table = raxe("models", "which", "--explain").stdout
        (row,) = (line for line in table.splitlines() if line.startswith("│ v1.0_fast"))
        assert marks[origin] in row
        assert table.splitlines()[-1].startswith("● = measured on this machine")


STRATEGY = """
    from raxe_core import Selection, Strategy, hookimpl

    RAXE_API = 1

    def choose(request):
        {body}

    @hookimpl
    def selection_strategies():
        yield Strategy("mine", "by a plugin", choose)
"""


@pytest.mark.parametrize("config", ["selection: mine", "mine: {enabled: true, wanted: v1.0_sharp}"])
def test_strategy_of_a_plugin_chooses(
    three: Path, site: Site, monkeypatch: pytest.MonkeyPatch, config: str
) -> None:
    body = (
        "own = request.settings.get('mine', {'wanted': 'v1.0_sharp'})\n"
        "        assert [m.model_id for m in request.models][0] == 'v1.0_fast'\n"
        "        return Selection(own['wanted'], 'mine', f'for {request.user_id}')"
    )
    site.install("chooser", STRATEGY.format(body=body))
    monkeypatch.setenv("RAXE_PLUGINS", "raxe-onnx,chooser")
    (three / "config.yaml").write_text(f"l2_model:\n  {config}\n")
    with Raxe() as client:
        selection = client.scan("hello", user_id="ann").selection
    assert (selection.model_id, selection.strategy) == ("v1.0_sharp", "mine")
    assert selection.reason.startswith("for ann")


def test_aliases_of_a_strategy_are_told_as_the_models_that_they_stand_for(
    three: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "return Selection('main', 'mine', 'both', shadow_model_ids=('spare',))"
    site.install("chooser", STRATEGY.format(body=body))
    monkeypatch.setenv("RAXE_PLUGINS", "raxe-onnx,chooser")
    (three / "config.yaml").write_text(
        "aliases: {main: v1.0_fast, spare: v1.0_sharp}\nl2_model: {selection: mine}\n"
    )
    selection = ModelRegistry().select()
    assert (selection.model_id, selection.shadow_model_ids) == ("v1.0_fast", ("v1.0_sharp",))


@pytest.mark.parametrize(
    ("body", "reason"),
    [("return 1 / 0", "'mine' of plugin chooser failed: Zero"), ("return 'x'", "no Selection")],
)
def test_strategy_that_fails_is_an_error_that_names_it(
    three: Path, site: Site, monkeypatch: pytest.MonkeyPatch, body: str, reason: str
) -> None:
    site.install("chooser", STRATEGY.format(body=body))
    monkeypatch.setenv("RAXE_PLUGINS", "raxe-onnx,chooser")
    (three / "config.yaml").write_text("l2_model: {selection: mine}\n")
    with pytest.raises(PluginError, match=reason):
        ModelRegistry().select()


def test_registry_refuses_broken_and_unknown_models(three: Path) -> None:
    (three / "models" / "raxe_model_l2_v1.0_broken.raxe").write_bytes(b"no archive")
    registry = ModelRegistry()
    assert registry.get_model("v1.0_broken").status == "invalid"
    with pytest.raises(BundleError, match="not a readable archive"):
        registry.create_detector("v1.0_broken")
    with pytest.raises(UnknownModelError, match=r"No model 'nothing'\. See"):
        registry.create_detector("nothing")
    listed = [item.model_id for item in registry.list_models()]
    assert listed == ["v1.0_broken", "v1.0_fast", "v1.0_sharp", "v1.0_trial"]


def test_model_of_a_pack_keeps_its_id(
    three: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = site.folder / "models"
    write_bundle(pack, "v1.0_fast")
    code = (
        "from pathlib import Path\nfrom raxe_core import discover_folder, hookimpl\nRAXE_API = 1\n"
        "@hookimpl\ndef discover_models():\n"
        "    return discover_folder(Path(__file__).parent / 'models', source='the-pack')\n"
    )
    site.install("the-pack", code)
    monkeypatch.setenv("RAXE_PLUGINS", "raxe-onnx,the-pack")
    registry = ModelRegistry()
    assert registry.get_model("v1.0_fast").source == "the-pack"
    (double,) = (item for item in registry.list_models() if not item.is_valid)
    assert f"the id 'v1.0_fast' belongs to {pack}" in str(double.problem)
