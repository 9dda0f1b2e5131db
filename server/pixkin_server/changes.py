"""Whether a file's picture must be read again, from what the collection knows of it."""

from __future__ import annotations

from pixkin_scoring.items import FileFacts, Item

from pixkin_server.api import FileState


def file_state(known: Item | None, facts: FileFacts, *, checksum: bool) -> FileState:
    """Compare an item with its file: same size and modification time is unchanged, else the SHA-256 decides.

    checksum: let the SHA-256 decide always.
    """
    if known is None:
        return FileState.NEW
    old = known.file
    if not checksum and (old.size, old.mtime_ns) == (facts.size, facts.mtime_ns) and facts.mtime_ns:
        return FileState.UNCHANGED
    if not facts.sha256:
        return FileState.CHECKSUM_NEEDED if old.sha256 else FileState.CHANGED
    return FileState.UNCHANGED if old.sha256 == facts.sha256 else FileState.CHANGED
