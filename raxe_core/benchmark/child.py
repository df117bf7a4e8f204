"""Child: a fresh process with one model, and the questions it is asked."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from raxe_core import errors
from raxe_core.errors import ModelLoadError, RaxeError

__all__ = ["Child", "loaded_memory_mb"]

# Each library keeps to the threads that the benchmark states.
PINNED = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")


class Child:
    """A fresh process, ended by :meth:`close` or at the end of its context."""

    def __init__(self, threads: int = 1) -> None:
        pinned = dict.fromkeys(PINNED, str(threads))
        environment = {**os.environ, **pinned, "TOKENIZERS_PARALLELISM": "false"}
        environment["PYTHONPATH"] = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
        self._process = subprocess.Popen(  # our own interpreter and module
            [sys.executable, "-m", "raxe_core.benchmark.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def ask(self, do: str, **arguments: Any) -> Any:
        """Have the worker do something, and return its answer.

        Raises:
            RaxeError: what the worker raised, or that it ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = ""
        if not line:
            code = self._process.wait()
            raise ModelLoadError(
                f"The process that ran the model ended with code {code} while it was to {do!r}. "
                "It may lack memory; try the model alone with: raxe scan --model"
            )
        answer = json.loads(line)
        if "error" in answer:
            kind = getattr(errors, answer["kind"], RaxeError)
            raise kind(answer["error"])
        return answer["ok"]

    def close(self) -> None:
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # what a process that is gone was not sent
                    stream.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def loaded_memory_mb(model_id: str, config: Path | None, threads: int = 1) -> float | None:
    """Return the PSS, in MB (10^6 bytes), of a fresh process that judged one text.

    None where the system does not tell, or the model cannot be loaded by itself.
    """
    try:
        with Child(threads) as child:
            loaded = child.ask(
                "load", model_id=model_id, config=config and str(config), threads=threads
            )
    except RaxeError:
        return None
    pss = loaded["memory_kb"]["first"]["pss"]
    return None if pss is None else pss * 1024 / 1e6
