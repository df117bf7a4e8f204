"""Call a plugin so that it can neither end the program, nor hang it, nor write into its output."""

from __future__ import annotations

import io
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from types import FrameType
from typing import TypeVar

from raxe_core.safe_text import safe_text

__all__ = ["PluginFaultError", "call_within", "contained", "own_stdout", "reason_of", "time_limit"]

_T = TypeVar("_T")
_stdout = threading.Lock()


class PluginFaultError(Exception):
    """A plugin raised something, or did not return; the message is the reason, on one line."""


@contextmanager
def contained(*allowed: type[Exception]) -> Iterator[None]:
    """Turn what plugin code raises inside into a :class:`PluginFaultError`, all but ``allowed``.

    ``SystemExit``, the panics of native libraries and a ``KeyboardInterrupt`` of the plugin's own
    are caught too; the interrupt of the user is not.

    Raises:
        PluginFaultError: the plugin failed.
    """
    with _user_interrupts() as interrupts:
        try:
            yield
        except BaseException as error:
            if interrupts or isinstance(error, (GeneratorExit, *allowed)):
                raise
            raise PluginFaultError(reason_of(error)) from error


def call_within(seconds: float, function: Callable[[], _T]) -> _T:
    """Call plugin code in a thread of its own, and leave it there if it does not return.

    Raises:
        PluginFaultError: the plugin failed, or took longer.
    """
    results: list[_T] = []
    faults: list[PluginFaultError] = []

    def run() -> None:
        try:
            with contained():
                results.append(function())
        except PluginFaultError as fault:
            faults.append(fault)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    for fault in faults:
        raise fault
    if not results:
        raise PluginFaultError(f"did not return within {seconds:g} seconds")
    return results[0]


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupt plugin code that does not return, where that can be had.

    That is in the main thread, on a system with alarms, and where nobody else uses them.

    Raises:
        TimeoutError: it took longer.
    """
    in_main = threading.current_thread() is threading.main_thread()
    alarms = in_main and hasattr(signal, "setitimer")
    if (
        not alarms
        or signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL
        or signal.getitimer(signal.ITIMER_REAL)[0]  # an alarm that is to end the program
    ):
        yield
        return

    def stop(*_: object) -> None:
        raise TimeoutError(f"did not return within {seconds:g} seconds")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


@contextmanager
def own_stdout() -> Iterator[None]:
    """Send what plugin code prints inside to standard error, where it cannot break ``--json``.

    Standard output belongs to the whole process, so this is for the rare calls: import, discovery.
    A second thread that comes meanwhile goes on without.
    """
    if not _stdout.acquire(blocking=False):
        yield
        return
    try:
        with redirect_stdout(_Stderr()):
            yield
    finally:
        _stdout.release()


def reason_of(error: BaseException) -> str:
    """Name the error and what it says, on one line; an error that cannot speak has its name."""
    try:
        text = " ".join(str(error).split())[:500]
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class _Stderr(io.TextIOBase):
    """Standard error, with every unsafe character as a visible escape."""

    def write(self, text: str) -> int:
        sys.stderr.write("\n".join(safe_text(line, 2_000) for line in text.split("\n")))
        return len(text)


@contextmanager
def _user_interrupts() -> Iterator[list[int]]:
    """Note the interrupts that come from outside, which only the main thread gets."""
    noted: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield noted
        return

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(number)
        before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        if signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, before)
