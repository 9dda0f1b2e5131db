"""The Search service."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from pixkin_proto.errors import PixkinError, WritesDisabled
from pixkin_proto.v1 import search_pb2, search_pb2_grpc
from pixkin_scoring.plan import may_write

from pixkin_server.api import SearchCall
from pixkin_server.calls import Calls, remaining
from pixkin_server.counts import MAX_SEARCHES, check_count
from pixkin_server.engine import Engine
from pixkin_server.faults import known_error
from pixkin_server.messages.search import outcome_to_proto, request_from_proto, result_to_proto

MAX_GROUP = 100
"""Searches that a cluster gets in one request: with the longest vectors they are 70 MB, and it takes 100."""


class SearchService(search_pb2_grpc.SearchServicer):
    """Queries in, ranked items out. A server without `writes` refuses a stage that writes to the collection."""

    def __init__(self, engine: Engine, calls: Calls, *, writes: bool = False) -> None:
        self._engine, self._calls, self._writes = engine, calls, writes

    async def Search(
        self, request: search_pb2.SearchRequest, context: grpc.aio.ServicerContext
    ) -> search_pb2.SearchReply:
        """Rank the items of one collection for one query."""
        return await self._calls.run(context, self._search, request, remaining(context))

    async def SearchBatch(
        self, request: search_pb2.SearchBatchRequest, context: grpc.aio.ServicerContext
    ) -> search_pb2.SearchBatchReply:
        """Answer several requests; a bad one costs its own outcome alone, and when the caller leaves, no more run.

        Searches that take turns here are run one by one; a cluster gets many in one request.
        """
        check_count("a batch", "searches", request.requests, MAX_SEARCHES, "send them in several calls")
        size = 1 if self._engine.store.scans_here else MAX_GROUP
        reply = search_pb2.SearchBatchReply()
        for at in range(0, len(request.requests), size):
            reply.outcomes.extend(await self._outcomes(request.requests[at : at + size], context))
        return reply

    def _search(self, request: search_pb2.SearchRequest, timeout: float) -> search_pb2.SearchReply:
        return result_to_proto(self._engine.search(*self._call(request), timeout=timeout))

    async def _outcomes(
        self, requests: Sequence[search_pb2.SearchRequest], context: grpc.aio.ServicerContext
    ) -> list[search_pb2.SearchOutcome]:
        try:
            return await self._calls.run(context, self._search_batch, requests, remaining(context))
        except Exception as error:  # such as Overloaded: what some requests meet, the others may not
            return [outcome_to_proto(known_error(error))] * len(requests)

    def _search_batch(
        self, requests: Sequence[search_pb2.SearchRequest], timeout: float
    ) -> list[search_pb2.SearchOutcome]:
        outcomes = self._engine.search_batch([self._call_or_refusal(each) for each in requests], timeout=timeout)
        return [outcome_to_proto(outcome) for outcome in outcomes]

    def _call_or_refusal(self, request: search_pb2.SearchRequest) -> SearchCall | PixkinError:
        try:
            return self._call(request)
        except Exception as error:  # whatever one request provokes, it costs its own outcome alone
            return known_error(error)

    def _call(self, request: search_pb2.SearchRequest) -> SearchCall:
        call = request_from_proto(request)
        if not self._writes and may_write(call[2]):
            raise WritesDisabled(
                "stale=rebuild keeps a graph in the collection, and this server changes nothing; say stale=use, or "
                "start it with --allow-writes, and without --read-only"
            )
        return call
