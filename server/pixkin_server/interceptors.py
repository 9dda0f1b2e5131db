"""What happens around every call: errors become codes, and nothing internal leaves the server."""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn

import grpc
from pixkin_proto import errors

from pixkin_server.messages import error_to_proto

ERROR_KEY = "pixkin-error-bin"

CODES: dict[type[errors.PixkinError], grpc.StatusCode] = {
    errors.InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.CollectionExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.NotReady: grpc.StatusCode.FAILED_PRECONDITION,
    errors.MissingExtra: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Denied: grpc.StatusCode.PERMISSION_DENIED,
    errors.NotImplementedYet: grpc.StatusCode.UNIMPLEMENTED,
    errors.Exhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.Deadline: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.Internal: grpc.StatusCode.INTERNAL,
}
"""The code of every leaf, by its branch of the tree in pixkin_proto.errors."""

log = logging.getLogger("pixkin.server")


def code_of(error: errors.PixkinError) -> grpc.StatusCode:
    """Return the gRPC code of an error."""
    return next((CODES[cls] for cls in type(error).__mro__ if cls in CODES), grpc.StatusCode.INTERNAL)


def known_error(error: Exception) -> errors.PixkinError:
    """Return an error of ours as it is; anything else is logged under a correlation id, which is all that is told."""
    if isinstance(error, errors.PixkinError):
        return error
    correlation = uuid.uuid4().hex[:12]
    log.error("internal error %s", correlation, exc_info=error)
    return errors.Internal(
        f"an internal error; the server's log has it under {correlation}", correlation=correlation
    )  # fmt: skip


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Ends a failed call with its code, its sentence, and the whole error as trailing metadata."""

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        """Wrap the handler of one call."""
        handler = await continuation(details)
        if handler is None:
            return None
        if handler.response_streaming:
            return _rebuilt(handler, _streaming(handler.unary_stream or handler.stream_stream))
        return _rebuilt(handler, _single(handler.unary_unary or handler.stream_unary))


def _rebuilt(handler: Any, behaviour: Callable[..., Any]) -> Any:
    makers = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    maker = makers[handler.request_streaming, handler.response_streaming]
    return maker(behaviour, handler.request_deserializer, handler.response_serializer)


def _single(behaviour: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def guarded(request: Any, context: grpc.aio.ServicerContext) -> Any:
        try:
            return await behaviour(request, context)
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            await _abort(context, error)

    return guarded


def _streaming(behaviour: Callable[..., AsyncIterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
    async def guarded(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        try:
            async for reply in behaviour(request, context):
                yield reply
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            await _abort(context, error)

    return guarded


async def _abort(context: grpc.aio.ServicerContext, error: Exception) -> NoReturn:
    known = known_error(error)
    detail = error_to_proto(known).SerializeToString()
    await context.abort(code_of(known), known.message, ((ERROR_KEY, detail),))
    raise known  # abort has raised already; this tells type checkers so
