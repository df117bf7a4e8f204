"""The models of drop-in folders that were found sound on this machine, and the check of new ones.

A bundle of a drop-in folder may come from anybody, so its weights are first loaded in a limited
process. What passes is remembered by its content and by everything that it was tried with. A model
that an installed package brought is loaded as it is.
"""

from __future__ import annotations

import contextlib
import copy
import json
import re
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from raxe_core._version import __version__
from raxe_core.benchmark.fingerprint import machine_key
from raxe_core.discovery import open_bundle
from raxe_core.entry_points import find_distributions, normalized
from raxe_core.facts import is_known, remember_fact
from raxe_core.files import read_regular
from raxe_core.model import Model
from raxe_core.plugins import PluginHost

if TYPE_CHECKING:
    from raxe_core.bundle import Bundle

__all__ = ["remember", "validated"]

MAX_METADATA_BYTES = 1 << 20
_KIND = "validated"
_REQUIRED = re.compile(rb"^Requires-Dist: *([A-Za-z0-9._-]+)", re.MULTILINE)

_one_at_a_time = threading.Lock()


def validated(model: Model, host: PluginHost) -> Model:
    """Return the model, which then opens only with content that is validated.

    Raises:
        RaxeError: the model is not sound; the reason is that of the failed check.
    """
    if model.bundle_path is None:
        return model
    with open_bundle(model) as bundle, _one_at_a_time:  # as the signature says, if it must have one
        model = copy.copy(model)
        model.manifest_digest = bundle.manifest_digest()
        if not is_known(_KIND, model.manifest_digest, _tried_with(model, host)):
            _check(bundle, model, host)
            remember(model, host)
    return model


def _check(bundle: Bundle, model: Model, host: PluginHost) -> None:
    from raxe_core.content import check_content
    from raxe_core.trial import try_model

    check_content(bundle)
    for _ in try_model(model, host):
        pass


def remember(model: Model, host: PluginHost) -> None:
    """Remember that a model passed every check with its ``manifest_digest``."""
    assert model.manifest_digest is not None
    remember_fact(_KIND, model.manifest_digest, _tried_with(model, host))


def _tried_with(model: Model, host: PluginHost) -> str:
    """Return what is remembered of a model that passed."""
    plugin, module = host.runtime_plugin(model)
    content = {
        "content": model.manifest_digest,
        "machine": machine_key(),
        "module": module,
        "raxe": __version__,
        "versions": _versions(plugin),
    }
    return json.dumps(content, sort_keys=True)


def _versions(plugin: str) -> dict[str, str]:
    """Return the versions of Python, of a distribution, and of what it requires."""
    installed = find_distributions()
    names = {plugin}
    if plugin in installed:
        with contextlib.suppress(OSError):
            described = read_regular(Path(installed[plugin].info, "METADATA"), MAX_METADATA_BYTES)
            names |= {normalized(name.decode()) for name in _REQUIRED.findall(described)}
    versions = {name: installed[name].version for name in sorted(names) if name in installed}
    return {"python": sys.version.split()[0], **versions}
