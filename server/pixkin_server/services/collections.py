"""The Collections service."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator

import grpc
from pixkin_proto.errors import InvalidArgument, PixkinError, WritesDisabled
from pixkin_proto.v1 import collections_pb2 as pb
from pixkin_proto.v1 import collections_pb2_grpc
from pixkin_scoring.items import AddResult

from pixkin_server.api import ExtractorChoice, NewItem
from pixkin_server.calls import Calls, patience, remaining
from pixkin_server.counts import MAX_DESCRIPTORS, MAX_ENTRIES, check_count
from pixkin_server.engine import Engine
from pixkin_server.messages.collections import (
    FILE_STATES,
    add_result_to_proto,
    collection_to_proto,
    item_to_proto,
    layout_from_proto,
    new_item_from_proto,
    update_from_proto,
)
from pixkin_server.messages.errors import error_to_proto
from pixkin_server.messages.telling import told
from pixkin_server.messages.types import descriptor_from_proto, facts_from_proto

DEFAULT_PAGE = 100
SEVERAL = "send them in several calls"


class CollectionsService(collections_pb2_grpc.CollectionsServicer):
    """Collections and their items. A server without `writes` refuses what changes anything."""

    def __init__(self, engine: Engine, calls: Calls, *, writes: bool = False) -> None:
        self._engine, self._calls, self._writes = engine, calls, writes

    async def Create(self, request: pb.CreateRequest, context: grpc.aio.ServicerContext) -> pb.Collection:
        """Make an empty collection."""
        self._check_writes()
        check_count("a collection", "extractors", request.extractors, MAX_DESCRIPTORS)
        check_count("a collection", "descriptors", request.descriptors, MAX_DESCRIPTORS)
        made = await self._calls.run(
            context,
            self._engine.create,
            request.name,
            [ExtractorChoice(choice.name, tuple(choice.descriptors)) for choice in request.extractors],
            descriptors=[descriptor_from_proto(each) for each in request.descriptors],
            thumbnails=not request.no_thumbnails,
            layout=layout_from_proto(request.layout) if request.HasField("layout") else None,
        )
        return collection_to_proto(made)

    async def Describe(self, request: pb.DescribeRequest, context: grpc.aio.ServicerContext) -> pb.Collection:
        """Describe one collection."""
        found = await self._calls.run(context, self._engine.describe, request.name, timeout=remaining(context))
        return collection_to_proto(found)

    async def List(self, request: pb.ListRequest, context: grpc.aio.ServicerContext) -> pb.ListReply:
        """List all collections."""
        del request
        readable, unreadable = await self._calls.run(context, self._engine.list_collections, timeout=remaining(context))
        return pb.ListReply(
            collections=[collection_to_proto(each) for each in readable],
            unreadable=[
                pb.UnreadableCollection(name=name, error=error_to_proto(error)) for name, error in unreadable.items()
            ],
        )

    async def Drop(self, request: pb.DropRequest, context: grpc.aio.ServicerContext) -> pb.DropReply:
        """Delete a collection."""
        self._check_writes()
        await self._calls.run(context, self._engine.drop, request.name)
        return pb.DropReply()

    async def Add(
        self, requests: AsyncIterator[pb.AddRequest | PixkinError], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[pb.AddResult]:
        """Add items; a result is sent once its item is durable."""
        self._check_writes()
        first = await anext(aiter(requests), None)
        if isinstance(first, PixkinError):
            raise first
        if first is None or not first.HasField("header"):
            raise InvalidArgument("the first message of an Add stream is its header, with the collection's name")
        add = functools.partial(self._add, first.header, patience(context))
        async for result in self._calls.stream(context, aiter(requests), add):
            yield add_result_to_proto(result)

    def _add(
        self, header: pb.AddHeader, timeout: float, requests: Iterator[pb.AddRequest | PixkinError | None]
    ) -> Iterator[AddResult]:
        items = (None if request is None else _new_item(request) for request in requests)
        return self._engine.add_stream(header.collection, items, root=header.root, timeout=timeout)

    async def Update(self, request: pb.UpdateRequest, context: grpc.aio.ServicerContext) -> pb.UpdateReply:
        """Change labels, attributes, file facts, source or id of items."""
        self._check_writes()
        check_count("an update", "items", request.items, MAX_ENTRIES, SEVERAL)
        updates = [update_from_proto(update) for update in request.items]
        results = await self._calls.run(
            context, self._engine.update, request.collection, updates, timeout=patience(context)
        )
        return pb.UpdateReply(
            updated=[result.id for result in results if not result.error],
            refused=[add_result_to_proto(result) for result in results if result.error],
        )

    async def Remove(self, request: pb.RemoveRequest, context: grpc.aio.ServicerContext) -> pb.RemoveReply:
        """Remove items by id."""
        self._check_writes()
        check_count("a removal", "ids", request.ids, MAX_ENTRIES, SEVERAL)
        removed = await self._calls.run(
            context, self._engine.remove, request.collection, list(request.ids), timeout=patience(context)
        )
        gone = set(removed)
        return pb.RemoveReply(removed=len(removed), unknown=[item for item in request.ids if item not in gone])

    async def ListItems(self, request: pb.ListItemsRequest, context: grpc.aio.ServicerContext) -> pb.ListItemsReply:
        """List items by id, in pages."""
        size = request.size if request.HasField("size") else DEFAULT_PAGE
        items = await self._calls.run(
            context,
            self._engine.list_items,
            request.collection,
            list(request.filter),
            size=size,
            after=request.after,
            timeout=remaining(context),
        )
        following = items[-1].id if len(items) == size else ""
        return pb.ListItemsReply(items=[item_to_proto(item) for item in items], next=following)

    async def GetItem(self, request: pb.GetItemRequest, context: grpc.aio.ServicerContext) -> pb.Item:
        """Return one item."""
        item = await self._calls.run(
            context,
            self._engine.get,
            request.collection,
            request.id,
            thumbnail=request.thumbnail,
            vectors=request.vectors,
            timeout=remaining(context),
        )
        return item_to_proto(item)

    async def Missing(self, request: pb.MissingRequest, context: grpc.aio.ServicerContext) -> pb.MissingReply:
        """Tell which pictures must be sent."""
        check_count("a look-up", "files", request.files, MAX_ENTRIES, SEVERAL)
        files = [(known.id, facts_from_proto(known.file)) for known in request.files]
        states = await self._calls.run(
            context,
            self._engine.missing,
            request.collection,
            files,
            checksum=request.checksum,
            timeout=remaining(context),
        )
        return pb.MissingReply(states=[FILE_STATES[state] for state in states])

    async def Verify(self, request: pb.VerifyRequest, context: grpc.aio.ServicerContext) -> pb.VerifyReply:
        """Check a collection's stored data."""
        found = await self._calls.run(context, self._engine.verify, request.collection)
        return pb.VerifyReply(items=found.items, problems=map(told, found.problems))

    def _check_writes(self) -> None:
        if not self._writes:
            raise WritesDisabled("this server changes nothing; start it with --allow-writes, and without --read-only")


def _new_item(request: pb.AddRequest | PixkinError) -> NewItem | AddResult:
    """Return an item, or the refusal of what is none; raises InvalidArgument for a second header."""
    if isinstance(request, PixkinError):
        return AddResult("", "refused", request)
    if request.HasField("header"):
        raise InvalidArgument("only the first message of an Add stream is a header; the others are items")
    try:
        return new_item_from_proto(request.item)
    except PixkinError as error:
        return AddResult(request.item.id, "refused", error)
