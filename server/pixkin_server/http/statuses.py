"""The HTTP status of an error: that of its gRPC code, but for what HTTP has a status of its own."""

from __future__ import annotations

import grpc
from pixkin_proto import errors

from pixkin_server.interceptors import code_of

STATUSES: dict[grpc.StatusCode, int] = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.FAILED_PRECONDITION: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}
OWN: dict[type[errors.PixkinError], int] = {
    errors.WrongMethod: 405,
    errors.TooLarge: 413,
    errors.UnsupportedType: 415,
}


def status_of(error: errors.PixkinError) -> int:
    """Return the HTTP status of an error."""
    return OWN.get(type(error)) or STATUSES[code_of(error)]
