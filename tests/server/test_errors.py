"""Every error keeps its class, its data and its code on the way through the wire."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import grpc
import pytest
from pixkin_proto import errors
from pixkin_proto.errors import LEAVES, Deadline, Internal, PixkinError, UnknownItem
from pixkin_proto.v1 import search_pb2, types_pb2
from pixkin_server.faults import known_error
from pixkin_server.interceptors import CODES, ErrorInterceptor, code_of
from pixkin_server.messages.errors import error_from_proto, error_to_proto
from pixkin_server.statuses import error_of_call

DATA: dict[str, errors.Datum] = {
    "text": "ü\n'\"",
    "whole": 7,
    "part": 0.25,
    "yes": True,
    "names": ["a", "b"],
    "none": None,
}
DOCUMENTED = {
    "INVALID_ARGUMENT": """INVALID_IMAGE INVALID_CROP INVALID_NAME INVALID_ID INVALID_SIZE INVALID_FILTER
        INVALID_EXTRACTOR INVALID_PLAN UNKNOWN_MEASURE AMBIGUOUS_NAME
        MEASURE_NOT_APPLICABLE DIMENSION_MISMATCH NOT_FINITE ZERO_VECTOR
        INVALID_ARGUMENT TOO_LARGE UNSUPPORTED_TYPE WRONG_METHOD""",
    "NOT_FOUND": "UNKNOWN_COLLECTION UNKNOWN_DESCRIPTOR UNKNOWN_ITEM UNKNOWN_EXTRACTOR UNKNOWN_ROUTE NO_PICTURE",
    "ALREADY_EXISTS": "COLLECTION_EXISTS",
    "FAILED_PRECONDITION": """EXTRACTOR_MISMATCH SCRIPTS_MISSING STORE_LOCKED STORE_READ_ONLY STORE_FORMAT
        PROVIDER_MISSING FORKED_PROCESS MISSING_EXTRA""",
    "PERMISSION_DENIED": "STORE_DENIED WRITES_DISABLED ORIGINALS_DISABLED FOREIGN_HOST FOREIGN_ORIGIN",
    "UNIMPLEMENTED": "NOT_IMPLEMENTED",
    "RESOURCE_EXHAUSTED": "OVERLOADED STORE_FULL OUT_OF_MEMORY",
    "UNAVAILABLE": "STORE_UNAVAILABLE PARTIAL_RESULT SERVER_UNAVAILABLE",
    "DEADLINE_EXCEEDED": "DEADLINE",
    "INTERNAL": "INTERNAL",
}
CODE_OF = {reason: code for code, reasons in DOCUMENTED.items() for reason in reasons.split()}


@pytest.mark.parametrize("reason", LEAVES)
def test_every_error_comes_back_as_itself_with_its_data(reason: str) -> None:
    error = PixkinError.rebuild(reason, "what came, what is allowed, what to do", DATA)
    again = error_from_proto(types_pb2.Error.FromString(error_to_proto(error).SerializeToString()))
    assert type(again) is LEAVES[reason]
    assert (again.message, again.data, str(again)) == (error.message, DATA, error.message)
    assert vars(again)["whole"] == 7


@pytest.mark.parametrize("reason", LEAVES)
def test_every_reason_has_its_documented_code(reason: str) -> None:
    assert code_of(PixkinError.rebuild(reason, "", {})).name == CODE_OF[reason]


def test_every_documented_reason_is_an_error() -> None:
    assert set(CODE_OF) == set(LEAVES)
    assert set(CODES.values()) == {getattr(grpc.StatusCode, code) for code in DOCUMENTED}


def test_an_error_of_a_newer_server_is_still_an_error() -> None:
    message = types_pb2.Error(
        reason="TOO_MODERN", message="m", data={"message": '"x"', "self": "1", "n": "{", "k": "1"}
    )
    again = error_from_proto(message)
    assert isinstance(again, Internal)
    assert again.data == {"k": 1}


def test_what_a_caller_made_too_long_is_cut_between_letters() -> None:
    error = error_from_proto(error_to_proto(UnknownItem("ü" * 5000, "\U0001f600" * 5000)))
    assert len(error.message.encode()) <= 1200
    assert error.message.endswith("…")
    assert error_to_proto(error).ByteSize() < 3000


def test_an_error_whose_text_is_no_unicode_is_sent_all_the_same() -> None:
    assert "?" in error_to_proto(errors.InvalidPlan("from \udcff")).message


def test_the_unknown_is_logged_whole_and_told_by_a_number_alone(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(KeyError) as secret:
        dict[str, str]()["a secret of the server"]
    told = known_error(secret.value)
    assert isinstance(told, Internal)
    assert told.correlation in told.message
    assert "secret" not in told.message
    assert told.correlation in caplog.text
    assert "Traceback" in caplog.text
    assert "a secret of the server" in caplog.text


class Broken(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc is untyped
    """A service whose methods fail as a defect does, or as gRPC does."""

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        """Return a method that ends as its name says."""
        name = details.method.rpartition("/")[2]

        async def single(_: bytes, context: grpc.aio.ServicerContext) -> bytes:
            if name == "Defect":
                raise KeyError("a secret of the server")
            await context.abort(getattr(grpc.StatusCode, name), "from below")
            return b""

        async def several(_: bytes, __: grpc.aio.ServicerContext) -> Any:
            yield b"first"
            raise KeyError("a secret of the server")

        if name == "Several":
            return grpc.unary_stream_rpc_method_handler(several, bytes, bytes)
        return grpc.unary_unary_rpc_method_handler(single, bytes, lambda _: b"")


@pytest.fixture(scope="module")
def broken() -> Any:
    """The address of a server with the product's interceptor around a broken service."""
    found: dict[str, Any] = {}
    ready = threading.Event()

    async def run() -> None:
        server = grpc.aio.server(interceptors=(ErrorInterceptor(),))
        server.add_generic_rpc_handlers((Broken(),))
        found["address"] = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        found["loop"], found["end"] = asyncio.get_running_loop(), asyncio.Event()
        await server.start()
        ready.set()
        await found["end"].wait()
        await server.stop(1)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(20)
    with grpc.insecure_channel(found["address"]) as channel:
        yield channel
    found["loop"].call_soon_threadsafe(found["end"].set)
    thread.join(20)


