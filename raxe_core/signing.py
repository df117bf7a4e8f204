"""Signatures of bundles, made and checked with key files, in the format of OpenSSF model-signing.

A signature is a file of its own, beside the bundle: ``<bundle>.sig``. It covers the bytes of the
bundle and its file name, so it fits neither a changed nor a renamed bundle. Nothing here uses the
network. The library is the extra ``raxe-core[signing]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from raxe_core.errors import UsageError
from raxe_core.files import open_regular, read_regular, replacing

__all__ = ["Signature", "read_key", "sign", "signature_path", "verify"]

PIP_LINE = 'pip install "raxe-core[signing]"'
MAX_SIGNATURE_BYTES = 64 << 10
MAX_KEY_BYTES = 64 << 10
CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_KINDS = f"an elliptic curve ({', '.join(CURVES.values())}) in PEM"


class Signature(NamedTuple):
    """What is known of a bundle's signature.

    ``status`` is ``verified``, ``unsigned``, ``mismatch`` (the signature is not one of these bytes
    under this name), ``unknown_key``, ``unchecked`` or ``exempt`` (an installed package brought the
    model). ``key`` is the name of the key that verified it, ``digest`` the SHA-256 of the bundle
    that it vouches for, ``manifest_digest`` that of the manifest in it, ``reason`` more words where
    there are some.
    """

    status: str
    key: str | None = None
    digest: str | None = None
    manifest_digest: str | None = None
    reason: str | None = None

    def __str__(self) -> str:
        words = {
            "verified": f"signed by {self.key}",
            "mismatch": "signature does not match",
            "unknown_key": "signed by an unknown key",
            "unchecked": "signature not checked",
            "exempt": "installed package",
        }
        return words.get(self.status, self.status)


def signature_path(bundle: Path) -> Path:
    """Return where the signature of a bundle is."""
    return bundle.with_name(f"{bundle.name}.sig")


def sign(bundle: Path, private_key: Path, signature: Path) -> str:
    """Write a signature of ``bundle``, in one step, and return the digest that it covers.

    Raises:
        UsageError: the library is missing, the key is not one that can sign, or a file cannot be
            read or written.
    """
    signing = _library("signing")
    _check_readable(bundle)
    try:
        config = signing.Config().use_elliptic_key_signer(private_key=private_key)
    except OSError as error:
        raise UsageError(f"{private_key}: cannot be read: {error.strerror or error}.") from None
    except TypeError:
        raise UsageError(
            f"{private_key}: is encrypted. Hand the key over decrypted, for this command alone: "
            f"--private-key <(openssl pkey -in {private_key})"
        ) from None
    except Exception as error:  # a key of another kind ends in whatever the library stumbles over
        raise UsageError(f"{private_key}: is no private key of {_KINDS}.") from error
    hashing = _BundleHashing()
    try:
        with replacing(signature) as temporary:
            config.set_hashing_config(hashing).sign(bundle, temporary)
    except OSError as error:
        where = error.filename or signature
        raise UsageError(f"{where}: cannot be used: {error.strerror or error}.") from None
    return hashing.digest


def read_key(path: Path) -> bytes:
    """Return a public key as it stands in its file.

    Raises:
        UsageError: not readable.
    """
    try:
        return read_regular(path, MAX_KEY_BYTES)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}.") from None


def verify(bundle: Path, signature: Path, keys: Mapping[str, bytes]) -> Signature:
    """Tell which of the named public keys signed ``bundle``, reading all of it.

    Raises:
        UsageError: the library is missing, a key is none, the bundle cannot be read, or there is
            no room for temporary files.
    """
    library = _library("verifying")
    ids = {_key_id(pem, name): name for name, pem in keys.items()}
    _check_readable(bundle)
    try:
        content = read_regular(signature, MAX_SIGNATURE_BYTES)
    except FileNotFoundError:
        return Signature("unsigned")
    except OSError as error:
        reason = f"{signature}: cannot be read: {error.strerror or error}"
        return Signature("mismatch", reason=reason)
    claimed_id = _claimed_key_id(content)
    if claimed_id is None:
        reason = f"{signature}: is damaged, or no signature of OpenSSF model-signing"
        return Signature("mismatch", reason=reason)
    name = ids.get(claimed_id)
    if name is None:
        return Signature("unknown_key", reason=f"none of the keys has the id {claimed_id[:64]}")
    try:
        digests = _verified_digests(library, bundle, content, keys[name])
    except OSError as error:
        where = error.filename or "temporary files"
        raise UsageError(f"{where}: cannot be used: {error.strerror or error}.") from None
    if digests is None:
        reason = f"it is not one that {name} made of these bytes under the name {bundle.name}"
        return Signature("mismatch", reason=reason)
    return Signature("verified", name, *digests)


def _verified_digests(
    library: Any, bundle: Path, signature: bytes, key: bytes
) -> tuple[str, str] | None:
    """Return the digests of bundle and manifest, or None when the signature is not one of them."""
    import shutil
    from tempfile import TemporaryDirectory

    from raxe_core.bundle import Bundle

    hashing = _BundleHashing()
    with TemporaryDirectory() as folder:
        # Copies of our own: nobody changes them between one look at them and the next.
        key_file, signature_file = Path(folder, "key"), Path(folder, "signature")
        key_file.write_bytes(key)
        signature_file.write_bytes(signature)
        copy = Path(folder, bundle.name)
        shutil.copyfile(bundle, copy)
        config = library.Config().use_elliptic_key_verifier(public_key=key_file)
        try:
            config.set_hashing_config(hashing).verify(copy, signature_file)
            with Bundle(copy) as opened:
                return hashing.digest, opened.manifest_digest()
        except (KeyboardInterrupt, OSError):
            raise
        except BaseException:  # whatever a hostile file makes the library or native code raise
            return None


class _BundleHashing:
    """What the library hashes: one file, under its name. Keeps the ``digest`` that it found.

    Left to itself, the library would hash a single file under no name.
    """

    digest = ""

    def hash(self, model_path: Path, *, files_to_hash: object = None) -> Any:
        from model_signing import hashing

        config = hashing.Config().set_allow_symlinks(True)
        manifest = config.hash(model_path.parent, files_to_hash=[model_path])
        (resource,) = manifest.resource_descriptors()
        self.digest = f"sha256:{resource.digest.digest_hex}"
        return manifest

    def add_ignored_paths(self, *, model_path: Path, paths: object) -> None:
        """Ignore no file, whatever a signature says."""


def _library(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(f"model_signing.{module}")
    except ImportError as error:
        raise UsageError(
            f"Signatures need the extra 'signing' ({error.name} is missing): {PIP_LINE}"
        ) from None


def _check_readable(bundle: Path) -> None:
    """Refuse what the library would hang on or read without end."""
    from raxe_core.archive import MAX_BYTES

    try:
        open_regular(bundle, MAX_BYTES).close()
    except OSError as error:
        raise UsageError(f"{bundle}: cannot be read: {error.strerror or error}.") from None


def _key_id(pem: bytes, name: str) -> str:
    """Return the id by which signatures name a public key."""
    import hashlib

    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    try:
        key: object = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name not in CURVES:
        raise UsageError(f"The key {name} is no public key of {_KINDS}.")
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_bytes(serialization.Encoding.PEM, form)).hexdigest()


def _claimed_key_id(signature: bytes) -> str | None:
    """Return the id of the key that a signature says it was made with, or None for no signature."""
    from raxe_core.strict_json import parse_json

    try:
        content = parse_json(signature, limit=MAX_SIGNATURE_BYTES)
        claimed = content["verificationMaterial"]["publicKey"]["hint"]
    except (ValueError, TypeError, KeyError):
        return None
    return claimed if isinstance(claimed, str) else None
