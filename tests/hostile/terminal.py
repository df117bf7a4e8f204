"""What must never reach a terminal as it is."""

from __future__ import annotations

import re

__all__ = ["raw_controls"]

# C0 but for the newline, DEL, C1, and what hides or reorders text: soft hyphen, bidi marks, zero
# width, line separators, tags, and half a surrogate pair.
_UNSAFE = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    r"\ud800-\udfff\U000e0000-\U000e007f]"
)


def raw_controls(text: str) -> list[str]:
    """Return the characters that should have been shown as escapes."""
    return [f"U+{ord(found):04X}" for found in _UNSAFE.findall(text)]
