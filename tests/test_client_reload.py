"""A changed configuration is used when it is whole, and tried again when it could not be used."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
from plugin_source import Site
from tiny_model import write_bundle

from raxe_core import Config, ConfigError, Raxe, config_watch, load_config

PROBE = """
import threading
from raxe_core import DetectionResult, Model, Selection, Strategy, hookimpl

RAXE_API = 1
RUNTIMES = ("probe",)
GO_ON, CLOSED, LOADED, ASKED = threading.Event(), threading.Event(), [], []

class Probe:
    def __init__(self, model_id):
        self.model_id = model_id
        LOADED.append(model_id)

    def analyze(self, text, l1_results=None):
        return DetectionResult(self.model_id, False, (), {"threat": 0.0}, 0.5, 0.0)

    def analyze_batch(self, texts):
        return [self.analyze(text) for text in texts]

    def close(self):
        LOADED.remove(self.model_id)
        if self.model_id == "v1.0_slow":
            CLOSED.set()

@hookimpl
def discover_models():
    for variant in ("old", "new", "slow"):
        fields = {"model_id": f"v1.0_{variant}", "name": variant, "version": "1.0"}
        yield Model({**fields, "variant": variant, "requirements": {"runtime": "probe"}}, "probe")

@hookimpl
def create_detector(model):
    if model.model_id == "v1.0_slow":
        assert GO_ON.wait(60)
    return Probe(model.model_id)

@hookimpl
def selection_strategies():
    def choose(request):
        ASKED.append((request.user_id, request.for_scan))
        return Selection(request.settings["model_id"], "asked", "as it is set")
    yield Strategy("asked", "notes who asks", choose)
"""
OLD, NEW = "v1.0_old", "v1.0_new"


def naming(model_id: str, more: str = "") -> str:
    """A configuration that names this model."""
    return (
        f"l2_model: {{selection: explicit, model_id: {model_id}{more}}}\n"
        "policy: {block_score: 0.7}\n"
    )


@attrs.define
class Clock:
    """Stands in for ``time``: it goes on when the test says so."""

    now: float = 1_000_000.0

    def time(self) -> float:
        """The time of day."""
        return self.now

    def monotonic(self) -> float:
        """The time since some moment."""
        return self.now


@attrs.define
class File:
    """The configuration file, whose modification times are those of the clock."""

    path: Path
    clock: Clock

    def rewrite(self, text: str) -> None:
        """Write the file in place, as an editor may do."""
        self.path.write_text(text)
        os.utime(self.path, (self.clock.now, self.clock.now))

    def replace(self, text: str) -> None:
        """Put another file in its place, whole."""
        new = File(self.path.with_suffix(".new"), self.clock)
        new.rewrite(text)
        new.path.replace(self.path)

    def remove(self) -> None:
        """Remove the file."""
        self.path.unlink()
        os.utime(self.path.parent, (self.clock.now, self.clock.now))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that reloads go by."""
    clock = Clock()
    monkeypatch.setattr(config_watch, "time", clock)
    return clock


@pytest.fixture
def file(home: Path, clock: Clock) -> File:
    """A config.yaml that names the old model."""
    file = File(home / "config.yaml", clock)
    file.rewrite(naming(OLD))
    clock.now += 10
    return file


