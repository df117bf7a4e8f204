"""A hook that fails is named with its reason, and its good neighbour works on."""

from __future__ import annotations

import pytest
from plugin_source import GOOD, HEAD, Site, impatient_with, needs, neighbour_works

from raxe_core import Criteria, RuntimeOptions, ScanEvent
from raxe_core.errors import PluginError, RaxeError, RuntimeUnavailableError
from raxe_core.plugins import PluginHost

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
    "no end": ("while True: time.sleep(1)", "did not return within 0.2 seconds"),
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


@pytest.mark.parametrize("case", FAIL_IN_CALL)
def test_hook_that_fails_is_noted_and_gives_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    if case == "no end":
        impatient_with(monkeypatch, "a-bad-plugin", 0.2)
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


def test_problems_of_a_long_life_are_bounded(site: Site) -> None:
    for name in ("a-bad-plugin", "b-bad-plugin"):
        site.install(
            name, f"{HEAD}@hookimpl\ndef on_scan(event): raise OSError(event.request_id)\n"
        )
    host = PluginHost(site.entry_points())
    for number in range(1_000):
        request = f"scan {number}"
        host.on_scan(ScanEvent("v1.0_x", None, True, 0.9, 1.5, None, request, "auto", None, {}))
    told = [str(problem) for problem in host.problems]
    for name in ("a-bad-plugin", "b-bad-plugin"):
        mine = [line for line in told if line.startswith(f"plugin {name} failed in on_scan: ")]
        assert mine[0].endswith("OSError: scan 0")
        assert len(mine) <= 10


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


def test_missing_runtime_names_the_plugins_that_are_not_active(site: Site) -> None:
    site.install("bad-rt", "raise OSError('no library')")
    with pytest.raises(RuntimeUnavailableError, match=r"not active: bad-rt; see: raxe plugins"):
        PluginHost(site.entry_points()).create_detector(needs("my"), RuntimeOptions())


def test_unknown_name_lists_the_known_and_the_nearest() -> None:
    with pytest.raises(RaxeError, match=r"'latencie'. Did you mean 'latency'\? Known: accuracy,"):
        PluginHost([]).criteria("latencie")


def test_criteria_of_a_plugin_can_be_used(site: Site) -> None:
    site.install("good-plugin", GOOD)
    criteria = PluginHost(site.entry_points()).criteria("good")
    assert isinstance(criteria, Criteria)
    assert criteria.description == "the best"
