"""The keys of what is kept with a collection for one of its descriptors, and goes with it."""

from __future__ import annotations

from pixkin_proto.descriptors import Kind


def derivation_key(descriptor: str) -> str:
    """Return the key of the whitening that a derived descriptor is computed by."""
    return f"derived:{descriptor}"


def augmentation_key(descriptor: str) -> str:
    """Return the key of an augmented descriptor's state."""
    return f"augmented:{descriptor}"


def graph_key(descriptor: str, kind: Kind) -> str:
    """Return the key of a graph of neighbours: one for each descriptor and kind of measure."""
    return f"graph:{descriptor}:{kind.value}"


def keys_of(descriptor: str) -> list[str]:
    """Return every key that may belong to a descriptor, by its full name."""
    graphs = [graph_key(descriptor, kind) for kind in Kind]
    return [derivation_key(descriptor), augmentation_key(descriptor), *graphs]
