"""ConfigWatch: when the configuration files are to be read again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from raxe_core.errors import ConfigError

__all__ = ["ConfigWatch", "States"]

# A file that was written in place less long ago may be half of what it is to be.
SETTLING_S = 0.2
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0

# The modification time, size and inode of each file; None where there is none.
_State = tuple[int, int, int] | None
States = list[_State]


class ConfigWatch:
    """Tells when the configuration files are to be read again.

    That is after a change, but not while a file is being written, and only now and then where what
    they ask for could not be used.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self._files = [os.fspath(file) for file in files]
        self._used = self._seen = self.states()
        self._failed: States | None = None
        self._pause = FIRST_PAUSE_S
        self._next_try = 0.0

    def states(self) -> States:
        """Return what tells the files' states apart."""
        states: States = []
        for file in self._files:
            try:
                status = os.stat(file)  # noqa: PTH116  # each scan comes here
                states.append((status.st_mtime_ns, status.st_size, status.st_ino))
            except OSError:
                states.append(None)
        return states

    def has_changed(self) -> bool:
        """Tell whether there may be something to read."""
        states = self.states()
        if states == self._used:
            return False
        return states != self._failed or time.monotonic() >= self._next_try

    def settled(self) -> States | None:
        """Return the states of the files, or None while one of them may be half written."""
        seen, self._seen = self._seen, self.states()
        for file, used, before, now in zip(self._files, self._used, seen, self._seen, strict=True):
            if now != used and _is_moving(file, before, now):
                return None
        return self._seen

    def check(self, states: States) -> None:
        """Refuse a file that was emptied: who writes it has failed, or is slow.

        Raises:
            ConfigError: names the file.
        """
        for file, used, now in zip(self._files, self._used, states, strict=True):
            if used is not None and now is not None and used[1] > 0 == now[1]:
                raise ConfigError(
                    f"{file}: is empty now. Write what it should hold, or remove the file."
                )

    def use(self, states: States) -> None:
        """Note the states of the files that are used from now."""
        self._used, self._failed = states, None

    def fail(self, states: States) -> None:
        """Note that files in these states could not be used; the pause to the next try grows."""
        longer = min(2 * self._pause, LONGEST_PAUSE_S)
        self._pause = longer if states == self._failed else FIRST_PAUSE_S
        self._next_try = time.monotonic() + self._pause
        self._failed = states


def _is_moving(file: str, before: _State, now: _State) -> bool:
    """Tell whether a file changed in place, came or went but a moment ago."""
    if before is not None and now is not None and before[2] != now[2]:
        return False  # it was renamed to here, whole
    path = Path(file)
    try:
        changed_at = (path.parent if now is None else path).stat().st_mtime
    except OSError:
        return False
    return abs(time.time() - changed_at) < SETTLING_S