@pytest.fixture
def probe(file: File, site: Site, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of a plugin whose models tell what happens to them."""
    module = site.install("under-test", PROBE)
    monkeypatch.setenv("RAXE_PLUGINS", "under-test,raxe-onnx")
    Raxe().close()  # imports the plugin
    return sys.modules[module]


def test_file_that_is_being_written_is_not_read(file: File, probe: Any) -> None:
    with Raxe() as client:
        client.warm_up()
        for text in ("", naming(NEW)[:40], naming(NEW)):
            file.rewrite(text)
            assert client.scan("hello").model_id == OLD
            assert client.registry.config.get("policy.block_score") == 0.7
        file.clock.now += 0.3
        assert client.scan("hello").model_id == NEW


def test_file_that_is_new_is_not_read_while_it_is_being_written(file: File, probe: Any) -> None:
    file.path.unlink()
    with Raxe(l2_model=OLD) as client:
        client.warm_up()
        for text in ("policy:\n", "policy:\n  block_score: 0", "policy:\n  block_score: 0.3\n"):
            before = client.registry
            file.rewrite(text)
            client.scan("hello")
            assert client.registry is before
        file.clock.now += 0.3
        client.scan("hello")
        assert client.registry.config.get("policy.block_score") == 0.3


def test_other_file_that_was_written_just_now_delays_nothing(
    file: File, probe: Any, tmp_path: Path
) -> None:
    named = File(tmp_path / "named.yaml", file.clock)
    named.rewrite(naming(OLD))
    file.rewrite("policy: {block_score: 0.3}")
    with Raxe(config_path=named.path) as client:
        client.warm_up()
        named.replace(naming(NEW))
        assert client.scan("hello").model_id == NEW


def test_file_that_is_gone_for_a_moment_stays_in_use(file: File, probe: Any) -> None:
    with Raxe(l2_model=OLD) as client:
        client.warm_up()
        file.remove()
        client.scan("hello")
        assert client.registry.config.get("policy.block_score") == 0.7
        file.clock.now += 0.3
        client.scan("hello")
        assert client.registry.config.get("policy.block_score") != 0.7


def test_emptied_file_is_not_used_and_told_once(
    file: File, probe: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with Raxe() as client:
        client.warm_up()
        file.rewrite("")
        for _ in range(4):
            file.clock.now += 70
            assert client.scan("hello").model_id == OLD
        (logged,) = caplog.messages
        assert f"the old model stays: {file.path}: is empty now." in logged
        assert client.reload_error is not None
        assert client.reload_error in logged
        file.rewrite(naming(NEW))
        file.clock.now += 0.3
        assert client.scan("hello").model_id == NEW
        assert client.reload_error is None


def test_empty_file_is_fine_where_it_was_so(file: File, probe: Any) -> None:
    file.rewrite("")
    with Raxe(l2_model=OLD) as client:
        assert client.scan("hello").model_id == OLD


@pytest.mark.parametrize("first", [NEW, "v9.7_gone"])
def test_change_during_a_reload_is_looked_at_before_anything_is_used(
    file: File,
    probe: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    first: str,
) -> None:
    def load_and_be_overtaken(path: Path | None) -> Config:
        config = load_config(path)
        file.replace(naming(OLD) + "# as it was\n")
        return config

    with Raxe() as client:
        client.warm_up()
        before = client.registry
        file.replace(naming(first))
        with monkeypatch.context() as patch:
            patch.setattr("raxe_core.client.load_config", load_and_be_overtaken)
            assert client.scan("hello").model_id == OLD
        assert client.registry is before
        assert probe.LOADED == [OLD]
        assert caplog.messages == []
        file.clock.now += 0.3
        assert client.scan("hello").model_id == OLD
        assert client.registry is not before


def test_model_that_arrives_after_the_configuration_is_found(
    file: File, home: Path, probe: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with Raxe() as client:
        client.warm_up()
        file.replace(naming("v9.0_tiny"))
        assert client.scan("hello").model_id == OLD
        write_bundle(home / "models", "v9.0_tiny")
        assert client.scan("hello").model_id == OLD
        assert len(caplog.messages) == 1
        file.clock.now += 1.1
        assert client.scan("hello").model_id == "v9.0_tiny"
        assert len(caplog.messages) == 1


def test_failed_reload_is_tried_again_after_growing_pauses(
    file: File, probe: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries, started = [], file.clock.now

    def load(path: Path | None) -> Config:
        tries.append(file.clock.now - started)
        return load_config(path)

    with Raxe() as client:
        client.warm_up()
        monkeypatch.setattr("raxe_core.client.load_config", load)
        file.replace("l2_model: [")
        for _ in range(200):
            client.scan("hello")
            file.clock.now += 1
        assert tries == [0, 1, 3, 7, 15, 31, 63, 123, 183]
        assert len(caplog.messages) == 1
        file.replace("policies: {}")
        client.scan("hello")
        assert len(caplog.messages) == 2


def test_model_of_a_failed_reload_is_closed(file: File, probe: Any) -> None:
    with Raxe() as client:
        client.warm_up()
        file.replace(naming("v1.0_slow", ", load_timeout_s: 0.01"))
        assert client.scan("hello").model_id == OLD
        assert "loading takes longer" in str(client.reload_error)
        probe.GO_ON.set()
        assert probe.CLOSED.wait(60)
        assert client.scan("hello").model_id == OLD


def test_only_scans_count_as_requests(file: File, probe: Any) -> None:
    file.rewrite(f"l2_model: {{selection: asked, model_id: {OLD}}}\n")
    with Raxe() as client:
        client.warm_up()
        file.replace(f"l2_model: {{selection: asked, model_id: {NEW}}}\n")
        assert client.scan("hello", user_id="ann").model_id == NEW
    assert probe.ASKED == [(None, False), (None, False), ("ann", True)]


@pytest.mark.parametrize("named_by", ["argument", "RAXE_CONFIG", "RAXE_HOME"])
def test_relative_path_is_that_of_the_folder_where_the_client_was_made(
    file: File, probe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named_by: str
) -> None:
    monkeypatch.chdir(tmp_path)
    relative = file.path.relative_to(tmp_path)
    if named_by == "RAXE_CONFIG":
        monkeypatch.setenv("RAXE_CONFIG", str(relative))
    elif named_by == "RAXE_HOME":
        monkeypatch.setenv("RAXE_HOME", str(relative.parent))
    with Raxe(config_path=relative if named_by == "argument" else None) as client:
        client.warm_up()
        other = tmp_path / "elsewhere"
        (other / relative.parent).mkdir(parents=True)
        (other / relative).write_text(naming(NEW))
        monkeypatch.chdir(other)
        assert client.scan("hello").model_id == OLD
        file.replace(naming(NEW))
        result = client.scan("hello")
    assert result.model_id == NEW
    assert str(file.path) in result.selection.reason


def test_configuration_that_is_not_there_is_told_when_the_client_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: there is no such configuration file"):
        Raxe(config_path=str(tmp_path / "none.yaml"))
