"""How well every extractor without a large download finds pictures of the same class: one table of mAP.

Corel-1k: each of 1,000 photos is a query against all others. CIFAR-10: 200 pictures of the test set are queries against
10,000 of the training set, both drawn at random. Relevant is what has the query's class, so chance is 0.1; average
precision is over the full ranking. Words are learnt from the pictures that are searched. The two larger networks are
left out of CIFAR-10, where they would take as long as all the rest.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby, islice
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
import report
from numpy.typing import NDArray
from pixkin_embedding.encoder import Encoder, load_encoder
from pixkin_embedding.images import decode
from pixkin_embedding.limits import FOLDER_LIMITS
from pixkin_embedding.preprocessing import prepare
from pixkin_export.classic import bovw, vocabulary
from pixkin_export.exporting import export_model
from pixkin_export.sources.options import SourceOptions
from pixkin_proto.descriptors import MEASURES as KINDS
from pixkin_proto.descriptors import Descriptor, Kind
from pixkin_scoring.evaluation.metrics import average_precision
from pixkin_scoring.measures import MEASURES, Better, Measure, check_query, clamp, prepared_query

COMPARED = ("euclidean", "manhattan", "cosine", "chi2", "bhattacharyya", "intersection")
WORDS = 400
CIFAR_QUERIES, CIFAR_DOCUMENTS = 200, 10_000
BATCH = 16
LIMIT = 0.2
"""The least mAP on Corel-1k, twice chance."""

Rows = NDArray[np.float32]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Extractor:
    """What is exported: an entry of the catalogue, with other descriptors than its own where they are named."""

    entry: str
    descriptors: tuple[str, ...] = ()
    large: bool = False
    words: bool = False


EXTRACTORS = {
    "hsv-histogram": Extractor("hsv-histogram"),
    "rgb-histogram": Extractor("hsv-histogram", ("histogram:space=rgb",)),
    "lab-histogram": Extractor("hsv-histogram", ("histogram:space=lab",)),
    "grey-histogram": Extractor("grey-histogram"),
    "hog": Extractor("hog"),
    "lbp": Extractor("lbp"),
    "sift": Extractor("sift"),
    "bovw": Extractor("bovw", words=True),
    "hog-gch": Extractor("hog-gch"),
    "hog-sift": Extractor("hog-sift", words=True),
    "hog-gch-sift": Extractor("hog-gch-sift", words=True),
    "efficientnet-lite0": Extractor("efficientnet-lite0"),
    "efficientnet-lite1": Extractor("efficientnet-lite1", large=True),
    "efficientnet-lite2": Extractor("efficientnet-lite2", large=True),
}


class Pictures(NamedTuple):
    """Decoded pictures and their classes."""

    pixels: list[Pixels]
    classes: NDArray[np.str_]


class Task(NamedTuple):
    """Queries and what they are compared with; without queries each document is one, against all others."""

    name: str
    documents: Pictures
    queries: Pictures | None


def measure() -> Iterator[report.Row]:
    """Yield a row for every extractor and set of pictures."""
    folder = report.corel()
    if folder is None:
        raise SystemExit("Corel-1k is not there; PIXKIN_TEST_DATA names the folder that holds corel1k and cifar10")
    for task in (corel(folder), cifar(folder.parent / "cifar10")):
        words = learnt(task.documents.pixels)
        for name, extractor in EXTRACTORS.items():
            if not (extractor.large and task.queries):
                yield judged(name, extractor, task, words)


def judged(name: str, extractor: Extractor, task: Task, words: Rows) -> report.Row:
    """Return the mAP of an extractor by measure, and the best of them."""
    began = perf_counter()
    encoder = exported(extractor, words)
    [descriptor] = encoder.extractor.descriptors
    documents = encoded(encoder, task.documents.pixels)
    queries = encoded(encoder, task.queries.pixels) if task.queries else None
    values = {
        each: round(mean_average_precision(each, descriptor, task, documents, queries), 4)
        for each in COMPARED
        if descriptor.non_negative or KINDS[each] is Kind.ANY
    }
    best = max(values, key=values.__getitem__)
    row = {"pictures": task.name, "extractor": name, "dim": descriptor.dim, **values, "best": best}
    limit = {} if task.queries else {"limit": f">= {LIMIT:g}", "ok": values[best] >= LIMIT}
    return {**row, **limit, "seconds": round(perf_counter() - began, 1)}


def exported(extractor: Extractor, words: Rows) -> Encoder:
    """Return an extractor, made and loaded as its user would."""
    return _made(extractor, SourceOptions(vocabulary=words)) if extractor.words else _wordless(extractor)


@cache
def _wordless(extractor: Extractor) -> Encoder:
    return _made(extractor, SourceOptions())


def _made(extractor: Extractor, options: SourceOptions) -> Encoder:
    with tempfile.TemporaryDirectory() as folder:
        asked = extractor.descriptors
        file = export_model(extractor.entry, directory=Path(folder), options=options, descriptors=asked)
        return load_encoder(file, "cpu")


def learnt(pictures: Sequence[Pixels]) -> Rows:
    """Return a vocabulary (WORDS, 128) of pictures."""
    encoder = _wordless(Extractor("sift", (f"sift:step={bovw.STEP},root=yes",)))
    prepared = (prepare(each, encoder.extractor.preprocessing, FOLDER_LIMITS) for each in pictures)
    return vocabulary.learn(vocabulary.sample(prepared, lambda pixels: encoder.encode(pixels)["sift"]), WORDS)


def encoded(encoder: Encoder, pictures: Sequence[Pixels]) -> Rows:
    """Return the vectors (n, d) of pictures, in their order."""
    [descriptor] = encoder.extractor.descriptors
    prepared = (prepare(each, encoder.extractor.preprocessing, FOLDER_LIMITS) for each in pictures)
    blocks = [encoder.encode(np.stack(batch))[descriptor.name] for batch in batches(prepared)]
    return np.ascontiguousarray(np.concatenate(blocks))


def batches(pictures: Iterator[Pixels]) -> Iterator[list[Pixels]]:
    """Yield neighbours of one shape, at most BATCH together."""
    for _, alike in groupby(pictures, lambda each: each.shape):
        while batch := list(islice(alike, BATCH)):
            yield batch


def mean_average_precision(
    name: str, descriptor: Descriptor, task: Task, documents: Rows, queries: Rows | None
) -> float:
    """Return the mean over queries of the average precision of the full ranking by a measure."""
    chosen = MEASURES[name]
    mass = chosen.kind is Kind.MASS
    squares = np.einsum("nd,nd->n", documents, documents, dtype=np.float64)
    totals = documents.sum(axis=1, dtype=np.float64) if mass else np.sqrt(squares)
    classes = task.documents.classes if task.queries is None else task.queries.classes
    precisions = []
    for place, vector in enumerate(documents if queries is None else queries):
        query = prepared_query(chosen, check_query(vector, descriptor, name), normalise=True)
        order = ranking(chosen, query, documents, totals)
        relevant = task.documents.classes[order if queries is not None else order[order != place]] == classes[place]
        precisions.append(average_precision(relevant, int(relevant.sum())))
    return float(np.mean(precisions))


def ranking(by: Measure, query: NDArray[np.float64], documents: Rows, totals: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the places of all documents, best first; the kernel in float64 gives the formula's values."""
    found = np.empty(len(documents))
    by.kernel(query, documents, totals, by.disjoint or 0.0, found)
    exact = clamp(by, found, normalise=True)
    return np.argsort(exact if by.better is Better.LOW else -exact, kind="stable")


