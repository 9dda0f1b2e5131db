"""The typed client: the engine's operations against a server, with the engine's own errors.

with Client("127.0.0.1:7475") as client:
    result = client.search("holiday", [Query(image=Path("beach.jpg").read_bytes())])
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from pixkin_embedding.images import Box
from pixkin_embedding.limits import REQUEST_LIMITS
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import InvalidArgument, PixkinError
from pixkin_proto.loopback import is_loopback
from pixkin_proto.names import check_id
from pixkin_proto.v1 import collections_pb2 as pb
from pixkin_proto.v1 import collections_pb2_grpc, embedding_pb2, embedding_pb2_grpc, search_pb2, search_pb2_grpc
from pixkin_scoring.items import AddResult, Collection, FileFacts, Item, ItemUpdate, Verification
from pixkin_scoring.plan import Plan
from pixkin_scoring.results import SearchResult
from pixkin_scoring.stores.layout import IndexLayout

from pixkin_server.api import (
    UNREADABLE,
    Embedding,
    ExtractorChoice,
    ExtractorInfo,
    FileState,
    NewItem,
    Query,
    SearchCall,
)
from pixkin_server.files import read_picture
from pixkin_server.messages.collections import (
    add_result_from_proto,
    collection_from_proto,
    file_state_from_proto,
    item_from_proto,
    layout_to_proto,
    new_item_to_proto,
    update_to_proto,
)
from pixkin_server.messages.embedding import embedding_from_proto, extractor_from_proto
from pixkin_server.messages.errors import error_from_proto
from pixkin_server.messages.search import outcome_from_proto, request_to_proto, result_from_proto
from pixkin_server.messages.types import box_to_proto, descriptor_to_proto, facts_to_proto
from pixkin_server.sending import MAX_MESSAGE_BYTES, Refused, Sending
from pixkin_server.statuses import error_of_call
from pixkin_server.timeouts import DEFAULT_TIMEOUT, MAX_SECONDS, check_timeout

log = logging.getLogger("pixkin.client")
T = TypeVar("T")
MIB = 1024 * 1024
OPTIONS = (("grpc.max_receive_message_length", 64 * MIB), ("grpc.max_send_message_length", MAX_MESSAGE_BYTES))
CHUNK = 256
LIST_CHUNK = 1000


class Client:
    """A connection to one server. Every call has a deadline: its own `timeout`, or the client's, in seconds.

    A proxy of the environment (grpc_proxy, https_proxy, http_proxy; no_proxy names exceptions) is used for servers on
    other machines alone.

    Raises InvalidArgument for a URL in place of HOST:PORT.
    """

    def __init__(self, address: str, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        if "://" in address:
            raise InvalidArgument(f"a server is named by HOST:PORT, not {address}; the URL of a cluster is a --store")
        self.address, self._timeout = address, check_timeout(timeout)
        self._channel = grpc.insecure_channel(address, options=(*OPTIONS, *_way_to(address)))
        self._embedding = embedding_pb2_grpc.EmbeddingStub(self._channel)
        self._search = search_pb2_grpc.SearchStub(self._channel)
        self._collections = collections_pb2_grpc.CollectionsStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def search(
        self, collection: str, queries: Sequence[Query], plan: Plan | None = None, *, timeout: float | None = None
    ) -> SearchResult:
        """Rank the items of a collection for one query of one or more examples."""
        plan = plan or Plan()
        reply = self._call(self._search.Search, partial(request_to_proto, collection, queries, plan), timeout)
        return result_from_proto(reply, plan)

    def search_batch(
        self, requests: Sequence[SearchCall], *, timeout: float | None = None
    ) -> list[SearchResult | PixkinError]:
        """Answer several (collection, queries, plan) in one call; a bad one gives its error in its place."""

        def make() -> search_pb2.SearchBatchRequest:
            return search_pb2.SearchBatchRequest(requests=[request_to_proto(*request) for request in requests])

        reply = self._call(self._search.SearchBatch, make, timeout)
        return [
            outcome_from_proto(outcome, plan) for outcome, (_, _, plan) in zip(reply.outcomes, requests, strict=True)
        ]

    def embed(
        self, image: bytes, *, extractor: str = "", crop: Box | None = None, timeout: float | None = None
    ) -> Embedding:
        """Compute the descriptors of one picture."""
        make = partial(_embed_request, image, extractor, crop)
        return embedding_from_proto(self._call(self._embedding.Embed, make, timeout))

    def embed_stream(
        self, images: Iterable[bytes], *, extractor: str = "", timeout: float | None = None
    ) -> Iterator[Embedding | PixkinError]:
        """Compute the descriptors of many pictures, in their order; a bad one gives its error in its place."""
        sending = Sending(images, lambda image: _embed_request(image, extractor, None))
        for place in sending.places(self._stream(self._embedding.EmbedStream, sending.requests(), timeout)):
            if isinstance(place, Refused):
                yield place.error
            elif place.WhichOneof("outcome") == "error":
                yield error_from_proto(place.error)
            else:
                yield embedding_from_proto(place.reply)

    def extractors(self) -> list[ExtractorInfo]:
        """List the server's extractors, by name."""
        reply = self._call(self._embedding.ListExtractors, embedding_pb2.ListExtractorsRequest)
        return [extractor_from_proto(extractor) for extractor in reply.extractors]

    def create(
        self,
        name: str,
        extractors: Sequence[ExtractorChoice] = (),
        *,
        descriptors: Sequence[Descriptor] = (),
        thumbnails: bool = True,
        layout: IndexLayout | None = None,
    ) -> Collection:
        """Make an empty collection that encodes with the server's extractors, or holds vectors for descriptors."""

        def make() -> pb.CreateRequest:
            return pb.CreateRequest(
                name=name,
                extractors=[pb.ExtractorChoice(name=each.name, descriptors=each.descriptors) for each in extractors],
                descriptors=[descriptor_to_proto(descriptor) for descriptor in descriptors],
                no_thumbnails=not thumbnails,
                layout=layout_to_proto(layout),
            )

        return collection_from_proto(self._call(self._collections.Create, make))

    def describe(self, name: str) -> Collection:
        """Describe one collection."""
        reply = self._call(self._collections.Describe, partial(pb.DescribeRequest, name=name))
        return collection_from_proto(reply)

    def collections(self) -> list[Collection]:
        """Describe all collections, by name. One that cannot be read is left out, and the log names it."""
        reply = self._call(self._collections.List, pb.ListRequest)
        for each in reply.unreadable:
            log.warning(UNREADABLE, each.name, each.error.message, each.error.reason)
        return [collection_from_proto(each) for each in reply.collections]

    def drop(self, name: str) -> None:
        """Delete a collection."""
        self._call(self._collections.Drop, partial(pb.DropRequest, name=name))

    def add(
        self, name: str, items: Iterable[NewItem], *, root: str = "", timeout: float | None = None
    ) -> list[AddResult]:
        """Send items and return a result for each, in their order. `timeout` is for 256 of them.

        What `items` raises is raised here, once the items before it are stored.
        """
        return list(self.add_stream(name, items, root=root, timeout=timeout))

    def add_stream(
        self, name: str, items: Iterable[NewItem], *, root: str = "", timeout: float | None = None
    ) -> Iterator[AddResult]:
        """Add as `add` does, while the results are read: each comes once its item is durable.

        Items travel in streams of 256; `timeout` is for one of them.
        """
        source = iter(items)
        for first in source:
            sending = Sending(itertools.chain([first], itertools.islice(source, CHUNK - 1)), _add_request)
            requests = itertools.chain(self._header(name, root), sending.requests())
            replies = self._stream(self._collections.Add, requests, timeout or min(self._timeout * 10, MAX_SECONDS))
            for place in sending.places(replies):
                if isinstance(place, Refused):
                    yield AddResult(place.item.id, "refused", place.error)
                else:
                    yield add_result_from_proto(place)

    def update(self, name: str, updates: Iterable[ItemUpdate]) -> list[AddResult]:
        """Change labels, attributes, file facts, source or id; returns one result for each change and refusal."""
        results: list[AddResult] = []
        for chunk in _chunks(updates):
            messages, unsent = _update_messages(chunk)
            make = partial(pb.UpdateRequest, collection=name, items=messages)
            reply = self._call(self._collections.Update, make)
            results += [AddResult(item, "updated") for item in reply.updated]
            results += [*map(add_result_from_proto, reply.refused), *unsent]
        return results

    def remove(self, name: str, ids: Iterable[str]) -> list[str]:
        """Remove items; returns the ids that were there."""
        removed: list[str] = []
        for chunk in _chunks(ids):
            reply = self._call(self._collections.Remove, partial(pb.RemoveRequest, collection=name, ids=chunk))
            unknown = set(reply.unknown)
            removed += [item for item in chunk if item not in unknown]
        return removed

    def list_items(self, name: str, conditions: Sequence[str] = (), *, size: int = 100, after: str = "") -> list[Item]:
        """Return a page of items by id, without thumbnails and vectors."""
        make = partial(pb.ListItemsRequest, collection=name, filter=conditions, size=size, after=after)
        return [item_from_proto(item) for item in self._call(self._collections.ListItems, make).items]

    def get(self, name: str, item: str, *, thumbnail: bool = False, vectors: bool = False) -> Item:
        """Return one item. Raises UnknownItem."""
        make = partial(pb.GetItemRequest, collection=name, id=item, thumbnail=thumbnail, vectors=vectors)
        return item_from_proto(self._call(self._collections.GetItem, make))

    def missing(self, name: str, files: Sequence[tuple[str, FileFacts]], *, checksum: bool = False) -> list[FileState]:
        """Tell for each (id, facts) whether the picture must be added."""
        states: list[FileState] = []
        for chunk in _chunks(files):
            reply = self._call(self._collections.Missing, partial(_missing_request, name, chunk, checksum=checksum))
            states += [file_state_from_proto(state) for state in reply.states]
        return states

    def verify(self, name: str) -> Verification:
        """Check a collection's stored data."""
        reply = self._call(self._collections.Verify, partial(pb.VerifyRequest, collection=name))
        return Verification(reply.items, tuple(reply.problems))

    def _call(self, method: Callable[..., T], make_request: Callable[[], Any], timeout: float | None = None) -> T:
        with self._our_errors():
            return method(make_request(), timeout=self._timeout if timeout is None else check_timeout(timeout))

    def _stream(self, method: Callable[..., Any], requests: Iterator[Any], timeout: float | None) -> Iterator[Any]:
        with self._our_errors():
            call = method(requests, timeout=self._timeout if timeout is None else check_timeout(timeout))
            try:
                yield from call
            finally:
                call.cancel()  # a caller who stops reading stops the work; a call that has ended takes no notice

    def _header(self, name: str, root: str) -> list[pb.AddRequest]:
        with self._our_errors():
            return [pb.AddRequest(header=pb.AddHeader(collection=name, root=root))]

    @contextmanager
    def _our_errors(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise error_of_call(error, self.address) from None
        except ValueError as error:  # protobuf's for what its fields cannot hold, grpc's for a closed channel
            raise InvalidArgument(f"this cannot be sent to {self.address}: {error}") from error


def _way_to(address: str) -> tuple[tuple[str, int], ...]:
    """Options for a server on this machine: gRPC would ask a proxy of the environment even for 127.0.0.1."""
    name = address.removeprefix("dns:").removeprefix("ipv4:").removeprefix("ipv6:")
    host, _, _ = name.rpartition(":")
    return (("grpc.enable_http_proxy", 0),) if is_loopback(host or name) else ()


def _embed_request(image: bytes, extractor: str, crop: Box | None) -> embedding_pb2.EmbedRequest:
    return embedding_pb2.EmbedRequest(extractor=extractor, image=image, crop=box_to_proto(crop))


def _add_request(item: NewItem) -> pb.AddRequest:
    check_id(item.id)
    image = read_picture(item.image, REQUEST_LIMITS) if isinstance(item.image, Path) else item.image or b""
    return pb.AddRequest(item=new_item_to_proto(item, image))


def _update_messages(updates: Iterable[ItemUpdate]) -> tuple[list[pb.ItemUpdate], list[AddResult]]:
    """Return the changes as messages, and the refusals of those that no message can hold."""
    messages, refused = [], []
    for update in updates:
        try:
            messages.append(update_to_proto(update))
        except PixkinError as error:
            refused.append(AddResult(update.id, "refused", error))
    return messages, refused


def _missing_request(collection: str, files: Sequence[tuple[str, FileFacts]], *, checksum: bool) -> pb.MissingRequest:
    known = [pb.KnownFile(id=item, file=facts_to_proto(facts)) for item, facts in files]
    return pb.MissingRequest(collection=collection, files=known, checksum=checksum)


def _chunks(entries: Iterable[T]) -> Iterator[list[T]]:
    """Split a list that may be empty: that is asked too, since the collection may not be there."""
    source = iter(entries)
    chunk = list(itertools.islice(source, LIST_CHUNK))
    while True:
        yield chunk
        if not (chunk := list(itertools.islice(source, LIST_CHUNK))):
            return
