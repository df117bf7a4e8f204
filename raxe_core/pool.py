"""DetectorPool: the loaded detectors of one configuration, closed when the last scan has left."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import NamedTuple

from raxe_core.archive import MAX_BYTES
from raxe_core.detector import Detector
from raxe_core.errors import LoadTimeoutError, ModelLoadError, RaxeError
from raxe_core.files import file_digest
from raxe_core.index import FileState, file_state
from raxe_core.model import Model
from raxe_core.records import Selection
from raxe_core.registry import ModelRegistry
from raxe_core.safe_log import safe_logger, warn_visibly
from raxe_core.selection import NO_STRATEGY, active_strategy, fall_back

__all__ = ["DetectorPool", "Ready", "give_back_memory", "told"]

_log = safe_logger("raxe_core")
_NOT_SELECTED = Selection("", NO_STRATEGY, "no model could be selected")


class Ready(NamedTuple):
    """A selection, and its model loaded, or why neither it nor a fallback can be used."""

    selection: Selection
    detector: Detector | RaxeError


class _Loading(NamedTuple):
    """The load of one model, and when nobody waits for it any more."""

    future: Future[Detector]
    deadline: float


class DetectorPool:
    """Selects and loads models for one registry, each model once.

    A scan holds the pool with :meth:`enter` and :meth:`leave`; after :meth:`retire` it closes its
    detectors when the last scan has left.
    """

    def __init__(self, registry: ModelRegistry) -> None:
        self.registry = registry
        self._lock = threading.Lock()
        self._loading: dict[str, _Loading] = {}
        #: The SHA-256 of the bundle that each loaded model came from; None where there is no
        #: bundle, and where the file was replaced while it was loaded.
        self.digests: dict[str, str | None] = {}
        self._choice: Ready | None = None
        self._fallbacks_told: set[tuple[str | None, str | None]] = set()
        #: The plugins whose fault in ``on_scan`` is logged already.
        self.failed_watchers: set[str] = set()
        self._users = 0
        self._retired = False

    def enter(self) -> bool:
        """Hold the pool for one scan; False when it is retired and another must be used."""
        with self._lock:
            if self._retired:
                return False
            self._users += 1
            return True

    def leave(self) -> None:
        """Let the pool go after a scan."""
        with self._lock:
            self._users -= 1
            close = self._retired and self._users == 0
        if close:
            self._close()

    def retire(self) -> None:
        """Take no more scans, and close the detectors when the last one has left."""
        with self._lock:
            already, self._retired = self._retired, True
            close = self._users == 0 and not already
        if close:
            self._close()

    def warm_up(self) -> None:
        """Load the model that would be selected; no experiment counts it.

        Raises:
            RaxeError: no model can be used.
        """
        detector = self.ready(None, for_scan=False).detector
        if isinstance(detector, RaxeError):
            raise detector

    def ready(self, user_id: str | None, for_scan: bool = True) -> Ready:
        """Return the selected model, loaded, or the fallback."""
        choice = self._choice
        if choice is not None:
            return choice
        selection = None
        try:
            selection = self.registry.select(user_id, for_scan=for_scan)
            ready = Ready(selection, self.detector(selection.model_id))
        except Exception as error:  # whatever a plugin's strategy raises
            ready = self._fallen_back(selection, told(error))
            # A model that only takes long is used as soon as it is loaded.
            if isinstance(ready.detector, RaxeError) or isinstance(error, LoadTimeoutError):
                return ready
        if self._chooses_once():
            self._choice = ready
        return ready

    def _fallen_back(self, failed: Selection | None, error: RaxeError) -> Ready:
        try:
            selection = fall_back(self.registry.config, failed, error)
        except RaxeError:
            return Ready(failed or _NOT_SELECTED, error)
        try:
            detector = self.detector(selection.model_id)
        except RaxeError as second:
            told_both = f"{error} The fallback {selection.model_id} cannot be used either: {second}"
            # Without __init__, which a plugin's error may have for other arguments.
            both = type(error).__new__(type(error), told_both)
            return Ready(selection, both)
        fault = selection.fallback_from, selection.fallback_kind
        if fault not in self._fallbacks_told:
            self._fallbacks_told.add(fault)
            warn_visibly(_log, selection.reason)
        return Ready(selection, detector)

    def _chooses_once(self) -> bool:
        try:
            return active_strategy(self.registry.config, self.registry.host).once
        except RaxeError:  # the fallback is used meanwhile
            return False

    def detector(self, model_id: str) -> Detector:
        """Return the model's detector; the first caller loads it, others wait for that.

        Raises:
            LoadTimeoutError: it took longer than ``l2_model.load_timeout_s``.
            RaxeError: it could not be loaded; the next call tries again.
        """
        with self._lock:
            loading = self._loading.get(model_id)
            if loading is None:
                deadline = time.monotonic() + self._load_limit
                loading = self._loading[model_id] = _Loading(Future(), deadline)
                loader = threading.Thread(target=self._load, args=(model_id, loading), daemon=True)
                loader.start()
        try:
            return loading.future.result(max(0.0, loading.deadline - time.monotonic()))
        except RaxeError:
            with self._lock:
                if self._loading.get(model_id) is loading:  # and not the next try
                    del self._loading[model_id]
            raise
        except FutureTimeoutError:  # the built-in TimeoutError only since Python 3.11
            raise LoadTimeoutError(
                f"Model {model_id}: loading takes longer than {self._load_limit:g} s. "
                "Raise l2_model.load_timeout_s, or choose another model."
            ) from None

    @property
    def _load_limit(self) -> float:
        limit: float = self.registry.config.get("l2_model.load_timeout_s")
        return limit

    def _load(self, model_id: str, loading: _Loading) -> None:
        future = loading.future
        try:
            model = self.registry.get_model(model_id)
            state = None if model.bundle_path is None else file_state(model.bundle_path)
            detector = self.registry.create_detector(model_id)
            self.digests[model_id] = _digest_of(model, state)
        except RaxeError as error:  # handed to whoever waits
            future.set_exception(error)
        except BaseException as error:  # so that it is tried again, and fallen back from
            failed = ModelLoadError(f"Model {model_id}: failed to load: {type(error).__name__}.")
            failed.__cause__ = error
            future.set_exception(failed)
        else:
            if time.monotonic() > loading.deadline:
                _log.warning("model %s is loaded now, after the time-out", model_id)
            future.set_result(detector)
        give_back_memory()  # the scan that waited goes on meanwhile

    def _close(self) -> None:
        for loading in list(self._loading.values()):
            loading.future.add_done_callback(_close_detector)


def told(error: Exception) -> RaxeError:
    """Return what may be told of an error: only the type where the message may hold the text."""
    if isinstance(error, RaxeError):
        return error
    return RaxeError(f"The detector failed with {type(error).__name__}.")


def _digest_of(model: Model, loaded: FileState | None) -> str | None:
    """Return the digest of the bundle that was loaded, if it still is what it was."""
    if model.bundle_path is None or model.claimed_checksum is not None:
        return model.claimed_checksum  # loading has checked it
    try:
        digest = file_digest(model.bundle_path, MAX_BYTES)
    except OSError:
        return None
    return digest if file_state(model.bundle_path) == loaded else None


def _close_detector(future: Future[Detector]) -> None:
    if future.exception() is None:
        future.result().close()


def give_back_memory() -> None:
    """Give the system the memory that only loading took; glibc would keep some 15 MB of it."""
    if sys.platform == "linux":
        import ctypes

        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)
