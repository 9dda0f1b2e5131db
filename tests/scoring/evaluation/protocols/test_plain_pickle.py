"""Pickles of plain data: what is read, and that nothing ever runs."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.evaluation.protocols.plain_pickle import read_plain_pickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Call:
    """Calls a function when it is unpickled."""

    def __init__(self, function: Any, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def read(folder: Path, content: bytes) -> Any:
    path = folder / "a.pkl"
    path.write_bytes(content)
    return read_plain_pickle(path)


def _without_frame(content: bytes) -> bytes:
    """Leave out the lengths of frames, which an optimiser of pickles may do."""
    return content[:2] + content[11:] if content[2:3] == b"\x95" else content


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_containers_numbers_and_strings_come_back(tmp_path: Path, protocol: int) -> None:
    content = {"a": [1, 2.5, None, True], "b": ({"c"}, frozenset({3}), b"x\xff", b"", "é"), 4: 10**30}
    assert read(tmp_path, pickle.dumps(content, protocol)) == content


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("core", ["numpy._core", "numpy.core"])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(5), np.array([], np.int64), np.array([1, 2], ">u2"), np.array([0.5, -1]), np.array([True, False]),
        np.array(["a", "bcé"]), np.array([b"a", b"bc"]), np.array(["a", None, 3], object), np.float32(0.25),
        np.int64(7), np.arange(6)[::2], np.asfortranarray(np.arange(4)),
    ],
    ids=str,
)  # fmt: skip
def test_arrays_become_lists_and_scalars_numbers(tmp_path: Path, protocol: int, core: str, array: Any) -> None:
    content = pickle.dumps({"a": array}, protocol)
    for module in (b"multiarray", b"numeric"):  # from protocol 4 on the length stands before the name
        old, new = b"numpy._core." + module, core.encode() + b"." + module
        content = content.replace(b"\x8c" + bytes([len(old)]) + old, b"\x8c" + bytes([len(new)]) + new)
        content = content.replace(old, new)
    content = _without_frame(content)
    found = read(tmp_path, content)["a"]
    assert found == array.tolist()
    assert not isinstance(found, np.generic)


def test_an_array_from_python_2_is_read(tmp_path: Path) -> None:
    content = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02\x85"
        b"cnumpy\ndtype\nU\x02i4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x08\x05\x00\x00\x00\xff\xff\xff\xfftb."
    )
    assert read(tmp_path, content) == [5, -1]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("wrapped", ["plain", "in an object array"])
@pytest.mark.parametrize("way", ["os.mkdir", "eval", "exec", "getattr"])
def test_nothing_that_a_pickle_wants_to_run_runs(tmp_path: Path, protocol: int, wrapped: str, way: str) -> None:
    canary = tmp_path / "canary"
    code = f"__import__('os').mkdir({str(canary)!r})"
    call = {
        "os.mkdir": Call(os.mkdir, str(canary)),
        "eval": Call(eval, code),
        "exec": Call(exec, code),
        "getattr": Call(getattr, Call(getattr, np.ndarray, "__class__"), "mro"),
    }[way]
    content: Any = {"gnd": [call]} if wrapped == "plain" else np.array([call, None], object)
    data = pickle.dumps(content, protocol)
    with pytest.raises(InvalidArgument, match=r"a\.pkl is refused: it wants to use (posix|nt|os|builtins)\.\w+, which"):
        read(tmp_path, data)
    assert not canary.exists()
    if way != "getattr":
        pickle.loads(data)  # noqa: S301 - the control: elsewhere this canary sings
        assert canary.exists()


@pytest.mark.parametrize(
    "name",
    [
        "os system", "posix system", "nt system", "subprocess Popen", "builtins eval", "builtins getattr",
        "__builtin__ eval", "__builtin__ getattr", "numpy load", "numpy.core.multiarray fromfile",
        "numpy.lib.npyio load", "_codecs decode", "_codecs lookup", "copyreg _reconstructor",
        "numpy ndarray.tofile", "builtins set.__class__", "operator attrgetter", "functools partial",
        "importlib import_module", "numpy.testing._private.utils runstring", "pickle loads",
    ],
)  # fmt: skip
def test_every_other_name_is_refused_by_name(tmp_path: Path, name: str) -> None:
    module, attribute = (word.encode() for word in name.split())
    short = b"\x80\x04\x8c" + bytes([len(module)]) + module + b"\x8c" + bytes([len(attribute)]) + attribute + b"\x93."
    for content in (b"c" + module + b"\n" + attribute + b"\n.", short):
        with pytest.raises(InvalidArgument, match=rf"wants to use .*{name.split()[1]}, which a ground truth has no"):
            read(tmp_path, content)


def test_types_that_hide_pointers_in_bytes_are_refused(tmp_path: Path) -> None:
    structured = np.zeros(1, [("a", "O"), ("b", "i4")])
    dates = np.array(["2020-01-01"], "datetime64[D]")
    for array in (structured, dates, np.zeros(1, "V8"), np.zeros((1,), "(2,)i4")[:0].view("V8")):
        with pytest.raises(InvalidArgument, match="damaged or no pickle of plain data"):
            read(tmp_path, pickle.dumps(array))


def test_the_state_of_what_the_pickle_is_given_cannot_be_changed(tmp_path: Path) -> None:
    # BUILD with (None, {NAME: None}) sets an attribute of what is on the stack.
    for name in (b"__self__", b"__func__", b"__code__", b"__call__", b"anything"):
        state = b"N}X" + bytes([len(name), 0, 0, 0]) + name + b"Ns\x86b."
        for stand_in in (b"cnumpy\ndtype\n", b"c_codecs\nencode\n", b"cnumpy\nndarray\n", b"cbuiltins\nset\n"):
            with pytest.raises(InvalidArgument, match="damaged"):
                read(tmp_path, b"\x80\x02" + stand_in + state)
    assert read(tmp_path, pickle.dumps(np.arange(2))) == [0, 1]


def test_an_array_whose_size_contradicts_its_content_is_refused(tmp_path: Path) -> None:
    content = pickle.dumps(np.arange(3, dtype=np.int8), 2).replace(b"K\x03\x85", b"K\x09\x85")
    with pytest.raises(InvalidArgument, match="has 3 elements"):
        read(tmp_path, content)


def test_an_ordered_dictionary_is_more_than_a_ground_truth_needs(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"collections\.OrderedDict"):
        read(tmp_path, pickle.dumps(OrderedDict(a=1)))


@given(content=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_as_no_ground_truth(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    with suppress(InvalidArgument):
        read(tmp_path_factory.mktemp("bytes"), content)


@pytest.mark.parametrize("kept", [0, 1, 20, 100, -1])
def test_a_file_that_is_cut_off_or_absent_is_refused(tmp_path: Path, kept: int) -> None:
    with pytest.raises(InvalidArgument, match="get the file again"):
        read(tmp_path, pickle.dumps({"gnd": list(range(1000)), "imlist": np.arange(30)})[:kept])
    with pytest.raises(InvalidArgument, match="cannot be read"):
        read_plain_pickle(tmp_path / "nowhere.pkl")
