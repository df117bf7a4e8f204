"""Profiles: what was measured on this machine, in ``$RAXE_HOME/profiles/{machine key}.json``.

Reading is cheap, because every list of models asks: nothing but ``json`` is imported, and the
machine is looked at only where there is a profile at all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raxe_core.benchmark.fingerprint import machine_key
from raxe_core.errors import RaxeError
from raxe_core.files import atomic_write, locked, raxe_home, read_regular
from raxe_core.strict_json import parse_json

__all__ = ["FIGURES", "measured_figures", "profile_path", "save_profile"]

MAX_PROFILE_BYTES = 64 << 20
FIGURES = (
    "p50_latency_ms",
    "p95_latency_ms",
    "p99_latency_ms",
    "throughput_per_sec",
    "memory_mb",
)
_cache: dict[str, tuple[Any, Any]] = {}


def measured_figures(model_id: str, bundle_path: Path | None) -> Mapping[str, float]:
    """Return what was measured of a model on this machine, by the names of ``performance``.

    Empty where nothing was, or where the bundle has changed since.
    """
    known = _profile().get(model_id)
    if known is None or known.get("bundle") != _state(bundle_path):
        return {}
    figures = known.get("figures")
    if not isinstance(figures, dict):
        return {}
    return {
        name: float(figures[name]) for name in FIGURES if isinstance(figures.get(name), int | float)
    }


def save_profile(models: Mapping[str, tuple[Path | None, Mapping[str, float]]], date: str) -> Path:
    """Add measured figures to this machine's profile, and return its path.

    Raises:
        ConfigError: another process has been changing it for 10 seconds.
        OSError: the profile cannot be written.
    """
    path = profile_path()
    with locked(path):
        _cache.clear()
        entries = dict(_profile())
        for model_id, (bundle_path, figures) in models.items():
            bundle, before = _state(bundle_path), entries.get(model_id, {})
            # What this run had too few calls for stays as it was measured before.
            known = before.get("figures") if before.get("bundle") == bundle else None
            merged = {**(known if isinstance(known, dict) else {}), **figures}
            entries[model_id] = {"bundle": bundle, "measured": date, "figures": merged}
        content = {"schema_version": 1, "machine_key": machine_key(), "models": entries}
        atomic_write(path, (json.dumps(content, indent=2, sort_keys=True) + "\n").encode("utf-8"))
    return path


def profile_path() -> Path:
    """Return the path of this machine's profile."""
    return raxe_home() / "profiles" / f"{machine_key()}.json"


def _profile() -> Mapping[str, Any]:
    """Return the models of this machine's profile; a damaged profile is none."""
    try:
        folder = raxe_home() / "profiles"
        if not folder.is_dir():
            return {}
        path = profile_path()
        status = path.stat()
        state = (status.st_mtime_ns, status.st_size)
        known = _cache.get(str(path))
        if known is None or known[0] != state:
            data = read_regular(path, MAX_PROFILE_BYTES)
            models = parse_json(data, limit=MAX_PROFILE_BYTES)["models"]
            known = _cache[str(path)] = (state, models if isinstance(models, dict) else {})
    except (OSError, ValueError, KeyError, TypeError, RaxeError):
        return {}
    models = known[1]
    return {name: entry for name, entry in models.items() if isinstance(entry, dict)}


def _state(bundle_path: Path | None) -> list[int] | None:
    if bundle_path is None:
        return None
    try:
        status = os.stat(bundle_path)  # noqa: PTH116  # as cheap as it gets
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]
