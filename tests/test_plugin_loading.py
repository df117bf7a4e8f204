"""A plugin that cannot be loaded is named with its reason, and its good neighbour works on."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from plugin_source import GOOD, HEAD, Site, neighbour_works, status

from raxe_core.errors import RaxeError
from raxe_core.plugins import PluginHost

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
