"""The vocabulary of a bag of visual words, learnt from a folder of pictures before the extractor is exported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pixkin_embedding.encoder import Session
from pixkin_embedding.images import decode
from pixkin_embedding.limits import FOLDER_LIMITS
from pixkin_embedding.preprocessing import prepare
from pixkin_proto.errors import InvalidArgument, InvalidImage

from pixkin_export.catalogue import Entry
from pixkin_export.classic import sift
from pixkin_export.classic.vocabulary import BATCH, davies_bouldin, learn, sample
from pixkin_export.graph import Graph
from pixkin_export.heads.specs import Part, parse_spec
from pixkin_export.origins import open_origin
from pixkin_export.sources.options import SourceOptions

WORDS = 400
SHARES = (0.25, 0.5, 1.0, 2.0)
"""Sizes of vocabulary for which the index is computed, as shares of the size that is asked for."""


@dataclass(frozen=True)
class Trained:
    """A vocabulary (words, 128) float32, and what came of its training.

    descriptors: how many it was learnt from · index: Davies-Bouldin by number of words, lower is better · refused: how
    many pictures could not be read.
    """

    vocabulary: NDArray[np.float32]
    descriptors: int
    index: dict[int, float] = field(default_factory=dict)
    refused: int = 0


def needs_training(entry: Entry, descriptors: Sequence[str]) -> bool:
    """Whether what is asked for has a bag of visual words."""
    return any("vocabulary" in part.head.given for part in _parts(entry, descriptors))


def train(
    entry: Entry,
    options: SourceOptions,
    descriptors: Sequence[str],
    pictures: Iterable[bytes],
    *,
    words: int = WORDS,
    batch: int = BATCH,
) -> Trained:
    """Learn the vocabulary that the descriptors of an export need.

    Args:
        entry: what is exported.
        options: as for the export.
        descriptors: as for the export.
        pictures: files; those that cannot be read are counted.
        words: how many words.
        batch: descriptors a step of k-means.

    Raises:
        InvalidArgument: nothing here needs a vocabulary, or there are too few pictures.
        MissingExtra: scikit-learn is not installed.
    """
    wanted = [part for part in _parts(entry, descriptors) if "vocabulary" in part.head.given]
    if not wanted:
        raise InvalidArgument(f"{entry.name} learns nothing from pictures; leave out --train, or add --descriptor bovw")
    settings = {tuple(sorted(part.settings.items())) for part in wanted}
    if len(settings) > 1:
        raise InvalidArgument("two bags of words of one file have the same cell, step and root; export two files")
    preprocessing = open_origin(entry.origin, options, entry.layers).source.preprocessing
    size = preprocessing.output_shape
    if size is None:
        raise InvalidArgument("visual words need pictures of one size: give --size N in place of --native")
    session = _session(size, wanted[0])
    refused = [0]

    def prepared() -> Iterator[NDArray[np.uint8]]:
        for data in pictures:
            try:
                yield prepare(decode(data, FOLDER_LIMITS), preprocessing, FOLDER_LIMITS)
            except InvalidImage:
                refused[0] += 1

    found = sample(prepared(), lambda pixels: session.run(pixels, ["sift"])["sift"])
    vocabulary = learn(found, words, batch=batch)
    sizes = sorted({max(2, round(share * words)) for share in SHARES})
    most = len(np.unique(found, axis=0)) - 1
    index = davies_bouldin(found, [each for each in sizes if each <= most], batch=batch)
    return Trained(vocabulary, len(found), index, refused[0])


def _parts(entry: Entry, descriptors: Sequence[str]) -> list[Part]:
    texts = [entry.presets.get(each, each) for each in descriptors or entry.descriptors]
    return [part for text in texts for part in parse_spec(text).parts]


def _session(size: tuple[int, int], words: Part) -> Session:
    graph = Graph("sift", *size)
    graph.name({"sift": sift.add(graph, size=size, **words.settings)})
    return Session(graph.model({"sift": sift.dim(size=size, **words.settings)}).SerializeToString(), "cpu")
