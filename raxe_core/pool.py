"""DetectorPool: the loaded detectors of one configuration, closed when the last scan has left."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import NamedTuple

from raxe_core.archive import MAX_BYTES
from raxe_core.detector import Detector
from raxe_core.errors import LoadTimeoutError, ModelLoadError, RaxeError
from raxe_core.files import file_digest
from raxe_core.index import FileState, file_state
from raxe_core.records import Selection
from raxe_core.registry import ModelRegistry
from raxe_core.selection import active_strategy, fall_back

__all__ = ["DetectorPool", "Ready", "give_back_memory"]


class Ready(NamedTuple):
    """A selection whose model is loaded."""

    selection: Selection
    detector: Detector


class DetectorPool:
    """Selects and loads models for one registry, each model once.

    A scan holds the pool with :meth:`enter` and :meth:`leave`; after :meth:`retire` it closes its
    detectors when the last scan has left.
    """

    def __init__(self, registry: ModelRegistry) -> None:
        self.registry = registry
        self._lock = threading.Lock()
        self._loading: dict[str, Future[Detector]] = {}
        self._files: dict[str, FileState] = {}
        self._digests: dict[str, str | None] = {}
        self._choice: Ready | None = None
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

    def ready(self, user_id: str | None) -> Ready:
        """Return the selected model, loaded, or the fallback.

        Raises:
            RaxeError: neither can be used.
        """
        choice = self._choice
        if choice is not None:
            return choice
        selection = None
        try:
            selection = self.registry.select(user_id)
            ready = Ready(selection, self.detector(selection.model_id))
        except RaxeError as error:
            selection = fall_back(self.registry.config, selection, error)
            ready = Ready(selection, self.detector(selection.model_id))
        if self._chooses_once():
            self._choice = ready
        return ready

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
            future = self._loading.get(model_id)
            if future is None:
                future = self._loading[model_id] = Future()
                loader = threading.Thread(target=self._load, args=(model_id, future), daemon=True)
                loader.start()
        limit = self.registry.config.get("l2_model.load_timeout_s")
        try:
            return future.result(limit)
        except RaxeError:
            with self._lock:
                if self._loading.get(model_id) is future:  # and not the next try
                    del self._loading[model_id]
            raise
        except FutureTimeoutError:  # the built-in TimeoutError only since Python 3.11
            raise LoadTimeoutError(
                f"Model {model_id}: loading takes longer than {limit:g} s. "
                "Raise l2_model.load_timeout_s, or choose another model."
            ) from None

    def digest(self, model_id: str) -> str | None:
        """Return the SHA-256 of the bundle that a model was loaded from.

        None for a model without a bundle, and where the file was replaced before it was hashed.
        """
        if model_id not in self._digests:
            self._digests[model_id] = self._read_digest(model_id)
        return self._digests[model_id]

    def _read_digest(self, model_id: str) -> str | None:
        model = self.registry.get_model(model_id)
        claimed = model.claimed_checksum
        if claimed is not None:
            return claimed  # loading has checked it
        if model.bundle_path is None:
            return None
        try:
            digest = file_digest(model.bundle_path, MAX_BYTES)
        except OSError:
            return None
        # Another file by now is not the one that judges.
        return digest if file_state(model.bundle_path) == self._files.get(model_id) else None

    def _load(self, model_id: str, future: Future[Detector]) -> None:
        try:
            path = self.registry.get_model(model_id).bundle_path
            if path is not None:
                self._files[model_id] = file_state(path)
            future.set_result(self.registry.create_detector(model_id))
        except RaxeError as error:  # handed to whoever waits
            future.set_exception(error)
        except BaseException as error:  # so that it is tried again, and fallen back from
            failed = ModelLoadError(f"Model {model_id}: failed to load: {type(error).__name__}.")
            failed.__cause__ = error
            future.set_exception(failed)
        give_back_memory()  # the scan that waited goes on meanwhile

    def _close(self) -> None:
        for future in self._loading.values():
            future.add_done_callback(_close_detector)


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
