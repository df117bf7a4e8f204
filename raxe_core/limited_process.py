"""Run one of our modules in a process that may do little: for code that reads files of strangers.

The child is a fresh interpreter (no fork: this process may have threads) that ignores the user's
Python settings, starts in an empty folder with a bare environment, and limits itself before it
imports anything else. Its answers go to a file of bounded size. It can still read what the user can
read, and use the network; it is no sandbox against code, and a bundle brings none.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from raxe_core.errors import RaxeError
from raxe_core.files import read_regular

__all__ = ["Answer", "enter", "run_limited"]

Answer = Callable[[Mapping[str, Any]], None]

MAX_ANSWER_BYTES = 64 << 10
MAX_OPEN_FILES = 256
# On a busy machine, a process waits far longer than it works.
PATIENCE = 8
_BOOT = """
import json, sys
request = json.load(sys.stdin)
sys.path[:] = request["path"]
from raxe_core.limited_process import enter
enter(request)
"""
_KEPT = (
    "CUDA_VISIBLE_DEVICES",
    "DYLD_LIBRARY_PATH",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PATH",
    "RAXE_PLUGINS",
    "RAXE_PLUGINS_BLOCK",
    "SYSTEMROOT",
)
_SET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    # The stacks and buffers of a thread for each core would count as memory.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
}
_NO_NEW_PRIVS = 38  # of Linux' prctl


def run_limited(
    module: str, arguments: Mapping[str, Any], *, seconds: int, memory: int
) -> tuple[list[dict[str, Any]], str]:
    """Run ``module.main(arguments, answer)`` in a child; return its answers, and how it ended.

    ``seconds`` limits CPU time, and eight times as many the wall time; ``memory`` limits the bytes
    that the child may write to. ``arguments`` and answers are JSON types.

    Raises:
        RaxeError: no process can be started, or no temporary folder can be written.
    """
    if not sys.executable or getattr(sys, "frozen", False):
        raise RaxeError(
            "This program cannot start a Python process to try the model in. Validate it once with "
            "the command line of the same installation: raxe models validate"
        )
    path = [os.path.abspath(folder) for folder in sys.path if folder]  # noqa: PTH100
    limits = {"seconds": seconds, "memory": memory}
    request = {"path": path, "module": module, "limits": limits, "arguments": arguments}
    try:
        with tempfile.TemporaryDirectory(prefix="raxe-") as folder:
            answers, work = Path(folder, "answers"), Path(folder, "work")
            work.mkdir()
            with answers.open("wb") as output:
                ended = _run(json.dumps(request).encode("utf-8"), output.fileno(), work, seconds)
            lines = read_regular(answers, MAX_ANSWER_BYTES).splitlines()
    except OSError as error:
        raise RaxeError(
            f"The model cannot be tried, because no process or no temporary folder can be made: "
            f"{error}."
        ) from None
    with contextlib.suppress(ValueError):  # the last line may be cut off
        return [json.loads(line) for line in lines], ended
    return [json.loads(line) for line in lines[:-1]], ended


def _run(request: bytes, output: int, folder: Path, seconds: int) -> str:
    home = dict.fromkeys(("HOME", "RAXE_HOME", "TEMP", "TMP", "TMPDIR"), str(folder))
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    process = subprocess.Popen(  # noqa: S603  # our own interpreter and code
        [sys.executable, "-I", "-B", "-c", _BOOT],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={**kept, **_SET, **home},
        start_new_session=True,
    )
    try:
        process.communicate(request, timeout=PATIENCE * seconds)
    except subprocess.TimeoutExpired:
        return f"did not finish within {PATIENCE * seconds} s"
    finally:
        _kill_group(process)
    return _how_it_ended(process.returncode, seconds)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End the child and whatever it started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _how_it_ended(code: int, seconds: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    if -code == getattr(signal, "SIGXCPU", None):
        return f"did not finish within {seconds} s of CPU time"
    with contextlib.suppress(ValueError):
        return f"was ended by signal {-code} ({signal.Signals(-code).name})"
    return f"was ended by signal {-code}"


def enter(request: Mapping[str, Any]) -> None:
    """Limit this process and run the requested module: what the child does."""
    _limit(**request["limits"])
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else prints is no answer

    def answer(content: Mapping[str, Any]) -> None:
        output.write(json.dumps(content) + "\n")
        output.flush()

    importlib.import_module(request["module"]).main(request["arguments"], answer)


def _limit(seconds: int, memory: int) -> None:
    try:
        import resource
    except ImportError:  # Windows: the parent's time limit is all there is
        return
    for name, value in (
        ("RLIMIT_CORE", 0),
        ("RLIMIT_CPU", seconds),
        # Not RLIMIT_AS: torch maps gigabytes of libraries that cost no memory.
        ("RLIMIT_DATA", memory),
        ("RLIMIT_FSIZE", MAX_ANSWER_BYTES),
        ("RLIMIT_NOFILE", MAX_OPEN_FILES),
    ):
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS does not know every limit
            resource.setrlimit(kind, (limit, limit + 1 if name == "RLIMIT_CPU" else limit))
    signal.alarm(PATIENCE * seconds + 5)  # should the parent be gone
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
