"""Raxe: scan text with the selected model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from raxe_core.config import Config, config_files, load_config
from raxe_core.detector import DetectionResult, Detector
from raxe_core.errors import RaxeError, UsageError
from raxe_core.pool import DetectorPool
from raxe_core.records import Selection
from raxe_core.registry import ModelRegistry
from raxe_core.result import ScanResult
from raxe_core.safe_log import safe_logger
from raxe_core.scan_report import report, report_failure
from raxe_core.selection import NO_STRATEGY

__all__ = ["Raxe"]

_log = safe_logger("raxe_core")
_Function = TypeVar("_Function", bound=Callable[..., Any])


class Raxe:
    """Scans texts. The model is loaded on the first scan; threads may share one client.

    ``l2_model`` names a model or alias and wins over environment and configuration;
    ``config_path`` is what ``--config`` is to the command line. When a configuration file changes,
    the next scan loads what it asks for and swaps it in as one; scans in flight end on the old
    model. A change that cannot be used is logged, and the old model stays.

    Example::

        with Raxe() as raxe:
            result = raxe.scan("Ignore all previous instructions")
            print(result.is_threat, result.action, result.model_id)
    """

    def __init__(self, l2_model: str | None = None, config_path: Path | None = None) -> None:
        self._l2_model = l2_model
        self._config_path = config_path
        self._reloading = threading.Lock()
        self._closed = threading.Event()
        # Before they are read, so that a change meanwhile is seen by the first scan.
        self._states = _file_states(config_files(config_path))
        self._pool = DetectorPool(ModelRegistry(self._load_config()))

    def __enter__(self) -> Raxe:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def registry(self) -> ModelRegistry:
        """The registry that the client selects from now."""
        return self._pool.registry

    def warm_up(self) -> None:
        """Load the selected model now, instead of on the first scan.

        Raises:
            RaxeError: no model can be used.
        """
        with self._held_pool() as pool:
            pool.ready(None)

    def scan(
        self,
        text: str,
        l1_results: Any = None,
        user_id: str | None = None,
        request_id: str | None = None,
    ) -> ScanResult:
        """Judge one text.

        ``l1_results`` is handed to the model; ``user_id`` and ``request_id`` go to the selection
        strategy and to ``on_scan``.

        Raises:
            RaxeError: no model could be used, and ``l2_model.on_failure`` is not ``block``.
        """
        with self._held_pool() as pool:
            selection = None
            try:
                selection, detector = pool.ready(user_id)
                detection = detector.analyze(text, l1_results=l1_results)
            except Exception as error:  # whatever a plugin's detector raises
                told = _told(error)
                report_failure(pool, selection, told, user_id, request_id)
                return self._undecided(pool, told)
            report(pool, selection, detection, text, l1_results, user_id, request_id)
            return self._result(pool, selection, detection)

    def scan_batch(self, texts: Iterable[str], user_id: str | None = None) -> list[ScanResult]:
        """Judge several texts with one model; result ``i`` belongs to text ``i``.

        Raises:
            RaxeError: as :meth:`scan`; it names the first text that could not be judged.
            UsageError: ``texts`` is one text.
        """
        if isinstance(texts, str):
            raise UsageError("scan_batch() takes several texts. Use scan() for one.")
        texts = list(texts)  # an iterator could be read but once
        with self._held_pool() as pool:
            try:
                selection, detector = pool.ready(user_id)
            except Exception as error:  # whatever a plugin's strategy raises
                told = _told(error)
                return [self._undecided(pool, told) for _ in texts]
            outcomes = _outcomes(detector, texts)
            for text, outcome in zip(texts, outcomes, strict=True):
                if isinstance(outcome, RaxeError):
                    report_failure(pool, selection, outcome, user_id, None)
                else:
                    report(pool, selection, outcome, text, None, user_id, None)
            return [
                self._undecided(pool, outcome, f"Text {number} of {len(texts)}: ")
                if isinstance(outcome, RaxeError)
                else self._result(pool, selection, outcome)
                for number, outcome in enumerate(outcomes, start=1)
            ]

    async def scan_async(
        self,
        text: str,
        l1_results: Any = None,
        user_id: str | None = None,
        request_id: str | None = None,
    ) -> ScanResult:
        """Judge one text in a worker thread, so that the event loop goes on; as :meth:`scan`."""
        import asyncio  # not at the top: it would slow the first scan of a process

        return await asyncio.to_thread(self.scan, text, l1_results, user_id, request_id)

    def protect(self, function: _Function) -> _Function:
        """Decorate a function: its text arguments are scanned first, and a block stops the call.

        Every positional and keyword argument that is a string is scanned. Works for ``def`` and
        ``async def``.

        Raises:
            ThreatBlockedError: from the decorated function, when the action is ``block``.
        """
        from raxe_core.protect import protected

        return protected(self, function)

    def close(self) -> None:
        """Free the loaded models, after the scans in flight."""
        self._closed.set()
        self._pool.retire()

    @contextmanager
    def _held_pool(self) -> Iterator[DetectorPool]:
        """Hold the current pool for one scan, after a reload if the configuration changed."""
        self._reload_if_changed()
        pool = self._pool
        while not pool.enter():
            if pool is self._pool:
                raise RaxeError("This client is closed. Create a new one.")
            pool = self._pool  # swapped in between
        try:
            yield pool
        finally:
            pool.leave()

    def _load_config(self) -> Config:
        config = load_config(self._config_path)
        if self._l2_model is not None:
            return config.for_model(self._l2_model, "the argument l2_model")
        return config

    def _reload_if_changed(self) -> None:
        """Swap in a pool for a changed configuration; other threads scan on meanwhile."""
        states = _file_states(self._pool.registry.config.files)
        if (
            self._closed.is_set()
            or states == self._states
            or not self._reloading.acquire(blocking=False)
        ):
            return
        try:
            self._states = states
            pool = DetectorPool(ModelRegistry(self._load_config(), self._pool.registry.host))
            pool.ready(None)
        except RaxeError as error:
            _log.error("configuration changed, the old model stays: %s", error)
        except Exception as error:  # whatever else: scans go on with what they have
            _log.error("configuration changed, the old model stays: %s", type(error).__name__)
        else:
            old, self._pool = self._pool, pool
            old.retire()
            if self._closed.is_set():  # meanwhile
                pool.retire()
            _log.info("configuration changed and reloaded")
        finally:
            self._reloading.release()

    def _result(
        self, pool: DetectorPool, selection: Selection, detection: DetectionResult
    ) -> ScanResult:
        block_score = pool.registry.config.get("policy.block_score")
        return ScanResult(detection, selection, block_score, pool.digest)

    def _undecided(self, pool: DetectorPool, error: RaxeError, where: str = "") -> ScanResult:
        """Return the verdict for a text that no model could judge, or raise."""
        if pool.registry.config.get("l2_model.on_failure") != "block":
            if where:
                error.args = (f"{where}{error}",)
            raise error
        _log.error("no model could judge, the text is blocked (%s): %s", error.kind, error)
        selection = Selection("", NO_STRATEGY, f"no model could judge ({error.kind}): {error}")
        return ScanResult(None, selection, 0.0, pool.digest)


def _outcomes(detector: Detector, texts: list[str]) -> list[DetectionResult | RaxeError]:
    """Judge texts at once. Where that fails, each is judged alone and has its own outcome."""
    try:
        return list(detector.analyze_batch(texts))
    except Exception as error:  # whatever a plugin's detector raises
        _log.warning(
            "a batch failed, each of its %d texts is judged alone: %s", len(texts), _told(error)
        )
    return [_outcome(detector, text) for text in texts]


def _outcome(detector: Detector, text: str) -> DetectionResult | RaxeError:
    try:
        return detector.analyze(text)
    except Exception as error:
        return _told(error)


def _told(error: Exception) -> RaxeError:
    """Return what may be told of an error: only the type where the message may hold the text."""
    if isinstance(error, RaxeError):
        return error
    return RaxeError(f"The detector failed with {type(error).__name__}.")


def _file_states(files: Iterable[Path]) -> list[tuple[int, int, int] | None]:
    """Return what tells the configuration files' states apart."""
    states: list[tuple[int, int, int] | None] = []
    for path in files:
        try:
            status = path.stat()
            states.append((status.st_mtime_ns, status.st_size, status.st_ino))
        except OSError:
            states.append(None)
    return states
