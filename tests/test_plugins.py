"""A broken plugin is named with its reason, and its good neighbour works on."""

from __future__ import annotations

import itertools
import signal
import sys
from pathlib import Path

import pytest
from plugin_source import GOOD, Site

from raxe_core import Criteria, Model, ModelMetadata, RuntimeOptions
from raxe_core.errors import ModelLoadError, PluginError, RaxeError, RuntimeUnavailableError
from raxe_core.metadata import Requirements
from raxe_core.plugins import PluginHost, PluginInfo

HEAD = "import time\nfrom raxe_core import Criteria, Model, ModelMetadata, hookimpl\nRAXE_API = 1\n"

FAIL_TO_LOAD = {
    "import error": ("import no_such_module_anywhere", "failed", "ModuleNotFoundError: No module"),
    "syntax error": ("def (:", "failed", "SyntaxError"),
    "exit at import": ("import sys; sys.exit(3)", "failed", "SystemExit: 3"),
    "base exception": (
        "class Panic(BaseException): ...\nraise Panic('native code')",
        "failed",
        "Panic: native code",
    ),
    "interrupt": ("raise KeyboardInterrupt", "failed", "KeyboardInterrupt"),
    "exception without words": (
        "class Mute(Exception):\n    def __str__(self):\n        raise ValueError\nraise Mute",
        "failed",
        "Mute",
    ),
    "no API version": ("", "incompatible", "declares RAXE_API = None, this raxe-core offers 1"),
    "other API version": ("RAXE_API = 2", "incompatible", "declares RAXE_API = 2"),
    "unknown hook": (
        HEAD + "@hookimpl\ndef discover_modles(): return []",
        "failed",
        "unknown hook 'discover_modles'",
    ),
    "unknown argument": (
        HEAD + "@hookimpl\ndef discover_models(folders): return []",
        "failed",
        "folders",
    ),
    "runtime without a name": (
        HEAD + "@hookimpl\ndef create_detector(model): return None",
        "failed",
        "create_detector and RUNTIMES go together",
    ),
    "name without a runtime": (
        HEAD + "RUNTIMES = ('x',)",
        "failed",
        "create_detector and RUNTIMES go together",
    ),
    "runtimes of a wrong type": (
        HEAD + "RUNTIMES = 'onnx'\n@hookimpl\ndef create_detector(model): return None",
        "failed",
        "RUNTIMES must be a tuple of strings",
    ),
}

FAIL_IN_CALL = {
    "raises": ("raise OSError('disk gone')", "OSError: disk gone"),
    "exits": ("raise SystemExit(0)", "SystemExit: 0"),
    "base exception": ("raise type('Panic', (BaseException,), {})('deep')", "Panic: deep"),
    "late generator": (
        "yield Model(ModelMetadata('v1.0_x', 'X', '1.0', 'x'), 'x'); raise ValueError('halfway')",
        "ValueError: halfway",
    ),
    "interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "wrong record": ("return ['v1.0_text']", "returned a str where a Model is expected"),
    "not iterable": ("return 7", "TypeError"),
    "no end": ("while True: time.sleep(0.01)", "did not return within 0.2 seconds"),
    "id that is a path": ("return [Model({'model_id': '../x'}, 's')]", "whose id is '../x'"),
    "unknown status": (
        "return [Model({'model_id': 'v1.0_x', 'status': 'great'}, 's')]",
        "whose status is 'great'",
    ),
    "not a number": (
        "return [Model({'model_id': 'v1.0_x', 'tags': float('nan')}, 's')]",
        "ValueError",
    ),
    "a figure in words": (
        "return [Model({'model_id': 'x', 'performance': {'p95_latency_ms': 'fast'}}, 's')]",
        "ValueError",
    ),
    "a section of no kind": ("return [Model({'model_id': 'x', 'accuracy': 3}, 's')]", "Attribute"),
    "source of no kind": ("return [Model({'model_id': 'x'}, None)]", "source or problem"),
}


def status(host: PluginHost, distribution: str) -> PluginInfo:
    """What the host says of a plugin."""
    return next(info for info in host.plugins if info.distribution == distribution)


def needs(runtime: str) -> Model:
    """A model of this runtime."""
    requirements = Requirements(runtime)
    return Model(ModelMetadata("v1.0_x", "X", "1.0", "x", requirements=requirements), "test")


