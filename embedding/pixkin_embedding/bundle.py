"""The extractor file: one ONNX file that says how it behaves and proves that it is whole.

Two metadata entries hold JSON: `pixkin` (behaviour: preprocessing, descriptors, golden vectors, fingerprint) and
`pixkin_provenance` (where it comes from). The fingerprint is the SHA-256 of what determines the vectors: the file's
top-level fields ir_version, graph, opset_import and functions (numbers 1, 7, 8, 25 of ModelProto in onnx.proto), and
the behaviour without the fingerprint and the golden vectors. Those are left out because another processor computes
their last bits differently, and the same export must have the same fingerprint everywhere; they are compared by cosine.
Files are read with the few lines of protobuf in `wire`, so nothing here needs the onnx package.
"""

from __future__ import annotations

import base64
import hashlib
import json
import mmap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.axes import Axis, axes_from_plain, check_axes
from pixkin_proto.descriptors import Descriptor, Norm, check_descriptor
from pixkin_proto.errors import InvalidExtractor, PixkinError
from pixkin_proto.names import check_name

from pixkin_embedding.preprocessing import Preprocessing
from pixkin_embedding.wire import bytes_field, fields, strings

FORMAT = 1
BEHAVIOUR = "pixkin"
PROVENANCE = "pixkin_provenance"
MAX_FILE_BYTES = 2**31 - 1
_FINGERPRINTED = {1, 7, 8, 25}
_METADATA = 14


@dataclass(frozen=True)
class Extractor:
    """What an extractor file says of itself.

    descriptors: under their short names · golden: for each descriptor (8, dim) float32, the vectors of
    `golden.pictures()` as the exporting machine computed them · untrained: its weights are random, for trials · axes:
    what the components of a descriptor stand for, of those that say so. They stand in the provenance, as they change no
    vector.
    """

    name: str
    preprocessing: Preprocessing
    descriptors: tuple[Descriptor, ...]
    golden: Mapping[str, NDArray[np.float32]]
    fingerprint: str
    provenance: Mapping[str, Any]
    untrained: bool = False
    axes: Mapping[str, tuple[Axis, ...]] = field(default_factory=dict)


def seal(
    model: bytes,
    *,
    name: str,
    preprocessing: Preprocessing,
    descriptors: tuple[Descriptor, ...],
    golden: Mapping[str, NDArray[np.float32]],
    provenance: Mapping[str, Any],
    untrained: bool = False,
) -> bytes:
    """Return an ONNX model (serialised, without metadata) as an extractor file."""
    behaviour: dict[str, Any] = {
        "format": FORMAT,
        "name": check_name("extractor", name),
        "preprocessing": preprocessing.to_dict(),
        "descriptors": [_descriptor_to_dict(check_descriptor(descriptor)) for descriptor in descriptors],
        "golden": {key: base64.b64encode(value.astype("<f4").tobytes()).decode() for key, value in golden.items()},
    }
    if untrained:
        behaviour["untrained"] = True
    behaviour["fingerprint"] = _fingerprint(model, behaviour)
    return model + _metadata_entry(BEHAVIOUR, behaviour) + _metadata_entry(PROVENANCE, provenance)


def read_extractor(path: Path) -> tuple[Extractor, bytes]:
    """Return an extractor file's description and its bytes; raise InvalidExtractor unless the fingerprint fits."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidExtractor(f"{path} is larger than 2 GB, which no ONNX file can be; export it again")
        data = path.read_bytes()
    except OSError as error:
        raise InvalidExtractor(f"{path} cannot be read: {error.strerror}") from error
    extractor = describe(memoryview(data), path)
    actual = _fingerprint(data, _behaviour(memoryview(data), path))
    if actual != extractor.fingerprint:
        raise InvalidExtractor(
            f"{path} has been damaged or edited: its fingerprint is {actual[:12]} and it was sealed as "
            f"{extractor.fingerprint[:12]}; export it again"
        )
    return extractor, data


def read_description(path: Path) -> Extractor:
    """Return an extractor file's description without reading its weights, so the fingerprint is only what it claims."""
    try:
        with path.open("rb") as file:
            pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # closed when its last view is gone
    except (OSError, ValueError) as error:
        raise InvalidExtractor(f"{path} cannot be read: {error}") from error
    return describe(memoryview(pages), path)