def corel(folder: Path) -> Task:
    """Return the task of Corel-1k."""
    files = sorted(folder.glob("*/*.jpg"))
    pixels = [decode(file.read_bytes(), FOLDER_LIMITS) for file in files]
    return Task("Corel-1k", Pictures(pixels, np.array([file.parent.name for file in files])), None)


def cifar(folder: Path) -> Task:
    """Return the task of CIFAR-10."""
    documents = drawn(folder / "train.zip", CIFAR_DOCUMENTS)
    return Task("CIFAR-10", documents, drawn(folder / "test.zip", CIFAR_QUERIES))


def drawn(archive: Path, count: int) -> Pictures:
    """Return pictures PART/CLASS/NNNN.jpg of an archive, chosen at random."""
    with zipfile.ZipFile(archive) as pictures:
        names = sorted(name for name in pictures.namelist() if name.endswith(".jpg"))
        chosen = sorted(np.random.default_rng(0).choice(names, count, replace=False))
        pixels = [decode(pictures.read(name), FOLDER_LIMITS) for name in chosen]
    return Pictures(pixels, np.array([name.split("/")[-2] for name in chosen]))


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    path = parser.parse_args().json
    rows = []
    for row in measure():
        print(row["pictures"], row["extractor"], row["best"], row[str(row["best"])], file=sys.stderr, flush=True)
        rows.append(row)
    shown = [{key: f"{value:.3f}" if key in COMPARED else value for key, value in row.items()} for row in rows]
    print(report.table(shown, ["pictures", "extractor", "dim", *COMPARED, "best", "limit", "ok", "seconds"]))
    facts = report.circumstances(["numpy", "onnxruntime", "scikit-learn"])
    report.write(path, {"circumstances": facts, "words": WORDS, "rows": rows})


if __name__ == "__main__":
    main()
