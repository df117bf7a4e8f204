"""Two plugins that claim the same thing are an error that names both, in whatever order."""

from __future__ import annotations

import itertools

import pytest
from plugin_source import GOOD, HEAD, Site, needs, neighbour_works

from raxe_core import RuntimeOptions
from raxe_core.errors import ModelLoadError, PluginError
from raxe_core.plugins import PluginHost

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


def test_check_tells_each_plugin_of_its_clash(site: Site) -> None:
    for name in ("alpha", "beta"):
        criteria = CRITERIA.format("size", name).removeprefix(HEAD)
        site.install(f"{name}-rt", RUNTIME.format(name) + criteria)
    taking = "@hookimpl\ndef commands(): return [Command('scan', '', 'x:y')]\n"
    site.install("c-taker", CRITERIA.format("latency", "stolen") + taking)
    site.install("good-plugin", GOOD)
    found = {info.distribution: info for info in PluginHost().check(["scan"])}
    assert found["good-plugin"].status == "active"
    assert found["c-taker"].reason == (
        "failed in score_criteria: the name 'latency' is built in; "
        "failed in commands: the name 'scan' is built in"
    )
    assert found["alpha-rt"].reason == found["beta-rt"].reason
    assert found["beta-rt"].reason == (
        "failed in score_criteria: alpha-rt and beta-rt both claim the name 'size'; "
        "failed in create_detector: alpha-rt and beta-rt both claim the runtime 'quantum'"
    )


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
