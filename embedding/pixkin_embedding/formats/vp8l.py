"""WebP without loss: whether the codes that it begins with are possible (RFC 9649, sections 3.3 to 3.7)."""

from __future__ import annotations

from collections.abc import Sequence

_HEADER, _BEGINNING = 5, 64  # bytes; what is read here has 20
_SUBTRACT_GREEN, _COLOUR_INDEXING = 2, 3
_TRANSFORMS = 4  # each once at most
_CODES = 5  # green and lengths, red, blue, alpha, distances
_MAX_CACHE_BITS = 11


class _Ended(Exception):
    """There is no bit more."""


class _Bits:
    """The bits of a file, the lowest of a byte first."""

    def __init__(self, data: bytes) -> None:
        self._left = len(data) * 8
        self._value = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        """Return the number that the next bits are. Raises _Ended."""
        self._left -= count
        if self._left < 0:
            raise _Ended
        taken = self._value & ((1 << count) - 1)
        self._value >>= count
        return taken


def may_be_read(data: bytes) -> bool:
    """Return whether the first codes of a VP8L chunk are possible.

    A number of bytes says nothing here: pixels of one colour take no bit at all. So the codes are read as far as that
    needs no pixels, and what no picture begins with is refused before its decoder takes memory for what it declares.
    """
    try:
        return _begins_well(_Bits(data[_HEADER : _HEADER + _BEGINNING]))
    except _Ended:
        return False


def _begins_well(bits: _Bits) -> bool:
    for _ in range(_TRANSFORMS + 1):
        if not bits.take(1):
            break
        kind = bits.take(2)
        if kind != _SUBTRACT_GREEN:  # a picture of its own says how, and its codes come first
            bits.take(8 if kind == _COLOUR_INDEXING else 3)
            return _is_cache(bits) and _are_codes(bits)
    else:
        return False
    if not _is_cache(bits):
        return False
    if bits.take(1):  # several sets of codes, and a picture that says which is used where
        bits.take(3)
        return _is_cache(bits) and _are_codes(bits)
    return _are_codes(bits)


def _is_cache(bits: _Bits) -> bool:
    return not bits.take(1) or 1 <= bits.take(4) <= _MAX_CACHE_BITS


def _are_codes(bits: _Bits) -> bool:
    for _ in range(_CODES):
        if not bits.take(1):  # the lengths of its symbols are coded themselves; this code is read, and no more
            return _is_code([bits.take(3) for _ in range(4 + bits.take(4))])
        two = bits.take(1)
        bits.take(8 if bits.take(1) else 1)
        bits.take(8 * two)
    return True


def _is_code(lengths: Sequence[int]) -> bool:
    """Return whether these lengths use every bit pattern once, or belong to one symbol alone."""
    used = [length for length in lengths if length]
    return len(used) == 1 or sum(1 << 7 - length for length in used) == 1 << 7
