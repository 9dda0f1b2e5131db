"""Make an extractor file: weights in, one sealed ONNX file out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pixkin_embedding import golden
from pixkin_embedding.bundle import Extractor, describe, read_description, seal
from pixkin_embedding.encoder import Encoder, Session, encode_golden
from pixkin_embedding.preprocessing import prepare
from pixkin_proto.errors import InvalidArgument, InvalidExtractor, listed
from pixkin_proto.names import check_name
from pixkin_proto.whole_file import write_whole

from pixkin_export.catalogue import Entry, find_entry, onnx_entry
from pixkin_export.origins import check_installed, file_sha256, open_origin
from pixkin_export.sources.options import SourceOptions

if TYPE_CHECKING:
    import onnx

    from pixkin_export.asked import Asked, Projection
    from pixkin_export.derived import Smaller, Whitened
    from pixkin_export.sources.source import Source

MADE_WITH = ("pixkin", "numpy", "onnx", "onnxruntime", "torch", "torchvision", "timm")


def export_model(
    name: str,
    *,
    directory: Path,
    output: Path | None = None,
    options: SourceOptions | None = None,
    descriptors: Sequence[str] = (),
    onnx_file: Path | None = None,
    whitened: Whitened | None = None,
    smaller: Smaller | None = None,
    own_name: str = "",
    force: bool = False,
) -> Path:
    """Export an extractor and return the path of its file: `output`, else NAME.onnx in `directory`.

    Args:
        name: of the catalogue, or any `torchvision:NAME` or `timm:NAME`.
        directory: where extractors are.
        output: the file to write in place of that.
        options: of the network: its weights, the size of its input.
        descriptors: what the file shall compute in place of the entry's own, in the words of `heads.specs`.
        onnx_file: the network itself; `name` is then the extractor's.
        whitened: a further descriptor, one of the others on its principal components.
        smaller: compute the network with fewer bits.
        own_name: of the extractor; the entry's, and what was made of it, where empty.
        force: replace an extractor of another fingerprint, which collections may need.

    The same arguments give the same bytes on the same machine. Nothing is left behind when it fails, and a file that
    was there stays until the new one is whole.

    Raises:
        InvalidArgument: an unknown name, layer, head or setting, or an unwritable place.
        MissingExtra: what the network comes from is not installed.
        InvalidExtractor: the weights are bad, or the graph does not compute what its source does (ParityFailed).
    """
    options = options or SourceOptions()
    entry = onnx_entry(name, onnx_file, options.cuts) if onnx_file else find_entry(name)
    check_installed()
    suffix = ("-white" if whitened else "") + (f"-{smaller.bits}" if smaller else "")
    own_name = check_name("extractor", own_name or entry.name + suffix)
    path = output or directory / f"{own_name}.onnx"
    content = make_extractor(entry, own_name, options, descriptors, whitened=whitened, smaller=smaller)
    if not force:
        _check_replaceable(path, content)
    write_whole(path, content, otherwise="name another place with -o FILE or --extractors DIR")
    return path


def make_extractor(
    entry: Entry,
    name: str,
    options: SourceOptions,
    descriptors: Sequence[str] = (),
    *,
    whitened: Whitened | None = None,
    smaller: Smaller | None = None,
) -> bytes:
    """Return an extractor file's content, after it has been compared with its source; see `export_model`."""
    from pixkin_export.asked import ask
    from pixkin_export.compare import how_near
    from pixkin_export.parity import check_batches, check_declared, compare_with_source

    source, described, licence, file = open_origin(entry.origin, options, entry.layers)
    texts = _texts(entry, source, options, descriptors)
    asked = ask(entry.name, source, texts)
    if whitened:
        base = _fingerprint(entry, source, asked, untrained=options.untrained)
        asked = ask(entry.name, source, texts, _projection(whitened, asked, base))
    encoder = _encoder(name, source, asked, asked.model)
    check_declared(name, asked.descriptors, encode_golden(encoder))
    picture = prepare(golden.pictures()[0], source.preprocessing)
    check_batches(name, encoder.encode, np.stack([picture, picture[::-1, ::-1]]))
    fresh = open_origin(entry.origin, options, entry.layers).source  # an exporter may have changed the first
    rows = compare_with_source(asked, fresh, encoder.encode)
    model, told = asked.model, {}
    if smaller:
        model, pictures = smaller.make(asked.model, asked.tensors, source.preprocessing)
        whole, encoder = encoder, _encoder(name, source, asked, model)
        near = [each.plain() for each in how_near(whole.encode, encoder.encode, pictures)]
        told = {"smaller": {"bits": smaller.bits, "rows": near}}
    vectors = encode_golden(encoder)
    check_declared(name, asked.descriptors, vectors)
    return seal(
        model.SerializeToString(deterministic=True),
        name=name,
        preprocessing=source.preprocessing,
        descriptors=asked.descriptors,
        golden=vectors,
        provenance={
            "source": described,
            "licence": licence,
            "weights_sha256": file_sha256(file) if file else None,
            "made_with": {package: found for package in MADE_WITH if (found := _version(package))},
            "parity": {"against": source.against, "rows": [row.plain() for row in rows]},
            **({"axes": axes} if (axes := asked.axes) else {}),
            **told,
        },
        untrained=options.untrained,
    )


def _averaged(cut: str, options: SourceOptions) -> str:
    """Return what is asked for a feature map of which nothing is said: its average, called after it if not alone."""
    own = re.sub(r"[^a-z0-9]+", "-", cut.lower()).strip("-")
    return f"{own}=gap:layer={cut}" if len(options.cuts) > 1 else f"gap:layer={cut}"


def _encoder(name: str, source: Source, asked: Asked, model: onnx.ModelProto) -> Encoder:
    unsealed = Extractor(name, source.preprocessing, asked.descriptors, golden={}, fingerprint="", provenance={})
    return Encoder(unsealed, Session(model.SerializeToString(deterministic=True), "cpu"))


def _fingerprint(entry: Entry, source: Source, asked: Asked, *, untrained: bool) -> str:
    """Return the fingerprint of the extractor without a whitened descriptor, under the entry's own name."""
    blank = {each.name: np.zeros((1, each.dim), np.float32) for each in asked.descriptors}
    content = seal(
        asked.model.SerializeToString(deterministic=True),
        name=entry.name,
        preprocessing=source.preprocessing,
        descriptors=asked.descriptors,
        golden=blank,
        provenance={},
        untrained=untrained,
    )
    return describe(memoryview(content), Path(entry.name)).fingerprint


def _projection(whitened: Whitened, asked: Asked, fingerprint: str) -> Projection:
    from pixkin_export.asked import Projection

    whitening = whitened.read()
    names = [spec.name for spec in asked.specs]
    if whitening.descriptor not in names:
        raise InvalidArgument(
            f"{whitened.file} was learnt of the descriptor {whitening.descriptor}, and this export has {listed(names)}"
        )
    whitening.check_fits(fingerprint=fingerprint, descriptor=whitening.descriptor)
    dims = len(whitening.components) if whitened.dims is None else whitened.dims
    name = whitening.descriptor + whitened.suffix
    return Projection(name, whitening.descriptor, whitening, dims, whiten=not whitened.plain)


def _texts(entry: Entry, source: Source, options: SourceOptions, descriptors: Sequence[str]) -> list[str]:
    """Return what is asked for: by name, else the entry's own, else what an ONNX file is cut at."""
    wanted = descriptors or entry.descriptors
    if not wanted:
        return [cut if source.layer(cut).kind == "vector" else _averaged(cut, options) for cut in options.cuts]
    return [entry.presets.get(each, each) for each in wanted]


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
