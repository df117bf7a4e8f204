"""No text from a file or a plugin gets into a log record as it is."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from hostile.terminal import raw_controls
from plugin_source import Site

from raxe_core import Raxe, atomic_write, safe_logger

HOSTILE = "\x1b[31mred\u202egnp\x07\r\nCRITICAL raxe_core scan threat=False"
SHOWN = r"\x1b[31mred\u202egnp\x07"

FAILING_SHADOW = f"""
from raxe_core import Model, ModelLoadError, Selection, Strategy, hookimpl

RAXE_API = 1
RUNTIMES = ("hostile",)

@hookimpl
def discover_models():
    fields = {{"model_id": "v1.0_hostile", "name": "x", "version": "1.0", "variant": "hostile"}}
    yield Model({{**fields, "requirements": {{"runtime": "hostile"}}}}, "hostile")

@hookimpl
def create_detector(model):
    raise ModelLoadError({HOSTILE!r})

@hookimpl
def selection_strategies():
    def choose(request):
        return Selection("v9.0_tiny", "both", "always", shadow_model_ids=("v1.0_hostile",))
    yield Strategy("both", "two models", choose)
"""


class Mute:
    def __str__(self) -> str:
        raise ValueError


def check_safe(caplog: pytest.LogCaptureFixture) -> None:
    """Check what handlers got: the text that they format, and what others send as it is."""
    assert SHOWN in caplog.text
    assert raw_controls(caplog.text) == []
    for record in caplog.records:
        assert "\n" not in record.getMessage()
        assert not record.args
        assert record.exc_info is None
    assert not any(line.startswith("CRITICAL") for line in caplog.text.split("\n"))


def test_hostile_model_name_in_the_configuration(
    dropped_in: Path, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Raxe() as client:
        client.scan("hello")
        quoted = HOSTILE.encode("unicode_escape").decode()
        asked_for = f'{{selection: explicit, model_id: "{quoted}"}}'
        atomic_write(home / "config.yaml", f"l2_model: {asked_for}\n".encode())
        os.utime(home / "config.yaml", (0, 0))
        assert client.scan("hello").model_id == "v9.0_tiny"
    assert "configuration changed, the old model stays: " in caplog.text
    check_safe(caplog)


def test_hostile_reason_of_a_plugin(
    dropped_in: Path, home: Path, site: Site, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    site.install("hostile-plugin", FAILING_SHADOW)
    monkeypatch.setenv("RAXE_PLUGINS", "raxe-onnx,hostile-plugin")
    (home / "config.yaml").write_text("l2_model: {selection: both}\n")
    caplog.set_level(logging.INFO)
    with Raxe() as client:
        assert client.scan("hello").action == "allow"
    assert "shadow model=v1.0_hostile failed (failed load): " in caplog.text
    check_safe(caplog)


def test_message_arguments_and_traceback_are_made_safe(caplog: pytest.LogCaptureFixture) -> None:
    logger = safe_logger("raxe_core.tests")
    assert safe_logger("raxe_core.tests") is logger
    logger.warning(HOSTILE)
    logger.warning("%s of %d, %.1f", HOSTILE, 3, 0.25)
    logger.warning("%(model)s", {"model": HOSTILE})
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logger.exception("failed")
    check_safe(caplog)
    assert "of 3, 0.2" in caplog.text
    assert f"\n  ValueError: {SHOWN}" in caplog.text


def test_an_argument_that_cannot_speak_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    safe_logger("raxe_core.tests").warning("model=%s failed", Mute())
    assert caplog.messages == ["model=%s failed (ValueError in an argument)"]


def test_other_loggers_are_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("of.the.host").warning("a %s\n", "b")  # noqa: TID251
    (record,) = caplog.records
    assert (record.msg, record.args) == ("a %s\n", ("b",))
