"""A failed call as an error of ours, whether pixkin ended it or gRPC did."""

from __future__ import annotations

import grpc
from google.protobuf.message import DecodeError
from pixkin_proto.errors import (
    Deadline,
    Internal,
    InvalidArgument,
    NotImplementedYet,
    PixkinError,
    ServerUnavailable,
)
from pixkin_proto.v1 import types_pb2

from pixkin_server.interceptors import ERROR_KEY
from pixkin_server.messages.errors import error_from_proto

_HTTP = ("http1.x", "http2 header with status")
"""What gRPC says of an HTTP server that is none of gRPC."""
_NOBODY = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}  # cancelled: a server that ends, or our close()


def error_of_call(error: grpc.RpcError, address: str) -> PixkinError:
    """Return the error that a server sent with the call, or what gRPC's own status means."""
    for key, value in error.trailing_metadata() or ():
        if key == ERROR_KEY:
            try:
                return error_from_proto(types_pb2.Error.FromString(value))
            except DecodeError:
                break
    return _of_status(error.code(), error.details() or "", address)


def _of_status(code: grpc.StatusCode, details: str, address: str) -> PixkinError:
    match code:
        case _ if any(sign in details for sign in _HTTP):
            return InvalidArgument(
                f"{address} speaks HTTP and no gRPC; --server names a pixkin server, and a cluster is named by "
                f"--store http://{address}"
            )
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return Deadline(f"the call to {address}")
        case _ if code in _NOBODY or details.startswith("Failed to create channel"):  # the latter: no address at all
            return ServerUnavailable(address)
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return InvalidArgument(f"a message to or from {address} is too large ({details}); send or ask for less")
        case grpc.StatusCode.UNIMPLEMENTED:
            return NotImplementedYet(f"this call on the server at {address}")
    return Internal(f"{address} answered {code.name}: {details}")
