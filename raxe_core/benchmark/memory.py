"""The memory of a process, as the system accounts for it."""

from __future__ import annotations

from pathlib import Path

__all__ = ["memory_kb"]


def memory_kb(pid: str = "self") -> dict[str, int | None]:
    """Return PSS, RSS and peak RSS of a process in KiB; None where the system does not tell.

    PSS (``/proc/PID/smaps_rollup``) counts a page that n processes share as 1/n.
    """
    folder = Path("/proc") / pid
    rollup, status = _fields(folder / "smaps_rollup"), _fields(folder / "status")
    return {
        "pss": rollup.get("Pss"),
        "rss": status.get("VmRSS"),
        "peak": status.get("VmHWM"),
    }


def _fields(path: Path) -> dict[str, int]:
    """Return the lines such as ``Pss:   123 kB`` of a file of /proc."""
    try:
        lines = path.read_text("ascii", "replace").splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        name, _, value = line.partition(":")
        number, _, unit = value.strip().partition(" ")
        if unit == "kB" and number.isdigit():
            found[name] = int(number)
    return found
