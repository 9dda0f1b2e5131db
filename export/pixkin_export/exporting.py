"""Make an extractor file: weights in, one sealed ONNX file out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pixkin_embedding import golden
from pixkin_embedding.bundle import Extractor, describe, read_description, seal
from pixkin_embedding.encoder import Encoder, Session, encode_golden
from pixkin_embedding.preprocessing import prepare
from pixkin_proto.errors import InvalidArgument, InvalidExtractor, MissingExtra

from pixkin_export.catalogue import Entry, find_entry

if TYPE_CHECKING:
    import onnx
    from pixkin_proto.descriptors import Descriptor

    from pixkin_export.parity import Vectors


def export_model(
    name: str,
    *,
    directory: Path,
    output: Path | None = None,
    weights: Path | None = None,
    with_outputs: Sequence[str] = (),
    force: bool = False,
) -> Path:
    """Export an extractor of the catalogue and return the path of its file: `output`, else NAME.onnx in `directory`.

    weights: a file to read in place of the published weights · with_outputs: optional outputs to include · force:
    replace an extractor of another fingerprint, which collections may need. The same arguments give the same bytes on
    the same machine. Nothing is left behind when it fails, and a file that was there stays until the new one is whole.
    Raises InvalidArgument for an unknown name, output or an unwritable place, MissingExtra, InvalidExtractor for bad
    weights.
    """
    entry = find_entry(name)
    descriptors = entry.chosen(with_outputs)
    path = output or directory / f"{name}.onnx"
    if find_spec("onnx") is None:
        raise MissingExtra("export-model", "export")
    content = _extractor_file(entry, descriptors, _weights(entry, weights))
    if not force:
        _check_replaceable(path, content)
    _write_whole(path, content)
    return path


def _weights(entry: Entry, given: Path | None) -> Path | None:
    if entry.find_weights is None:
        if given is not None:
            raise InvalidArgument(f"{entry.name} is a formula and reads no weights; leave out --weights")
        return None
    return given or entry.find_weights()


def _extractor_file(entry: Entry, descriptors: tuple[Descriptor, ...], weights: Path | None) -> bytes:
    from pixkin_export.parity import check_declared

    model = entry.build(weights, [descriptor.name for descriptor in descriptors])
    content: bytes = model.SerializeToString(deterministic=True)
    unsealed = Extractor(entry.name, entry.preprocessing, descriptors, golden={}, fingerprint="", provenance={})
    vectors = encode_golden(Encoder(unsealed, Session(content, "cpu")))
    check_declared(entry.name, descriptors, vectors)
    return seal(
        content,
        name=entry.name,
        preprocessing=entry.preprocessing,
        descriptors=descriptors,
        golden=vectors,
        provenance=_provenance(entry, model, weights, vectors),
    )


def _provenance(entry: Entry, model: onnx.ModelProto, weights: Path | None, vectors: Vectors) -> dict[str, Any]:
    from pixkin_export.parity import compare_with_reference

    picture = prepare(golden.pictures()[0], entry.preprocessing)[np.newaxis]
    first = {descriptor: rows[:1] for descriptor, rows in vectors.items()}
    return {
        "source": entry.source,
        "licence": entry.licence,
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest() if weights else None,
        "made_with": {package: _version(package) for package in ("pixkin", "numpy", "onnx", "onnxruntime")},
        "parity": {"against": "onnx.reference", "rows": compare_with_reference(model, picture, first)},
    }


def _version(package: str) -> str | None:
    for distribution in (package, f"{package}-gpu"):
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return None


def _check_replaceable(path: Path, content: bytes) -> None:
    """Raise InvalidArgument when another extractor than this one is at `path`."""
    try:
        there = read_description(path).fingerprint
    except InvalidExtractor:
        return  # nothing, or nothing that a collection could need
    if there != describe(memoryview(content), path).fingerprint:
        raise InvalidArgument(
            f"{path} holds another extractor ({there[:12]}), which collections may need; write this one elsewhere with "
            "-o FILE, or replace it with --force"
        )


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file so that its name never stands for a part of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidArgument(
            f"{path} cannot be written: {error.strerror}; name another place with -o FILE or --extractors DIR"
        ) from error
