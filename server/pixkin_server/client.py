"""The typed client: the engine's operations against a server, with the engine's own errors.

with Client("127.0.0.1:7475") as client:
    result = client.search("holiday", [Query(image=Path("beach.jpg").read_bytes())])
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

import grpc
from pixkin_embedding.images import Box
from pixkin_embedding.limits import REQUEST_LIMITS
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import Deadline, Internal, InvalidArgument, NotImplementedYet, PixkinError, ServerUnavailable
from pixkin_proto.v1 import (
    collections_pb2,
    collections_pb2_grpc,
    embedding_pb2,
    embedding_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
    types_pb2,
)
from pixkin_scoring.items import AddResult, Collection, FileFacts, Item, ItemUpdate, Verification
from pixkin_scoring.plan import Plan
from pixkin_scoring.results import SearchResult

from pixkin_server import messages
from pixkin_server.api import Embedding, ExtractorChoice, ExtractorInfo, FileState, NewItem, Query
from pixkin_server.files import read_picture
from pixkin_server.interceptors import ERROR_KEY

T = TypeVar("T")
MIB = 1024 * 1024
OPTIONS = (("grpc.max_receive_message_length", 64 * MIB), ("grpc.max_send_message_length", 17 * MIB))
DEFAULT_TIMEOUT = 60.0
ADD_CHUNK = 256
UPDATE_CHUNK = 1000


class Client:
    """A connection to one server. Every call has a deadline: its own `timeout`, or the client's, in seconds."""

    def __init__(self, address: str, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        self.address, self._timeout = address, timeout
        self._channel = grpc.insecure_channel(address, options=OPTIONS)
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
        reply = self._call(self._search.Search, _search_request(collection, queries, plan), timeout)
        return messages.result_from_proto(reply, size=plan.size)

    def search_batch(
        self, requests: Sequence[tuple[str, Sequence[Query], Plan]], *, timeout: float | None = None
    ) -> list[SearchResult | PixkinError]:
        """Answer several (collection, queries, plan) in one call; a bad one gives its error in its place."""
        message = search_pb2.SearchBatchRequest(requests=[_search_request(*request) for request in requests])
        reply = self._call(self._search.SearchBatch, message, timeout)
        return [
            messages.error_from_proto(outcome.error)
            if outcome.WhichOneof("outcome") == "error"
            else messages.result_from_proto(outcome.reply, size=plan.size)
            for outcome, (_, _, plan) in zip(reply.outcomes, requests, strict=True)
        ]

    def embed(
        self, image: bytes, *, extractor: str = "", crop: Box | None = None, timeout: float | None = None
    ) -> Embedding:
        """Compute the descriptors of one picture."""
        request = embedding_pb2.EmbedRequest(extractor=extractor, image=image, crop=messages.box_to_proto(crop))
        return messages.embedding_from_proto(self._call(self._embedding.Embed, request, timeout))

    def embed_stream(
        self, images: Iterable[bytes], *, extractor: str = "", timeout: float | None = None
    ) -> Iterator[Embedding | PixkinError]:
        """Compute the descriptors of many pictures, in their order; a bad one gives its error in its place."""
        requests = (embedding_pb2.EmbedRequest(extractor=extractor, image=image) for image in images)
        for reply in self._stream(self._embedding.EmbedStream, requests, timeout):
            if reply.WhichOneof("outcome") == "error":
                yield messages.error_from_proto(reply.error)
            else:
                yield messages.embedding_from_proto(reply.reply)

    def extractors(self) -> list[ExtractorInfo]:
        """List the server's extractors, by name."""
        reply = self._call(self._embedding.ListExtractors, embedding_pb2.ListExtractorsRequest())
        return [messages.extractor_from_proto(extractor) for extractor in reply.extractors]

    def create(
        self,
        name: str,
        extractors: Sequence[ExtractorChoice] = (),
        *,
        descriptors: Sequence[Descriptor] = (),
        thumbnails: bool = True,
    ) -> Collection:
        """Make an empty collection that encodes with the server's extractors, or holds vectors for descriptors."""
        request = collections_pb2.CreateRequest(
            name=name,
            extractors=[
                collections_pb2.ExtractorChoice(name=choice.name, descriptors=choice.descriptors)
                for choice in extractors
            ],
            descriptors=[messages.descriptor_to_proto(descriptor) for descriptor in descriptors],
            no_thumbnails=not thumbnails,
        )
        return messages.collection_from_proto(self._call(self._collections.Create, request))

    def describe(self, name: str) -> Collection:
        """Describe one collection."""
        request = collections_pb2.DescribeRequest(name=name)
        return messages.collection_from_proto(self._call(self._collections.Describe, request))

    def collections(self) -> list[Collection]:
        """Describe all collections, by name."""
        reply = self._call(self._collections.List, collections_pb2.ListRequest())
        return [messages.collection_from_proto(each) for each in reply.collections]

    def drop(self, name: str) -> None:
        """Delete a collection."""
        self._call(self._collections.Drop, collections_pb2.DropRequest(name=name))

    def add(
        self, name: str, items: Iterable[NewItem], *, root: str = "", timeout: float | None = None
    ) -> Iterator[AddResult]:
        """Send items in streams of 256; yields a result for each once it is durable. `timeout` is for one stream.

        Results come in the order of the items; those of files that cannot be read or sent follow each stream.
        """
        header = collections_pb2.AddRequest(header=collections_pb2.AddHeader(collection=name, root=root))
        source = iter(items)
        for first in source:
            chunk = itertools.chain([first], itertools.islice(source, ADD_CHUNK - 1))
            unsent: list[AddResult] = []
            requests = itertools.chain([header], _add_requests(chunk, unsent))
            for result in self._stream(self._collections.Add, requests, timeout or self._timeout * 10):
                yield messages.add_result_from_proto(result)
            yield from unsent

    def update(self, name: str, updates: Iterable[ItemUpdate]) -> list[AddResult]:
        """Change labels, attributes, file facts, source or id; returns one result for each change and refusal."""
        results: list[AddResult] = []
        source = iter(updates)
        while chunk := list(itertools.islice(source, UPDATE_CHUNK)):
            request = collections_pb2.UpdateRequest(
                collection=name, items=[messages.update_to_proto(update) for update in chunk]
            )
            reply = self._call(self._collections.Update, request)
            results += [AddResult(item, "updated") for item in reply.updated]
            results += [messages.add_result_from_proto(result) for result in reply.refused]
        return results

    def remove(self, name: str, ids: Iterable[str]) -> list[str]:
        """Remove items; returns the ids that were there."""
        wanted = list(ids)
        reply = self._call(self._collections.Remove, collections_pb2.RemoveRequest(collection=name, ids=wanted))
        unknown = set(reply.unknown)
        return [item for item in wanted if item not in unknown]

    def list_items(self, name: str, conditions: Sequence[str] = (), *, size: int = 100, after: str = "") -> list[Item]:
        """Return a page of items by id, without thumbnails and vectors."""
        request = collections_pb2.ListItemsRequest(collection=name, filter=conditions, size=size, after=after)
        reply = self._call(self._collections.ListItems, request)
        return [messages.item_from_proto(item) for item in reply.items]

    def get(self, name: str, item: str, *, thumbnail: bool = False, vectors: bool = False) -> Item:
        """Return one item. Raises UnknownItem."""
        request = collections_pb2.GetItemRequest(collection=name, id=item, thumbnail=thumbnail, vectors=vectors)
        return messages.item_from_proto(self._call(self._collections.GetItem, request))

    def missing(self, name: str, files: Sequence[tuple[str, FileFacts]], *, checksum: bool = False) -> list[FileState]:
        """Tell for each (id, facts) whether the picture must be added."""
        known = [
            collections_pb2.KnownFile(id=item, file=messages.facts_to_proto(facts)) for item, facts in files
        ]  # fmt: skip
        request = collections_pb2.MissingRequest(collection=name, files=known, checksum=checksum)
        reply = self._call(self._collections.Missing, request)
        return [messages.file_state_from_proto(state) for state in reply.states]

    def verify(self, name: str) -> Verification:
        """Check a collection's stored data."""
        reply = self._call(self._collections.Verify, collections_pb2.VerifyRequest(collection=name))
        return Verification(reply.items, tuple(reply.problems))

    def _call(self, method: Callable[..., T], request: Any, timeout: float | None = None) -> T:
        try:
            return method(request, timeout=self._timeout if timeout is None else timeout)
        except grpc.RpcError as error:
            self._raise(error)

    def _stream(
        self, method: Callable[..., Iterator[T]], requests: Iterator[Any], timeout: float | None
    ) -> Iterator[T]:
        try:
            yield from method(requests, timeout=self._timeout if timeout is None else timeout)
        except grpc.RpcError as error:
            self._raise(error)

    def _raise(self, error: grpc.RpcError) -> NoReturn:
        for key, value in error.trailing_metadata() or ():
            if key == ERROR_KEY:
                raise messages.error_from_proto(types_pb2.Error.FromString(value)) from None
        match error.code():
            case grpc.StatusCode.DEADLINE_EXCEEDED:
                raise Deadline(f"the call to {self.address}") from None
            case grpc.StatusCode.UNAVAILABLE:
                raise ServerUnavailable(self.address) from None
            case grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise InvalidArgument(f"the message is larger than 17 MiB ({error.details()}); send less") from None
            case grpc.StatusCode.UNIMPLEMENTED:
                raise NotImplementedYet(f"this call on the server at {self.address}") from None
        raise Internal(f"{self.address} answered {error.code().name}: {error.details()}") from None


def _search_request(collection: str, queries: Sequence[Query], plan: Plan) -> search_pb2.SearchRequest:
    return search_pb2.SearchRequest(
        collection=collection,
        queries=[messages.query_to_proto(query) for query in queries],
        plan=messages.plan_to_proto(plan),
        size=plan.size,
        offset=plan.offset,
    )


def _add_requests(items: Iterable[NewItem], unsent: list[AddResult]) -> Iterator[collections_pb2.AddRequest]:
    for item in items:
        try:
            image = read_picture(item.image, REQUEST_LIMITS) if isinstance(item.image, Path) else item.image or b""
        except PixkinError as error:
            unsent.append(AddResult(item.id, "refused", error))
            continue
        yield collections_pb2.AddRequest(item=messages.new_item_to_proto(item, image))
