"""The machine that figures were measured on, and how busy it was with other things."""

from __future__ import annotations

import json
import os
import sys
import zlib
from pathlib import Path
from typing import Any

__all__ = ["fingerprint", "machine", "machine_key"]

_LIBRARIES = ("onnxruntime", "tokenizers", "torch", "numpy")
_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")


def machine() -> dict[str, Any]:
    """Return what a figure depends on and that stays: processor, cores, system, Python.

    It is read from a few small files, because every list of models asks for it.
    """
    model, flags = _processor()
    return {
        "cpu": model,
        "isa": flags,
        "cores": os.cpu_count(),
        "cpu_quota": _cgroup_quota(),
        "system": sys.platform,
        "python": ".".join(map(str, sys.version_info[:2])),
    }


def machine_key() -> str:
    """Return a short name for :func:`machine`: figures of another key are not comparable."""
    content = json.dumps(machine(), sort_keys=True).encode("utf-8")
    return f"{zlib.crc32(content):08x}"


def fingerprint(threads: int = 1) -> dict[str, Any]:
    """Return the machine, the versions of the libraries that matter, and the load right now."""
    from importlib import metadata

    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    found = machine()
    return {
        "machine_key": machine_key(),
        **found,
        "kernel": " ".join(os.uname()[:3:2]) if hasattr(os, "uname") else "",
        "memory_mb": _total_memory_mb(),
        "libraries": versions,
        "threads": threads,
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
    }


def _processor() -> tuple[str, list[str]]:
    try:
        with Path("/proc/cpuinfo").open(encoding="ascii", errors="replace") as file:
            text = file.read(16_384)
    except OSError:
        return _architecture(), []
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    flags = set((fields.get("flags") or fields.get("Features") or "").split())
    return fields.get("model name") or _architecture(), [f for f in _FLAGS if f in flags]


def _architecture() -> str:
    return os.uname().machine if hasattr(os, "uname") else sys.platform


def _cgroup_quota() -> float | None:
    """Return how many cores the container may use; None where there is no limit."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)


def _total_memory_mb() -> float | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (ValueError, OSError, AttributeError):
        return None
