"""Check that each member of a bundle is what its name says, before any runtime reads it.

Kinds are told by what they are, not by what they are not: a pickle or TorchScript file under the
name of weights is refused because it does not begin as weights do. A runtime checks more of the
member that it loads.
"""

from __future__ import annotations

from raxe_core.bundle import Bundle
from raxe_core.errors import BundleError, ModelLoadError
from raxe_core.safetensors_header import read_safetensors_header
from raxe_core.strict_json import parse_json
from raxe_core.tokenizer_policy import MAX_TOKENIZER_BYTES, check_tokenizer

__all__ = ["check_content"]

# The first byte of an ONNX model is the tag of one of its fields.
_ONNX_BEGINS = b"\x08\x12\x1a\x22\x28\x32\x3a\x42\x72"
_DISGUISES = (
    (b"PK\x03\x04", "a ZIP archive, as TorchScript and .pt2 files are"),
    *((b"\x80%c" % version, "a pickle") for version in range(2, 6)),
    (b"\x7fELF", "a program"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x1f\x8b", "compressed"),
)


def check_content(bundle: Bundle) -> None:
    """Check the metadata, and every member against the manifest and against its own name.

    Raises:
        BundleError: names the first member that is wrong, and the reason.
        MetadataError: the manifest does not fit its schema.
    """
    bundle.verify()
    for member in bundle.manifest.members:
        data = bundle.read(member.name)
        try:
            _check_member(member.name, data, bundle.manifest.input.max_tokens)
        except UnicodeDecodeError:
            raise _refused(bundle, member.name, "is not text in UTF-8") from None
        except (ValueError, ModelLoadError) as error:
            raise _refused(bundle, member.name, str(error).rstrip(".")) from None


def _refused(bundle: Bundle, name: str, reason: str) -> BundleError:
    return BundleError(f"{bundle.path}: member {name!r}: {reason}. Do not use this bundle.")


def _check_member(name: str, data: bytes, max_tokens: int) -> None:
    for magic, kind in _DISGUISES:
        if data.startswith(magic):
            raise ValueError(f"is {kind}, not what its name says")
    if name == "tokenizer.json":
        check_tokenizer(data, max_tokens)
    elif name.endswith(".json"):
        parse_json(data, limit=MAX_TOKENIZER_BYTES)
    elif name.endswith(".safetensors"):
        read_safetensors_header(data, "its header is wrong")
    elif name.endswith(".onnx"):
        if not data or data[0] not in _ONNX_BEGINS:
            raise ValueError("does not begin as an ONNX model does")
    elif "\x00" in data.decode("utf-8"):
        raise ValueError("is not text")
