"""The Embedding service."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
from pixkin_proto.errors import InvalidImage, PixkinError, UnknownDescriptor
from pixkin_proto.v1 import embedding_pb2, embedding_pb2_grpc

from pixkin_server.calls import Calls, remaining
from pixkin_server.counts import MAX_DESCRIPTORS, check_count
from pixkin_server.engine import Engine
from pixkin_server.faults import known_error
from pixkin_server.messages.embedding import embedding_to_proto, extractor_to_proto
from pixkin_server.messages.errors import error_to_proto
from pixkin_server.messages.types import box_from_proto


class EmbeddingService(embedding_pb2_grpc.EmbeddingServicer):
    """Pictures in, vectors out."""

    def __init__(self, engine: Engine, calls: Calls) -> None:
        self._engine, self._calls = engine, calls

    async def Embed(
        self, request: embedding_pb2.EmbedRequest, context: grpc.aio.ServicerContext
    ) -> embedding_pb2.EmbedReply:
        """Compute the descriptors of one picture."""
        check_count("a reply", "descriptors", request.descriptors, MAX_DESCRIPTORS)
        return await self._calls.run(context, self._embed, request, remaining(context))

    async def EmbedStream(
        self, requests: AsyncIterator[embedding_pb2.EmbedRequest | PixkinError], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[embedding_pb2.EmbedStreamReply]:
        """Compute the descriptors of many pictures; a bad one costs its own reply alone."""
        async for request in requests:
            try:
                if isinstance(request, PixkinError):
                    raise request  # noqa: TRY301  # what cannot be parsed is refused in its place, like any bad picture
                reply = await self.Embed(request, context)
                yield embedding_pb2.EmbedStreamReply(reply=reply)
            except Exception as error:  # whatever one picture provokes, it costs its own reply alone
                yield embedding_pb2.EmbedStreamReply(error=error_to_proto(known_error(error)))

    async def ListExtractors(
        self, request: embedding_pb2.ListExtractorsRequest, context: grpc.aio.ServicerContext
    ) -> embedding_pb2.ListExtractorsReply:
        """List the extractors."""
        del request
        found = await self._calls.run(context, self._engine.extractors)
        return embedding_pb2.ListExtractorsReply(extractors=[extractor_to_proto(info) for info in found])

    def _embed(self, request: embedding_pb2.EmbedRequest, timeout: float) -> embedding_pb2.EmbedReply:
        if not request.image:
            raise InvalidImage("empty", "the request has no picture")
        crop = box_from_proto(request.crop) if request.HasField("crop") else None
        embedding = self._engine.embed(request.image, extractor=request.extractor, crop=crop, timeout=timeout)
        for name in request.descriptors:
            if name not in embedding.vectors:
                raise UnknownDescriptor(name, embedding.vectors)
        return embedding_to_proto(embedding, request.descriptors)