def neighbour_works(host: PluginHost) -> None:
    """The good plugin is active, and all its hooks answer."""
    assert status(host, "good-plugin").status == "active"
    assert "v1.0_good" in {model.model_id for _, model in host.discover_models(())}
    assert host.create_detector(needs("good"), RuntimeOptions()) is not None
    assert host.criteria("good").score(needs("good")) == 1.0
    assert host.criteria("latency").name == "latency"


@pytest.mark.parametrize("case", FAIL_TO_LOAD)
def test_plugin_that_cannot_be_loaded_is_listed_with_its_reason(site: Site, case: str) -> None:
    code, expected_status, reason = FAIL_TO_LOAD[case]
    site.install("a-bad-plugin", code)
    site.install("good-plugin", GOOD)
    host = PluginHost()
    info = status(host, "a-bad-plugin")
    assert info.status == expected_status
    assert reason in str(info.reason)
    assert (info.version, info.location) == ("1.2", str(site.folder))
    neighbour_works(host)


@pytest.mark.parametrize("case", FAIL_IN_CALL)
def test_hook_that_fails_is_noted_and_gives_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setattr("raxe_core.plugins.HOOK_SECONDS", 0.2 if case == "no end" else 10)
    body, reason = FAIL_IN_CALL[case]
    site.install("a-bad-plugin", f"{HEAD}@hookimpl\ndef discover_models():\n    {body}\n")
    site.install("good-plugin", GOOD)
    host = PluginHost(site.entry_points())
    assert [plugin for plugin, _ in host.discover_models(())] == ["good-plugin"]
    host.discover_models(())
    (problem,) = host.problems
    assert (problem.distribution, problem.stage) == ("a-bad-plugin", "discover_models")
    assert reason in str(problem)
    neighbour_works(host)


def test_plugin_that_fails_to_register_gives_nothing(site: Site) -> None:
    good_hook = "@hookimpl\ndef score_criteria(): return [Criteria('half', '', lambda m: 0.0)]\n"
    site.install("a-bad-plugin", f"{HEAD}{good_hook}@hookimpl\ndef zzz_unknown(): ...\n")
    host = PluginHost(site.entry_points())
    with pytest.raises(RaxeError, match="No criteria 'half'"):
        host.criteria("half")


def test_keyboard_interrupt_of_the_user_is_not_swallowed(site: Site) -> None:
    site.install("slow-plugin", "import signal; signal.raise_signal(signal.SIGINT)")
    # A process that a shell started in the background ignores it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            PluginHost(site.entry_points())
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("text", [b"[raxe]\nmain = caf\xe9", b"\xff\xfe[\0r\0", b"[x]\na = \xe9"])
def test_entry_points_that_are_not_utf8_harm_nobody(site: Site, text: bytes) -> None:
    site.install("a-bad-plugin", "", entry_points=text)
    site.install("good-plugin", GOOD)
    host = PluginHost()
    neighbour_works(host)
    if b"[raxe]" in text:
        info = status(host, "a-bad-plugin")
        assert info.status == "failed"
        assert "entry_points.txt is not UTF-8; install a-bad-plugin again" in str(info.reason)
    else:
        assert "a-bad-plugin" not in {info.distribution for info in host.plugins}


def test_entry_point_in_the_form_of_an_object_is_a_failed_plugin(site: Site) -> None:
    site.install("a-bad-plugin", "", entry_points=b"[raxe]\nmain = somewhere:hooks\n")
    site.install("b-bad-plugin", "", entry_points=b"[raxe]\nmain =\n")
    site.install("good-plugin", GOOD)
    host = PluginHost()
    assert status(host, "a-bad-plugin").status == status(host, "b-bad-plugin").status == "failed"
    neighbour_works(host)


RUNTIME = HEAD + (
    "RUNTIMES = ('quantum', '{0}')\n"
    "@hookimpl\ndef create_detector(model):\n    raise ValueError('{0}')\n"
)


def test_two_plugins_of_one_runtime_are_an_error_that_names_both(site: Site) -> None:
    site.install("alpha-rt", RUNTIME.format("alpha"))
    site.install("beta-rt", RUNTIME.format("beta"))
    site.install("good-plugin", GOOD)
    host = PluginHost()
    with pytest.raises(PluginError, match="alpha-rt and beta-rt both claim the runtime 'quantum'"):
        host.create_detector(needs("quantum"), RuntimeOptions())
    with pytest.raises(ModelLoadError, match=r"runtime plugin beta-rt .* ValueError: beta"):
        host.create_detector(needs("beta"), RuntimeOptions())
    neighbour_works(host)


