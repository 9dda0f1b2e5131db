"""What is known of a picture's file."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

from pixkin_proto.errors import InvalidId, InvalidImage
from pixkin_proto.names import check_id
from pixkin_scoring.items import FileFacts

from pixkin_server.folders.pictures import Picture


def facts_of(picture: Picture, *, checksum: bool) -> FileFacts:
    """Return size and time of a picture's file, and with checksum its SHA-256. Raises InvalidId, InvalidImage."""
    check_id(picture.id)
    try:
        str(picture.path).encode()
        status = picture.path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InvalidImage("unsupported_format", f"{picture.path} is not a file")
        return FileFacts(status.st_size, status.st_mtime_ns, sha256_of(picture.path) if checksum else b"")
    except UnicodeEncodeError:
        raise InvalidId(f"the path {str(picture.path)!a} is not valid UTF-8; rename the file or folder") from None
    except OSError as error:
        raise InvalidImage("corrupt", f"{picture.path} cannot be read: {error.strerror}") from error


def sha256_of(path: Path) -> bytes:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
