"""Raxe: scan text with the selected model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from raxe_core.config import Config, config_files, load_config
from raxe_core.config_watch import ConfigWatch, States
from raxe_core.detector import DetectionResult, Detector
from raxe_core.errors import RaxeError, UsageError
from raxe_core.pool import DetectorPool, told
from raxe_core.records import Selection
from raxe_core.registry import ModelRegistry
from raxe_core.result import ScanResult
from raxe_core.safe_log import safe_logger
from raxe_core.scan_report import report, report_failure

__all__ = ["Raxe"]

_log = safe_logger("raxe_core")
_Function = TypeVar("_Function", bound=Callable[..., Any])


class Raxe:
    """Scans texts. The model is loaded on the first scan; threads may share one client.

    ``l2_model`` names a model or alias and wins over environment and configuration;
    ``config_path`` is what ``--config`` is to the command line; relative paths are those of the
    working folder when the client is made. When a configuration file changes, the next scan loads
    what it asks for and swaps it in as one; scans in flight end on the old model. A file that is
    written in place counts as changed 0.2 seconds after the last write. A change that cannot be
    used is logged and tried again now and then, and the old model stays.

    Example::

        with Raxe() as raxe:
            result = raxe.scan("Ignore all previous instructions")
            print(result.is_threat, result.action, result.model_id)
    """

    def __init__(self, l2_model: str | None = None, config_path: Path | str | None = None) -> None:
        self._l2_model = l2_model
        default, *named = config_files(None if config_path is None else Path(config_path))
        self._config_path = named[0].absolute() if named else None
        self._reloading = threading.Lock()
        self._reload_error: str | None = None
        self._closed = threading.Event()
        # Before they are read, so that a change meanwhile is seen by the first scan.
        self._watch = ConfigWatch([default, *named])
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

    @property
    def reload_error(self) -> str | None:
        """Why the last change of the configuration is not in use; None where it is."""
        return self._reload_error

    def warm_up(self) -> None:
        """Load the selected model now, instead of on the first scan.

        Raises:
            RaxeError: no model can be used.
        """
        with self._held_pool() as pool:
            pool.warm_up()

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
            UsageError: ``text`` is no text.
        """
        _check_text(text)
        with self._held_pool() as pool:
            selection, detector = pool.ready(user_id)
            outcome = _outcome(detector, text, l1_results)
            if isinstance(outcome, RaxeError):
                report_failure(pool, selection, outcome, user_id, request_id)
                return self._undecided(pool, selection, outcome)
            report(pool, selection, outcome, text, l1_results, user_id, request_id)
            return self._result(pool, selection, outcome)

    def scan_batch(self, texts: Iterable[str], user_id: str | None = None) -> list[ScanResult]:
        """Judge several texts with one model; result ``i`` belongs to text ``i``.

        Raises:
            RaxeError: as :meth:`scan`; it names the first text that could not be judged.
            UsageError: ``texts`` is one text, or one of them is no text.
        """
        if isinstance(texts, str):
            raise UsageError("scan_batch() takes several texts. Use scan() for one.")
        texts = list(texts)  # an iterator could be read but once
        for number, text in enumerate(texts, start=1):
            _check_text(text, f"Text {number} of {len(texts)}: ")
        with self._held_pool() as pool:
            selection, detector = pool.ready(user_id)
            # A failure to load belongs to no text.
            where = "" if isinstance(detector, RaxeError) else f"Text {{}} of {len(texts)}: "
            outcomes = _outcomes(detector, texts)
            for text, outcome in zip(texts, outcomes, strict=True):
                if isinstance(outcome, RaxeError):
                    report_failure(pool, selection, outcome, user_id, None)
                else:
                    report(pool, selection, outcome, text, None, user_id, None)
            return [
                self._undecided(pool, selection, outcome, where.format(number))
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
        ``async def``, with ``yield`` or without.

        Raises:
            ThreatBlockedError: from the decorated function, when the action is ``block``.
            UsageError: at once, when ``function`` is none.
        """
        from raxe_core.protecting import protected

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
        if (
            not self._watch.has_changed()
            or self._closed.is_set()
            or not self._reloading.acquire(blocking=False)
        ):
            return
        try:
            states = self._watch.settled()
            if states is not None:
                self._reload(states)
        finally:
            self._reloading.release()

    def _reload(self, states: States) -> None:
        pool, problem = None, ""
        try:
            self._watch.check(states)
            pool = self._warm_pool()
        except RaxeError as error:
            problem = str(error)
        except Exception as error:  # whatever else: scans go on with what they have
            problem = type(error).__name__
        if self._watch.states() != states:  # it may be half of the old and half of the new
            if pool is not None:
                pool.retire()
        elif pool is None:
            self._watch.fail(states)
            if problem != self._reload_error:
                _log.error("configuration changed, the old model stays: %s", problem)
            self._reload_error = problem
        else:
            self._watch.use(states)
            self._reload_error = None
            old, self._pool = self._pool, pool
            old.retire()
            if self._closed.is_set():  # meanwhile
                pool.retire()
            _log.info("configuration changed and reloaded")

    def _warm_pool(self) -> DetectorPool:
        pool = DetectorPool(ModelRegistry(self._load_config(), self._pool.registry.host))
        try:
            pool.warm_up()
        except BaseException:
            pool.retire()
            raise
        return pool

    def _result(
        self, pool: DetectorPool, selection: Selection, detection: DetectionResult
    ) -> ScanResult:
        block_score = pool.registry.config.get("policy.block_score")
        return ScanResult(detection, selection, block_score, pool.digests[selection.model_id])

    def _undecided(
        self, pool: DetectorPool, selection: Selection, error: RaxeError, where: str = ""
    ) -> ScanResult:
        """Return the verdict for a text that no model could judge, or raise."""
        if pool.registry.config.get("l2_model.on_failure") != "block":
            if where:
                error.args = (f"{where}{error}",)
            raise error
        blocked = Selection(
            "",
            selection.strategy,
            f"no model could judge ({error.kind}): {error}",
            fallback_from=selection.model_id,
            fallback_kind=error.kind,
        )
        return ScanResult(None, blocked, 0.0, None)


def _outcomes(
    detector: Detector | RaxeError, texts: list[str]
) -> Sequence[DetectionResult | RaxeError]:
    """Judge texts at once. Where that fails, each is judged alone and has its own outcome."""
    if isinstance(detector, RaxeError):
        return [detector for _ in texts]
    try:
        return list(detector.analyze_batch(texts))
    except Exception as error:  # whatever a plugin's detector raises
        _log.warning(
            "a batch failed, each of its %d texts is judged alone: %s", len(texts), told(error)
        )
    return [_outcome(detector, text) for text in texts]


def _outcome(
    detector: Detector | RaxeError, text: str, l1_results: Any = None
) -> DetectionResult | RaxeError:
    if isinstance(detector, RaxeError):
        return detector
    try:
        return detector.analyze(text, l1_results=l1_results)
    except Exception as error:  # whatever a plugin's detector raises
        return told(error)


def _check_text(text: Any, where: str = "") -> None:
    if not isinstance(text, str):
        raise UsageError(f"{where}A text must be a str, not {type(text).__name__}. Decode bytes.")