def test_blocking_one_of_two_claimants_leaves_the_other(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("alpha-rt", RUNTIME.format("alpha"))
    site.install("beta-rt", RUNTIME.format("beta"))
    monkeypatch.setenv("RAXE_PLUGINS_BLOCK", "alpha-rt")
    with pytest.raises(ModelLoadError, match="beta-rt"):
        PluginHost().create_detector(needs("quantum"), RuntimeOptions())


CRITERIA = (
    HEAD + "@hookimpl\ndef score_criteria(): return [Criteria('{}', '{}', lambda model: 0.0)]\n"
)


def test_two_plugins_of_one_criteria_name_are_an_error_that_names_both(site: Site) -> None:
    site.install("alpha-rank", CRITERIA.format("size", "a"))
    site.install("beta-rank", CRITERIA.format("size", "b"))
    host = PluginHost()
    with pytest.raises(PluginError, match="alpha-rank and beta-rank both claim the criteria"):
        host.criteria("size")


def test_built_in_name_cannot_be_taken(site: Site) -> None:
    site.install("a-taker", CRITERIA.format("latency", "stolen"))
    host = PluginHost()
    assert host.criteria("latency").description != "stolen"
    assert "a-taker" in str(host.problems[0])
    assert "'latency' is built in" in str(host.problems[0])


def test_order_of_registration_changes_nothing(site: Site) -> None:
    for name in ("alpha", "beta"):
        runtime = RUNTIME.format(name)
        criteria = CRITERIA.format("size", name).removeprefix(HEAD)
        site.install(f"{name}-rt", f"{runtime}\n{criteria}")
    site.install("good-plugin", GOOD)
    results = set()
    for order in itertools.permutations(site.entry_points()):
        host = PluginHost(order)
        with pytest.raises(PluginError) as runtime_error:
            host.create_detector(needs("quantum"), RuntimeOptions())
        with pytest.raises(PluginError) as criteria_error:
            host.criteria("size")
        models = tuple(model.model_id for _, model in host.discover_models(()))
        listed = tuple(info.distribution for info in host.plugins)
        results.add((str(runtime_error.value), str(criteria_error.value), models, listed))
    assert len(results) == 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RAXE_PLUGINS_BLOCK", "Marked_Plugin"),
        ("RAXE_PLUGINS_BLOCK", "other, marked-plugin"),
        ("RAXE_PLUGINS", "good-plugin"),
        ("RAXE_PLUGINS", ""),
    ],
)
def test_blocked_plugin_is_not_imported(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    marker = tmp_path / "imported"
    site.install("marked-plugin", f"open({str(marker)!r}, 'w').close()\nRAXE_API = 1")
    site.install("good-plugin", GOOD)
    assert status(PluginHost(), "marked-plugin").status == "active"
    marker.unlink()
    sys.modules.pop("marked_plugin_hooks")
    monkeypatch.setenv(variable, value)
    host = PluginHost()
    info = status(host, "marked-plugin")
    assert info.status == "blocked"
    assert variable in str(info.reason)
    assert not marker.exists()
    assert (status(host, "good-plugin").status == "active") == (value != "")
    assert host.criteria("latency").name == "latency"


@pytest.mark.parametrize(("body", "said"), [("return None", "declined it"), ("return 7", "a int")])
def test_runtime_that_returns_no_detector_is_an_error(site: Site, body: str, said: str) -> None:
    site.install(
        "my-rt", f"{HEAD}RUNTIMES = ('my',)\n@hookimpl\ndef create_detector():\n    {body}"
    )
    with pytest.raises(PluginError, match=f"v1.0_x: runtime plugin my-rt .*{said}"):
        PluginHost(site.entry_points()).create_detector(needs("my"), RuntimeOptions())


@pytest.mark.parametrize(
    ("runtime", "hint"),
    [("onnx", "pip install raxe-onnx"), ("torch", "pip install raxe-torch"), ("my", "the model's")],
)
def test_missing_runtime_names_the_pip_line(runtime: str, hint: str) -> None:
    with pytest.raises(RuntimeUnavailableError, match=hint):
        PluginHost([]).create_detector(needs(runtime), RuntimeOptions())


def test_unknown_name_lists_the_known_and_the_nearest() -> None:
    with pytest.raises(RaxeError, match=r"'latencie'. Did you mean 'latency'\? Known: accuracy,"):
        PluginHost([]).criteria("latencie")


def test_criteria_of_a_plugin_can_be_used(site: Site) -> None:
    site.install("good-plugin", GOOD)
    criteria = PluginHost(site.entry_points()).criteria("good")
    assert isinstance(criteria, Criteria)
    assert criteria.description == "the best"