def describe(data: memoryview, path: Path) -> Extractor:
    """Return what the bytes of an extractor file say; `path` is for messages. The fingerprint is what they claim."""
    behaviour = _behaviour(data, path)
    try:
        descriptors = tuple(_descriptor_from_dict(entry) for entry in behaviour["descriptors"])
        provenance = _metadata(data, path).get(PROVENANCE, {})
        return Extractor(
            name=check_name("extractor", behaviour["name"]),
            preprocessing=Preprocessing.from_dict(behaviour["preprocessing"]),
            descriptors=descriptors,
            golden={d.name: _golden(behaviour["golden"][d.name], d.dim) for d in descriptors},
            fingerprint=str(behaviour["fingerprint"]),
            provenance=provenance,
            axes=_axes(provenance.get("axes", {}), descriptors),
            untrained=bool(behaviour.get("untrained", False)),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidExtractor(f"{path} describes itself badly ({error!r}); export it again") from error
    except PixkinError as error:
        raise InvalidExtractor(f"{path} describes itself badly: {error.message}") from error


def _behaviour(data: memoryview, path: Path) -> dict[str, Any]:
    behaviour = _metadata(data, path).get(BEHAVIOUR)
    if not isinstance(behaviour, dict):
        raise InvalidExtractor(f"{path} is no extractor file; make one with: pixkin export-model NAME")
    if behaviour.get("format") != FORMAT:
        raise InvalidExtractor(
            f"{path} has format {behaviour.get('format')!r}, this pixkin reads {FORMAT}; upgrade pixkin or export again"
        )
    return behaviour


def _metadata(data: memoryview, path: Path) -> dict[str, Any]:
    try:
        entries = [value for number, value in strings(data) if number == _METADATA]
        texts = [{number: bytes(text).decode() for number, text in strings(entry)} for entry in entries]
        pairs = {text[1]: text[2] for text in texts}
        return {key: json.loads(pairs[key]) for key in (BEHAVIOUR, PROVENANCE) if key in pairs}
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise InvalidExtractor(f"{path} is no whole ONNX file ({error}); export it again") from error


def _fingerprint(model: bytes, behaviour: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    for number, value in fields(memoryview(model)):
        if number in _FINGERPRINTED:
            content = value if isinstance(value, memoryview) else str(value).encode()
            digest.update(f"{number}:{len(content)}:".encode())
            digest.update(content)
    digest.update(_canonical({key: value for key, value in behaviour.items() if key not in ("fingerprint", "golden")}))
    return digest.hexdigest()


def _metadata_entry(key: str, value: Mapping[str, Any]) -> bytes:
    pair = bytes_field(1, key.encode()) + bytes_field(2, _canonical(value))
    return bytes_field(_METADATA, pair)


def _canonical(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _golden(text: str, dim: int) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4").reshape(-1, dim)


def _axes(plain: Mapping[str, Any], descriptors: tuple[Descriptor, ...]) -> dict[str, tuple[Axis, ...]]:
    return {
        each.name: check_axes(axes_from_plain(plain[each.name]), each.dim) for each in descriptors if each.name in plain
    }


def _descriptor_to_dict(descriptor: Descriptor) -> dict[str, Any]:
    return {
        "name": descriptor.name,
        "dim": descriptor.dim,
        "norm": str(descriptor.norm),
        "non_negative": descriptor.non_negative,
        "default_measure": descriptor.default_measure,
    }


def _descriptor_from_dict(entry: Mapping[str, Any]) -> Descriptor:
    return check_descriptor(
        Descriptor(
            name=entry["name"],
            dim=int(entry["dim"]),
            norm=Norm(entry["norm"]),
            non_negative=bool(entry["non_negative"]),
            default_measure=entry["default_measure"],
        )
    )
