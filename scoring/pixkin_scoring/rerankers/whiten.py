"""Whitening at query time: the candidates are compared anew after a projection that is kept with the collection."""

from __future__ import annotations

import numpy as np
from pixkin_proto.errors import InvalidPlan
from pixkin_proto.whitening import Whitening, whitening_from_bytes, whitening_key

from pixkin_scoring.attachments import attachment
from pixkin_scoring.items import Collection
from pixkin_scoring.rerankers.reranker import TOP, Needed, Order, Phase, Raw, Reranker, Shortlist, Values, by_score
from pixkin_scoring.stages import Option
from pixkin_scoring.stores import Store


def whiten(shortlist: Shortlist, options: Values) -> Order:
    """Re-rank by the cosine of whitened vectors; later stages see these. The score is (1 + cosine) / 2.

    Raises InvalidArgument for a whitening of another descriptor or extractor, and for more `dims` than it has.
    """
    raw, whitening = shortlist.raw, shortlist.attachment
    if raw is None or not isinstance(whitening, Whitening):
        raise InvalidPlan("reranker whiten compares one descriptor, and several are fused; search with one")
    name, fingerprint = raw.descriptor.name.rpartition(".")[2], raw.descriptor.fingerprint
    whitening.check_fits(fingerprint=fingerprint, descriptor=name)
    dims = int(options["dims"]) or None
    own = whitening.applied(raw.query, dims=dims)
    rows = whitening.applied(raw.vectors, dims=dims)
    order = by_score(np.clip((1 + rows @ own) / 2, 0, 1))
    return Order(order.places, order.scores, query=own.astype(np.float32), vectors=rows.astype(np.float32))


def _attached(store: Store, collection: Collection, _: Raw | None, options: Values) -> Whitening:
    found: Whitening = attachment(store, collection, whitening_key(str(options["name"])), whitening_from_bytes)
    return found


WHITEN = Reranker(
    "whiten",
    {
        "top": Option(int, 1000, 1, 100_000, note=TOP),
        "name": Option(str, required=True, note="a whitening that is attached to the collection"),
        "dims": Option(int, 0, 0, 65_536, note="how many of its dimensions count; 0 for all"),
    },
    whiten,
    phase=Phase.SPACE,
    note="compares anew after an attached whitening",
    needed=Needed(_attached),
)
