"""Loggers whose records hold no unsafe character: the one way to log, here and in plugins."""

from __future__ import annotations

import logging

from raxe_core.safe_text import safe_text

__all__ = ["safe_logger", "warn_visibly"]

_LINE_LIMIT = 2_000

# Without a handler of the application, Python itself would print each warning.
_silence = logging.NullHandler()
logging.getLogger("raxe_core").addHandler(_silence)  # noqa: TID251


def safe_logger(name: str) -> logging.Logger:
    """Return the logger of this name; handlers get its records with all text made safe.

    A message is one line of at most 2,000 characters, its arguments filled in. The lines of a
    traceback are indented, so that none can pass for a record of its own.
    """
    logger = logging.getLogger(name)  # noqa: TID251
    logger.addFilter(_make_safe)
    return logger


def warn_visibly(logger: logging.Logger, message: str) -> None:
    """Log a warning, and print it where neither the logger nor the root has a handler to see it."""
    logger.warning("%s", message)
    unseen = logger.handlers == [_silence] and not logging.root.handlers
    if unseen and logging.lastResort is not None and logger.isEnabledFor(logging.WARNING):
        told = {"msg": f"raxe: {safe_text(message, _LINE_LIMIT)}", "levelno": logging.WARNING}
        logging.lastResort.handle(logging.makeLogRecord(told))


def _make_safe(record: logging.LogRecord) -> bool:
    record.msg, record.args = safe_text(_message(record), _LINE_LIMIT), ()
    if record.exc_info:
        told = logging.Formatter().formatException(record.exc_info)
        lines = (safe_text(line, _LINE_LIMIT) for line in told.split("\n"))
        # Formatters take the text where the exception itself, which is not safe, is gone.
        record.exc_text, record.exc_info = "\n".join(f"  {line}" for line in lines), None
    return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # an argument that cannot speak must not stop who logs it
        return f"{record.msg} ({type(error).__name__} in an argument)"
