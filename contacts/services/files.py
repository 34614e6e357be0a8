"""Files with personal data, kept encrypted in pieces."""

from __future__ import annotations

import base64
import os
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from django.conf import settings

from contacts.models import FilePart, StoredFile

PART_BYTES = 256 * 1024


def append_pieces(file: StoredFile, pieces: Iterable[bytes]) -> tuple[int, int]:
    """Add to the end of a file, beginning a part of its own; return the numbers of its first and last part."""
    first = number = FilePart.objects.filter(file=file).count()
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        file.size_bytes += len(piece)
        while len(waiting) > PART_BYTES:
            _write_part(file, number, bytes(waiting[:PART_BYTES]))
            del waiting[:PART_BYTES]
            number += 1
    _write_part(file, number, bytes(waiting))
    file.save(update_fields=["size_bytes"])
    return first, number


def _write_part(file: StoredFile, number: int, content: bytes) -> None:
    packed = base64.b64encode(zlib.compress(content, 1)).decode("ascii")
    FilePart.objects.create(file=file, number=number, content=packed)


def read_file(file: StoredFile, first: int = 0, last: int | None = None) -> Iterator[bytes]:
    """Yield the content part by part, from the first to the last of these numbers."""
    number = first
    while (last is None or number <= last) and (part := FilePart.objects.filter(file=file, number=number).first()):
        yield zlib.decompress(base64.b64decode(part.content))
        number += 1


def delete_file(file: StoredFile | None) -> None:
    if file is not None:
        StoredFile.objects.filter(pk=file.pk).delete()


def write_private_file(name: str, pieces: Iterable[bytes]) -> Path:
    """Write a file only its owner can read, under `var/imports`; return where. It is deleted after some days."""
    folder = _private_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / name
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.writelines(pieces)
    return path


def delete_private_files(*, before: datetime | None = None) -> None:
    """Delete the files written there, or those older than `before`."""
    for path in _private_folder().glob("*"):
        if before is None or path.stat().st_mtime < before.timestamp():
            path.unlink(missing_ok=True)


def _private_folder() -> Path:
    return Path(settings.VAR_DIR) / "imports"
