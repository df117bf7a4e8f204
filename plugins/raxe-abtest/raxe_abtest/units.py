"""Unit ids: who is randomised, and how they are written down."""

from __future__ import annotations

import os
from hashlib import blake2b

from raxe_abtest.errors import SettingsError

__all__ = ["pseudonym", "secret_bytes", "unit_text"]


def unit_text(value: object) -> str | None:
    """Return the id that is hashed, or None where ``value`` names nobody.

    Text and whole numbers are ids; the number 1 and the text ``"1"`` are the same one. None, the
    empty text, truth values, NaN and everything else name nobody. Unicode is not normalised.
    """
    if isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def pseudonym(text: str, secret: bytes) -> bytes:
    """Return the 16 bytes under which the store knows an id; the id itself is never written."""
    data = text.encode("utf-8", "surrogatepass")
    return blake2b(data, key=secret, digest_size=16, person=b"pseudonym").digest()


def secret_bytes(secret: str | bytes | None) -> bytes | None:
    """Return a secret in at most 64 bytes, from the argument or RAXE_ABTEST_SECRET.

    Raises:
        SettingsError: the secret is neither text nor bytes.
    """
    if not isinstance(secret, (str, bytes, type(None))):
        raise SettingsError("l2_model.ab_test.secret must be a text. Put a number in quotes.")
    secret = secret or os.environ.get("RAXE_ABTEST_SECRET") or None
    if secret is None:
        return None
    data = secret.encode() if isinstance(secret, str) else secret
    return data if len(data) <= 64 else blake2b(data).digest()
