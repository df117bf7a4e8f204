"""The limited process: its answers, its limits, and how its end is told."""

from __future__ import annotations

import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from raxe_core import RaxeError, limited_process
from raxe_core.limited_process import run_limited

linux = pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux keeps them")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the body of a ``main(arguments, answer)`` in a limited process."""
    monkeypatch.syspath_prepend(tmp_path)

    def started(body: str, arguments: Any = None, seconds: int = 20) -> Any:
        code = "import os, sys\ndef main(arguments, answer):\n"
        (tmp_path / "limited.py").write_text(code + textwrap.indent(textwrap.dedent(body), "    "))
        return run_limited("limited", arguments or {}, seconds=seconds, memory=200 << 20)

    return started


def test_answers_come_in_order(run: Any) -> None:
    body = "answer({'a': arguments['n']})\nprint('noise')\nanswer({'b': '\\u00e9'})"
    assert run(body, {"n": 3}) == ([{"a": 3}, {"b": "\u00e9"}], "ended with exit code 0")


def test_a_thread_may_start_it(run: Any) -> None:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(run("answer({})")))
    thread.start()
    thread.join()
    assert found == [([{}], "ended with exit code 0")]


def test_environment_and_folder_are_bare(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("RAXE_PLUGINS", "raxe-onnx")
    ((answer,), _) = run(
        "answer({'env': dict(os.environ), 'cwd': os.getcwd(), 'files': os.listdir()})"
    )
    assert "AWS_SECRET_ACCESS_KEY" not in answer["env"]
    assert answer["env"]["RAXE_PLUGINS"] == "raxe-onnx"
    assert answer["env"]["HF_HUB_OFFLINE"] == "1"
    assert answer["files"] == []
    assert answer["env"]["HOME"] == answer["cwd"]
    assert not Path(answer["cwd"]).exists()


@pytest.mark.parametrize(
    ("body", "ended"),
    [
        ("os.abort()", "was ended by signal 6 (SIGABRT)"),
        ("os.kill(os.getpid(), 11)", "was ended by signal 11 (SIGSEGV)"),
        ("os._exit(3)", "ended with exit code 3"),
        ("raise SystemExit(4)", "ended with exit code 4"),
        ("1 / 0", "ended with exit code 1"),
    ],
)
def test_how_it_ended(run: Any, body: str, ended: str) -> None:
    assert run(f"answer({{'ok': 1}})\n{body}") == ([{"ok": 1}], ended)


@linux
def test_endless_loop_runs_out_of_cpu_time(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limited_process, "PATIENCE", 100)
    assert run("while True: pass", seconds=1) == ([], "did not finish within 1 s of CPU time")


def test_endless_sleep_is_ended_with_all_it_started(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limited_process, "PATIENCE", 1)
    body = """
        import subprocess, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        answer({"child": child.pid})
        time.sleep(60)
    """
    answers, ended = run(body, seconds=8)
    assert ended == "did not finish within 8 s"
    for _ in range(1_200):  # until the system has taken its leave of the process
        if not _is_running(answers[0]["child"]):
            break
        time.sleep(0.05)
    assert not _is_running(answers[0]["child"])


def _is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@linux
def test_memory_is_limited(run: Any) -> None:
    body = """
        try:
            bytearray(1 << 30)
        except MemoryError:
            answer({"refused": True})
    """
    assert run(body)[0] == [{"refused": True}]


@linux
def test_files_are_limited(run: Any) -> None:
    body = """
        try:
            with open("big", "wb", buffering=0) as file:
                for _ in range(100):
                    file.write(bytes(10_000))
        except OSError as error:
            answer({"fault": error.errno, "size": os.path.getsize("big")})
    """
    ((answer,), _) = run(body)
    assert answer["size"] == 64 << 10


def test_answers_are_limited_and_a_torn_one_is_none(run: Any) -> None:
    answers, _ = run("answer({'ok': 1})\nanswer({'long': 'x' * 100_000})")
    assert answers == [{"ok": 1}]


@linux
def test_it_cannot_gain_rights(run: Any) -> None:
    ((answer,), _) = run("answer({'status': open('/proc/self/status').read()})")
    assert "NoNewPrivs:\t1" in answer["status"]


def test_a_program_without_an_interpreter_says_so(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(RaxeError, match="raxe models validate"):
        run("pass")


def test_nothing_is_left_behind(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    run("open('x', 'w').write('y')\nos.abort()")
    assert not list(folder.iterdir())


def test_no_temporary_folder_is_an_error(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    with pytest.raises(RaxeError, match="no temporary folder can be made"):
        run("pass")