class Leaving:
    """A caller who leaves in the instant in which the error is sent."""

    async def abort(self, *_: Any) -> None:
        """Fail as gRPC does."""
        raise grpc.aio.InternalError("Failed 'execute_batch'")


@pytest.mark.parametrize("streaming", [False, True])
def test_an_error_that_nobody_waits_for_any_more_is_no_defect(*, streaming: bool) -> None:
    async def refuse(request: Any, context: Any) -> Any:
        raise Deadline("the call")

    async def refuse_stream(request: Any, context: Any) -> Any:
        raise Deadline("the call")
        yield

    async def call() -> None:
        maker = grpc.unary_stream_rpc_method_handler if streaming else grpc.unary_unary_rpc_method_handler
        handler = maker(refuse_stream if streaming else refuse)

        async def found(_: Any) -> Any:
            return handler

        details = type("Details", (), {"method": "/pixkin.v1.Embedding/Embed"})
        guarded = await ErrorInterceptor().intercept_service(found, details)
        if streaming:
            await anext(guarded.unary_stream(b"", Leaving()))
        else:
            await guarded.unary_unary(b"", Leaving())

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(call())


def failed(call: Any) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as error:
        call()
    return error.value


def test_a_defect_is_internal_and_shows_nothing_of_the_inside(broken: Any, caplog: pytest.LogCaptureFixture) -> None:
    single = failed(lambda: broken.unary_unary("/x/Defect")(b"", timeout=10))
    stream = failed(lambda: list(broken.unary_stream("/x/Several")(b"", timeout=10)))
    for error in (single, stream):
        assert error.code() is grpc.StatusCode.INTERNAL
        told = error_of_call(error, "there")
        assert isinstance(told, Internal)
        for text in (error.details(), repr(error.trailing_metadata())):
            assert "secret" not in text
            assert "KeyError" not in text
            assert "Traceback" not in text
        assert told.correlation in caplog.text
    assert caplog.text.count("Traceback") == 2
    assert {record.levelno for record in caplog.records if record.name == "pixkin.server"} == {logging.ERROR}


EXPECTED = {
    "DEADLINE_EXCEEDED": errors.Deadline,
    "UNAVAILABLE": errors.ServerUnavailable,
    "CANCELLED": errors.ServerUnavailable,
    "RESOURCE_EXHAUSTED": errors.InvalidArgument,
    "UNIMPLEMENTED": errors.NotImplementedYet,
}


@pytest.mark.parametrize("code", [code.name for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_status_that_grpc_gives_by_itself_is_an_error_of_ours(broken: Any, code: str) -> None:
    error = error_of_call(failed(lambda: broken.unary_unary(f"/x/{code}")(b"", timeout=10)), "127.0.0.1:1")
    assert type(error) is EXPECTED.get(code, Internal)
    assert "127.0.0.1:1" in error.message


def test_an_error_with_the_longest_sentence_and_data_passes_the_wire(stubs: Any, refusal: Any) -> None:
    query = search_pb2.Query(id="\U0001f600" * 128)
    plan = search_pb2.Plan(descriptors=[search_pb2.DescriptorChoice(name="gap")])
    request = search_pb2.SearchRequest(collection="photos", queries=[query], plan=plan)
    code, error = refusal(stubs.search.Search, request)
    assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, "UNKNOWN_ITEM")
    assert error.item == query.id
