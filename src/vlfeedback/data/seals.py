"""A safetensors file that carries a digest of itself, so that a flipped bit is not read as data.

The digest stands in the file's metadata under `SEAL` and covers all else: names, types, shapes,
the other metadata and the numbers. A file without one, of others or of an earlier release, is read
as it is.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, BinaryIO

from vlfeedback.data.foreign_files import reading
from vlfeedback.errors import FileFormatError

__all__ = ["SEAL", "check_seal", "sealed"]

SEAL = "sha256"
"""Key of the digest in the metadata."""

_METADATA = "__metadata__"
_LENGTH_BYTES = 8  # a file begins with the length of its header
_ALIGNMENT = 8  # the numbers begin at a multiple of it, as safetensors writes them
_CHUNK_BYTES = 2**20
_LARGEST_HEADER_BYTES = 100_000_000  # safetensors' own bound


def sealed(contents: bytes) -> bytes:
    """A file's contents with its digest in the metadata.

    Args:
        contents: as `safetensors.torch.save` or `safetensors.numpy.save` give them.
    """
    length = int.from_bytes(contents[:_LENGTH_BYTES], "little")
    start = _LENGTH_BYTES + length
    header: dict[str, Any] = json.loads(contents[_LENGTH_BYTES:start])
    digest = _begin(header)
    digest.update(memoryview(contents)[start:])
    header[_METADATA] = {**header.get(_METADATA, {}), SEAL: digest.hexdigest()}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return b"".join((len(text).to_bytes(_LENGTH_BYTES, "little"), text, contents[start:]))


def check_seal(path: Path, *, advice: str, error: type[FileFormatError] = FileFormatError) -> None:
    """Compare a file with the digest that it carries, if it carries one.

    Args:
        path: a safetensors file.
        advice: what to do where it is damaged, as a sentence.
        error: the type to raise.

    Raises:
        FileFormatError: or `error`; it is no such file, or has changed since it was written.
        OSError: it is not there, or may not be read.
    """
    with reading(path, "safetensors file", advice=advice, error=error), path.open("rb") as file:
        header = _read_header(file)
        expected = header.get(_METADATA, {}).get(SEAL)
        if expected is None:
            return
        digest = _begin(header)
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    if digest.hexdigest() != expected:
        raise error(
            f"{path} is damaged: its contents are not those that were written. {advice}".rstrip()
        )


def _read_header(file: BinaryIO) -> dict[str, Any]:
    length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    if not 0 < length <= _LARGEST_HEADER_BYTES:
        raise ValueError(f"its header is to have {length} bytes")
    header: dict[str, Any] = json.loads(file.read(length))
    return header


def _begin(header: dict[str, Any]) -> hashlib._Hash:
    """A digest of all of a header but the digest in it."""
    metadata = {k: v for k, v in header.get(_METADATA, {}).items() if k != SEAL}
    rest = {k: v for k, v in header.items() if k != _METADATA}
    return hashlib.sha256(json.dumps([rest, metadata], sort_keys=True).encode())
