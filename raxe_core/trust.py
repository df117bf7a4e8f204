"""Who signed a model, and whether that is enough to use it: the ``trust`` section of the settings.

A model of a drop-in folder may come from anybody; with ``trust.require_signature`` it is used only
if a key of ``trust.keys`` signed it. A model that an installed package brought is exempt: a package
is code that the user chose, and could do what it likes.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from raxe_core._version import __version__
from raxe_core.config import Config
from raxe_core.errors import ConfigError, RaxeError, UntrustedModelError, UsageError
from raxe_core.files import atomic_write, raxe_home, read_regular
from raxe_core.index import FileState, file_state
from raxe_core.model import Model
from raxe_core.signing import Signature, read_key, signature_path, verify

__all__ = ["Trust"]

MAX_MEMORY_BYTES = 64 << 20


class Trust:
    """The policy of one configuration, and what is known of signatures.

    A bundle is verified once. What that found is remembered, also in ``$RAXE_HOME/cache``, for the
    very files and keys it was found with.
    """

    def __init__(self, config: Config) -> None:
        self.required: bool = config.get("trust.require_signature")
        self._named_keys = config.values["trust.keys"]
        self._verified = _Memory()

    @property
    def has_keys(self) -> bool:
        """Whether there is a key to verify signatures with."""
        return bool(self._named_keys.value)

    @functools.cached_property
    def keys(self) -> dict[str, bytes]:
        """The public keys by name. Their paths are relative to the file that names them.

        Raises:
            ConfigError: one cannot be read.
        """
        folder = Path(self._named_keys.origin).parent
        keys = {}
        for name, path in self._named_keys.value.items():
            try:
                keys[name] = read_key(folder / Path(path).expanduser())
            except (UsageError, RuntimeError) as error:  # RuntimeError: no home folder for "~"
                raise ConfigError(f"trust.keys.{name}: {error}") from None
        return keys

    def known_signatures(self, models: Sequence[Model]) -> list[Signature]:
        """Return the :meth:`known_signature` of each; a folder is looked through but once."""
        signed_in = functools.cache(_signed_in)
        found = []
        for model in models:
            unsigned = False
            if model.bundle_name is not None and not model.from_package:
                folder, _, name = model.bundle_name.rpartition(os.sep)
                signed = signed_in(folder)
                unsigned = signed is not None and name not in signed
            found.append(Signature("unsigned") if unsigned else self.known_signature(model))
        return found

    def known_signature(self, model: Model) -> Signature:
        """Return what is known without reading the bundle, ``unchecked`` if nothing is."""
        if model.from_package:
            return Signature("exempt")
        if model.bundle_path is None:
            return Signature("unsigned")
        if not file_state(signature_path(model.bundle_path)):
            return Signature("unsigned")
        if not self.has_keys:
            return Signature("unchecked", reason="trust.keys names no key")
        try:
            states = _states(model.bundle_path)
            found = self._verified.get(model.bundle_path, states, self._keys_digest)
        except ConfigError as error:
            return Signature("unchecked", reason=str(error))
        return found or Signature("unchecked", reason=f"see: raxe models verify {model.model_id}")

    def signature(self, model: Model) -> Signature:
        """Return what is known, after verifying the bundle if that has not been done.

        Raises:
            ConfigError: a key cannot be read.
            UsageError: the library is missing, or a key is none.
        """
        known = self.known_signature(model)
        if known.status != "unchecked" or not self.has_keys or model.bundle_path is None:
            return known
        return self.verify(model.bundle_path)

    def verify(self, bundle: Path) -> Signature:
        """Verify a bundle now, whatever is known, and remember it; raises as :meth:`signature`."""
        states = _states(bundle)  # before it is read: a change from here on makes them outdated
        found = verify(bundle, signature_path(bundle), self.keys)
        self._verified.put(bundle, states, self._keys_digest, found)
        return found

    def allows(self, signature: Signature) -> bool:
        """Whether the policy allows to use a model with this signature."""
        return not self.required or signature.status in ("verified", "exempt")

    def admitted(self, model: Model) -> Model:
        """Return the model, which then opens only with the content that was verified.

        Raises:
            UntrustedModelError: the policy does not allow to use it.
            ConfigError: as :meth:`signature`.
            UsageError: as :meth:`signature`.
        """
        if not self.required:
            return model
        found = self.signature(model)
        if not self.allows(found):
            because = f" ({found.reason})" if found.reason else ""
            raise UntrustedModelError(
                f"Model {model.model_id}: {found}{because}. trust.require_signature allows only "
                f"models that a key of trust.keys signed. See: raxe models verify {model.model_id}"
            )
        import copy  # not at the top: listing models needs none

        model = copy.copy(model)
        model.manifest_digest = found.manifest_digest
        return model

    def admits(self, model: Model) -> bool:
        """Whether the policy allows to use the model; raises as :meth:`signature`."""
        return not self.required or self.allows(self.signature(model))

    @functools.cached_property
    def _keys_digest(self) -> str:
        import hashlib

        content = json.dumps([[name, pem.hex()] for name, pem in self.keys.items()])
        return hashlib.sha256(content.encode("utf-8")).hexdigest()


class _Memory:
    """What verifying found, in a file that is safe to delete and skipped where there can be none.

    An entry holds only for the states of bundle and signature and the keys that it was made with.
    Opening compares digests besides: a changed bundle is not read even if its state is forged.
    """

    def get(self, bundle: Path, states: list[FileState], keys: str) -> Signature | None:
        try:
            *made_with, found = self._entries[str(bundle.absolute())]
            return _signature(found) if made_with == [states, keys] else None
        except (KeyError, TypeError):  # no entry, or a damaged one
            return None

    def put(self, bundle: Path, states: list[FileState], keys: str, found: Signature) -> None:
        self._entries[str(bundle.absolute())] = [states, keys, found._asdict()]
        known = self._entries.copy()  # other threads may add to it meanwhile
        kept = {path: entry for path, entry in known.items() if Path(path).exists()}
        content = {"version": __version__, "entries": kept}
        with contextlib.suppress(OSError, ValueError, RaxeError):
            atomic_write(self._path(), json.dumps(content).encode("utf-8"))

    @functools.cached_property
    def _entries(self) -> dict[str, Any]:
        try:
            content = json.loads(read_regular(self._path(), MAX_MEMORY_BYTES))
            if content["version"] == __version__:
                return dict(content["entries"])
        except (OSError, ValueError, TypeError, KeyError, RecursionError, RaxeError):
            pass  # none yet, a damaged one, or no home
        return {}

    @staticmethod
    def _path() -> Path:
        return raxe_home() / "cache" / "signatures.json"


def _signature(found: Any) -> Signature:
    signature = Signature(**found)
    if not all(isinstance(value, str | None) for value in signature):
        raise TypeError
    return signature


def _signed_in(folder: str) -> set[str] | None:
    """Return the names in a folder that have a signature beside them; None if it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return {e.name.removesuffix(".sig") for e in entries if e.name.endswith(".sig")}
    except OSError:
        return None


def _states(bundle: Path) -> list[FileState]:
    return [file_state(bundle), file_state(signature_path(bundle))]
