"""Every error that raxe raises on purpose, one small tree.

::

    RaxeError                   the base class: catch this one
    ├── UsageError              the request cannot be met as it was made
    │   ├── UnknownModelError       no model has this id
    │   ├── UnknownNameError        no criteria, strategy, reporter has this name
    │   ├── ConfigError             config.yaml or an environment variable is wrong
    │   └── DatasetError            a file of prompts cannot be used
    ├── InvalidModelError       what stands in the model's files is wrong
    │   ├── MetadataError           metadata does not fit its schema
    │   ├── BundleError             the .raxe file is damaged or breaks the format
    │   ├── UntrustedModelError     no key that is trusted signed it
    │   └── ModelLoadError          the runtime could not load the model
    │       └── LoadTimeoutError        loading it took too long
    ├── RuntimeUnavailableError the runtime of a model is not installed
    ├── NoModelError            no model is left to select from
    ├── PluginError             a plugin failed, or two plugins claim the same thing
    └── ThreatBlockedError      Raxe.protect stopped a call

Each message says what is wrong, where, and what to do next.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raxe_core.result import ScanResult

__all__ = [
    "BundleError",
    "ConfigError",
    "DatasetError",
    "InvalidModelError",
    "LoadTimeoutError",
    "MetadataError",
    "ModelLoadError",
    "NoModelError",
    "PluginError",
    "RaxeError",
    "RuntimeUnavailableError",
    "ThreatBlockedError",
    "UnknownModelError",
    "UnknownNameError",
    "UntrustedModelError",
    "UsageError",
    "did_you_mean",
]


class RaxeError(Exception):
    """Base class of all errors that raxe raises on purpose.

    ``exit_code`` is what the command line exits with: 1 for an invalid model, 2 for everything
    that the user, the configuration or the machine has to mend first. ``kind`` is the sort of
    failure in two words, for logs and for the reason of a fallback.
    """

    exit_code = 2
    kind = "other error"


class UsageError(RaxeError):
    """The request cannot be met as it was made."""


class UnknownModelError(UsageError):
    """No model has this id."""

    kind = "unknown model"


class UnknownNameError(UsageError):
    """No criteria, strategy or reporter has this name."""

    kind = "unknown name"


class ConfigError(UsageError):
    """``config.yaml`` or an environment variable holds something wrong."""

    kind = "wrong setting"


class DatasetError(UsageError):
    """A file of prompts cannot be read, or holds no usable prompt."""


class InvalidModelError(RaxeError):
    """What stands in the model's files is wrong."""

    exit_code = 1
    kind = "invalid bundle"


class MetadataError(InvalidModelError):
    """Metadata does not fit its schema; the message names file and JSON path."""


class BundleError(InvalidModelError):
    """A ``.raxe`` file is damaged or breaks the bundle format."""


class UntrustedModelError(InvalidModelError):
    """``trust.require_signature`` is set, and no key of ``trust.keys`` signed the model."""

    kind = "untrusted model"


class RuntimeUnavailableError(RaxeError):
    """The runtime of a model is not installed; the message carries the pip line."""

    kind = "missing runtime"


class ModelLoadError(InvalidModelError):
    """The runtime could not load the model."""

    kind = "failed load"


class LoadTimeoutError(ModelLoadError):
    """Loading the model took longer than ``l2_model.load_timeout_s``."""

    kind = "time-out"


class NoModelError(RaxeError):
    """No model is left to select from."""

    kind = "no model"


class PluginError(RaxeError):
    """A plugin failed, or two plugins claim the same thing."""

    kind = "failed plugin"


class ThreatBlockedError(RaxeError):
    """A function under ``Raxe.protect`` got a text to block; ``result`` is the verdict."""

    kind = "blocked threat"

    def __init__(self, result: ScanResult) -> None:
        families = ", ".join(result.families) or "undecided"
        super().__init__(f"The text was blocked as a threat ({families}).")
        self.result = result


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest known word, or an empty string."""
    import difflib  # not at the top: most starts meet no misspelt word

    near = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
