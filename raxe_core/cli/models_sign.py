"""``raxe models sign`` and ``verify``."""

from __future__ import annotations

from pathlib import Path

import click

from raxe_core.cli.model_argument import MODEL
from raxe_core.cli.output import echo_json, short_path
from raxe_core.config import load_config
from raxe_core.discovery import model_from_file
from raxe_core.errors import BundleError, UsageError
from raxe_core.model import Model
from raxe_core.registry import ModelRegistry
from raxe_core.safe_text import safe_text
from raxe_core.signing import read_key, signature_path
from raxe_core.signing import sign as sign_bundle
from raxe_core.signing import verify as verify_bundle

_FILE = click.Path(path_type=Path)
_SIGNATURE = click.option("--signature", type=_FILE, help="[default: the bundle's path with .sig]")


@click.command()
@click.argument("model", type=MODEL)
@click.option("--private-key", type=_FILE, required=True, help="The key to sign with, in PEM.")
@_SIGNATURE
@click.pass_obj
def sign(config_path: Path | None, model: str, private_key: Path, signature: Path | None) -> None:
    """Sign MODEL, an id or the path of a bundle.

    The signature covers the bytes of the bundle and its file name. The key is of an elliptic curve:
    P-256, P-384 or P-521.

    \b
    Exit codes:
      0  signed
      1  the bundle is invalid
      2  no such model, a file or the key cannot be used, the library is missing

    \b
    Example:
      raxe models sign raxe_model_l2_v2.0_tiny.raxe --private-key private.pem
    """
    target, bundle = _find(ModelRegistry(load_config(config_path)), model)
    if target.problem is not None:
        raise BundleError(target.problem)
    signature = signature or signature_path(bundle)
    digest = sign_bundle(bundle, private_key, signature)
    click.echo(f"✅ Signed: {short_path(bundle)}")
    click.echo(f"Digest: {digest}")
    click.echo(f"Signature: {short_path(signature)}")


@click.command()
@click.argument("model", type=MODEL)
@click.option("--public-key", type=_FILE, help="The signer's key, in PEM.  [default: trust.keys]")
@_SIGNATURE
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def verify(
    config_path: Path | None,
    model: str,
    public_key: Path | None,
    signature: Path | None,
    as_json: bool,
) -> None:
    """Verify the signature of MODEL, an id or the path of a bundle. Works offline.

    \b
    Exit codes:
      0  verified
      1  not verified: unsigned, signed by another key, or not what was signed
      2  no such model, a file or the key cannot be used, the library is missing

    \b
    Examples:
      raxe models verify raxe_model_l2_v2.0_tiny.raxe --public-key public.pem
      raxe models verify v2.0_tiny --json
    """
    registry = ModelRegistry(load_config(config_path))
    _, bundle = _find(registry, model)
    keys = registry.trust.keys if public_key is None else {str(public_key): read_key(public_key)}
    if not keys:
        raise UsageError("There is no key to verify with. Give --public-key, or set trust.keys.")
    if signature is not None and not signature.exists():
        raise UsageError(f"{signature}: there is no such signature file. Mend the path.")
    if public_key is None and signature is None:
        found = registry.trust.verify(bundle)  # this remembers it
    else:
        found = verify_bundle(bundle, signature or signature_path(bundle), keys)
    verified = found.status == "verified"
    if as_json:
        echo_json({"path": str(bundle), "verified": verified, "signature": found._asdict()})
    elif verified:
        click.echo(f"✅ Verified: {short_path(bundle)}")
        click.echo(f"Signed by: {safe_text(str(found.key), 500)}")
        click.echo(f"Digest: {found.digest}")
    else:
        reason = f" ({found.reason})" if found.reason else ""
        click.echo(f"❌ Not verified: {short_path(bundle)}")
        click.echo(f"Reason: {safe_text(f'{found}{reason}', 1_000)}")
    if not verified:
        raise SystemExit(1)


def _find(registry: ModelRegistry, model: str) -> tuple[Model, Path]:
    """Return the model of an id or a file, and its bundle."""
    path = Path(model)
    if path.suffix == ".raxe" and path.exists():
        return model_from_file(path, source=str(path.parent)), path
    found = registry.get_model(model)
    if found.bundle_path is None:
        raise UsageError(f"Model {model} has no bundle file.")
    return found, found.bundle_path
