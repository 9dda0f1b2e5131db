"""The Search service."""

from __future__ import annotations

import grpc
from pixkin_proto.errors import NotImplementedYet
from pixkin_proto.v1 import search_pb2, search_pb2_grpc
from pixkin_scoring.plan import DEFAULT_SIZE

from pixkin_server.calls import Calls, remaining
from pixkin_server.engine import Engine
from pixkin_server.faults import known_error
from pixkin_server.messages.errors import error_to_proto
from pixkin_server.messages.search import plan_from_proto, query_from_proto, result_to_proto


class SearchService(search_pb2_grpc.SearchServicer):
    """Queries in, ranked items out."""

    def __init__(self, engine: Engine, calls: Calls) -> None:
        self._engine, self._calls = engine, calls

    async def Search(
        self, request: search_pb2.SearchRequest, context: grpc.aio.ServicerContext
    ) -> search_pb2.SearchReply:
        """Rank the items of one collection for one query."""
        return await self._calls.run(context, self._search, request, remaining(context))

    async def SearchBatch(
        self, request: search_pb2.SearchBatchRequest, context: grpc.aio.ServicerContext
    ) -> search_pb2.SearchBatchReply:
        """Answer several requests; a bad one costs its own outcome alone, and when the caller leaves, no more run."""
        outcomes = [await self._outcome(each, context) for each in request.requests]
        return search_pb2.SearchBatchReply(outcomes=outcomes)

    def _search(self, request: search_pb2.SearchRequest, timeout: float) -> search_pb2.SearchReply:
        if request.explain:
            raise NotImplementedYet("explaining hits")
        size = request.size if request.HasField("size") else DEFAULT_SIZE
        plan = plan_from_proto(request.plan, size=size, offset=request.offset)
        queries = [query_from_proto(query) for query in request.queries]
        return result_to_proto(self._engine.search(request.collection, queries, plan, timeout=timeout))

    async def _outcome(
        self, request: search_pb2.SearchRequest, context: grpc.aio.ServicerContext
    ) -> search_pb2.SearchOutcome:
        try:
            return search_pb2.SearchOutcome(reply=await self.Search(request, context))
        except Exception as error:  # whatever one request provokes, it costs its own outcome alone
            return search_pb2.SearchOutcome(error=error_to_proto(known_error(error)))
