"""What happens around every call: errors become codes, and nothing internal leaves the server."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.message import DecodeError
from pixkin_proto import errors

from pixkin_server.faults import known_error
from pixkin_server.messages.errors import error_to_proto
from pixkin_server.observing import Observed, Observer, Unobserved
from pixkin_server.values import check_message

ERROR_KEY = "pixkin-error-bin"
MAX_REPLY_BYTES = 64 * 1024 * 1024

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


def code_of(error: errors.PixkinError) -> grpc.StatusCode:
    """Return the gRPC code of an error."""
    return next((CODES[cls] for cls in type(error).__mro__ if cls in CODES), grpc.StatusCode.INTERNAL)


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Ends a failed call with its code, its sentence, and the whole error as trailing metadata.

    A request that cannot be parsed reaches its method as an InvalidArgument: a single one is raised here, and a stream
    meets it in the place of the message. Every call is counted by the observer.
    """

    def __init__(self, observer: Observer | None = None) -> None:
        self._observer = observer or Unobserved()

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        """Wrap the handler of one call."""
        handler = await continuation(details)
        if handler is None:
            return None
        behaviour = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        guard = _streaming if inspect.isasyncgenfunction(behaviour) else _single
        guarded = guard(behaviour, lambda: Observed(self._observer, "grpc", _named(details.method)))
        return _rebuilt(handler, guarded, _parser(handler.request_deserializer, details.method))


def _rebuilt(handler: Any, behaviour: Callable[..., Any], parse: Callable[[bytes], Any]) -> Any:
    makers = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    maker = makers[handler.request_streaming, handler.response_streaming]
    return maker(behaviour, parse, handler.response_serializer)


def _parser(deserialise: Callable[[bytes], Any], method: str) -> Callable[[bytes], Any]:
    declared = _declared(method)

    def parse(data: bytes) -> Any:
        try:
            if declared is not None:
                check_message(data, declared)
            return deserialise(data)
        except errors.InvalidInput as error:
            return error
        except DecodeError:
            return errors.InvalidArgument(
                f"a message to {method} cannot be parsed, or a text in it is no valid UTF-8; send what the .proto says"
            )

    return parse


def _declared(method: str) -> Any:
    """How the request of /PACKAGE.SERVICE/RPC is declared; None for services that are not ours."""
    service, _, rpc = method.strip("/").partition("/")
    found = descriptor_pool.Default().FindServiceByName(service) if service.startswith("pixkin.") else None
    return found.methods_by_name[rpc].input_type if found else None


def _named(method: str) -> str:
    """Return /PACKAGE.SERVICE/RPC as SERVICE.RPC."""
    service, _, rpc = method.rpartition("/")
    return f"{service.rpartition('.')[2]}.{rpc}"


def _single(
    behaviour: Callable[..., Awaitable[Any]], observed: Callable[[], Observed]
) -> Callable[..., Awaitable[Any]]:
    """Guard a coroutine: one that returns the reply, or one that writes its replies itself and returns None."""

    async def guarded(request: Any, context: grpc.aio.ServicerContext) -> Any:
        with observed() as call:
            try:
                reply = checked_reply(await behaviour(_checked_request(request), context))
            except grpc.aio.AbortError:
                raise
            except Exception as error:  # what is not an error of ours is told as INTERNAL, and nothing more
                del request  # gRPC's context holds what abort raises, and that this frame, until a full collection
                await _abort(context, call, error)
            call.replied(reply)
            return reply

    return guarded


def _streaming(
    behaviour: Callable[..., AsyncIterator[Any]], observed: Callable[[], Observed]
) -> Callable[..., AsyncIterator[Any]]:
    async def guarded(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        with observed() as call:
            try:
                async for reply in behaviour(_checked_request(request), context):
                    call.replied(reply)
                    yield reply
            except grpc.aio.AbortError:
                raise
            except Exception as error:  # what is not an error of ours is told as INTERNAL, and nothing more
                del request  # gRPC's context holds what abort raises, and that this frame, until a full collection
                await _abort(context, call, error)

    return guarded


def _checked_request(request: Any) -> Any:
    if isinstance(request, errors.PixkinError):
        raise request
    return request


def checked_reply(reply: Any) -> Any:
    """Return a reply that callers take. Raises InvalidSize for one that is larger."""
    if reply is not None and reply.ByteSize() > MAX_REPLY_BYTES:
        raise errors.InvalidSize(
            f"the reply has {reply.ByteSize():,} bytes and the limit is {MAX_REPLY_BYTES:,}; ask for smaller pages"
        )
    return reply


async def _abort(context: grpc.aio.ServicerContext, call: Observed, error: Exception) -> NoReturn:
    known = known_error(error)
    call.failed(known)
    detail = error_to_proto(known)
    try:
        await context.abort(code_of(known), detail.message, ((ERROR_KEY, detail.SerializeToString()),))
    except grpc.aio.InternalError:  # the caller left at this very moment, and there is nobody to tell
        raise asyncio.CancelledError from None
    raise known  # abort has raised already; this tells type checkers so
