"""Every bit of a collection's file that changes what is read is named by `verify`."""

from __future__ import annotations

import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import PixkinError
from pixkin_scoring.items import FileFacts, Item, ItemUpdate
from pixkin_scoring.stores.embedded.opening import VERSION
from pixkin_scoring.stores.embedded.store import EmbeddedStore

GREY, MORE = Descriptor("grey", 4), Descriptor("more", 3)
SOON = float("inf")


def filled(place: Path) -> Path:
    """Make a collection with everything that one may have; returns its file."""
    draw = np.random.default_rng(7)
    with closing(EmbeddedStore(str(place))) as store:
        store.create("photos", [GREY, MORE])
        made = [
            Item(
                f"folder/{number:03}.jpg",
                {each.name: draw.normal(size=each.dim).astype(np.float32) for each in (GREY, MORE)},
                labels=frozenset({"cat", f"label {number}"}),
                attributes={"price": number * 1.5, "title": f"picture {number}"},
                source=f"{number:03}.jpg",
                root="/pictures",
                file=FileFacts(1000 + number, 1_700_000_000_000_000_000 + number, draw.bytes(32)),
                width=640,
                height=480,
                thumbnail=draw.bytes(300),
            )
            for number in range(12)
        ]
        assert {result.state for result in store.add("photos", made, deadline=SOON)} == {"added"}
        store.put_attachment("photos", "whitening:a", draw.bytes(500), deadline=SOON)
        store.remove("photos", ["folder/003.jpg"], deadline=SOON)
        store.update("photos", [ItemUpdate("folder/004.jpg", labels=frozenset({"dog"}))], deadline=SOON)
    return place / "photos.sqlite"


def contents(store: EmbeddedStore) -> Any:
    """Everything that can be read from the collection."""
    listed = store.list_items("photos", (), size=100)
    ids = [item.id for item in listed]
    whole = store.get("photos", ids, thumbnails=True, vectors=True)
    return (
        [
            (item, vars(found) | {"vectors": {name: vector.tobytes() for name, vector in found.vectors.items()}})
            for item, found in whole.items()
        ],
        listed,
        store.labels("photos"),
        store.get_attachment("photos", "whitening:a"),
        store.get_attachment("photos", "whitening:b"),
        [store.describe("photos").descriptors, store.describe("photos").roots, store.describe("photos").thumbnails],
        store.generation("photos"),
        store.describe("photos").vector_generation,
    )


def read(place: Path) -> Any:
    """The contents, or that they cannot be read."""
    with closing(EmbeddedStore(str(place))) as store:
        try:
            return contents(store)
        except PixkinError as error:
            return error.reason


def missed(file: Path, places: list[tuple[int, int]]) -> list[tuple[int, int, str]]:
    """Flip bits, one at a time; returns those that changed what is read, and of which `verify` said nothing."""
    whole, right = file.read_bytes(), read(file.parent)
    found = []
    for place, bit in places:
        changed = bytearray(whole)
        changed[place] ^= 1 << bit
        file.write_bytes(changed)
        differs = read(file.parent) != right
        with closing(EmbeddedStore(str(file.parent))) as store:
            try:
                problems = store.verify("photos").problems
            except PixkinError as error:
                problems = (error.message,)
        if differs and not problems:
            found.append((place, bit, repr(whole[max(0, place - 20) : place + 20])))
        for beside in file.parent.glob("photos.sqlite-*"):
            beside.unlink()
    file.write_bytes(whole)
    return found


def test_no_flipped_bit_that_changes_what_is_read_is_missed_by_verify(tmp_path: Path) -> None:
    file = filled(tmp_path)
    draw = random.Random(3)  # noqa: S311 (places to damage, no secrets)
    used = [place for place, byte in enumerate(file.read_bytes()) if byte]
    with closing(EmbeddedStore(str(tmp_path))) as store:
        assert store.verify("photos").problems == ()
    assert missed(file, [(place, draw.randrange(8)) for place in draw.sample(used, 250)]) == []


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE items SET width = 641 WHERE row = 2", "folder/001.jpg"),
        ("UPDATE items SET mtime_ns = mtime_ns + 1 WHERE row = 2", "folder/001.jpg"),
        ("UPDATE items SET sha256 = zeroblob(32) WHERE row = 2", "folder/001.jpg"),
        ("UPDATE items SET checksum = NULL WHERE row = 2", "folder/001.jpg"),
        ("UPDATE labels SET label = 'cats' WHERE row = 2 AND label = 'cat'", "folder/001.jpg"),
        ("DELETE FROM labels WHERE row = 2", "folder/001.jpg"),
        ("UPDATE attributes SET number = 99 WHERE row = 2 AND key = 'price'", "folder/001.jpg"),
        ("UPDATE attributes SET text = 'other' WHERE row = 2 AND key = 'title'", "folder/001.jpg"),
        ("UPDATE thumbnails SET jpeg = zeroblob(300) WHERE row = 2", "folder/001.jpg"),
        ("DELETE FROM thumbnails WHERE row = 2", "folder/001.jpg"),
        ("UPDATE vectors_2 SET vector = zeroblob(12), sum = 0, norm = 0 WHERE row = 2", "folder/001.jpg"),
        ("UPDATE vectors_2 SET checksum = NULL WHERE row = 2", "folder/001.jpg"),
        ("UPDATE attachments SET data = zeroblob(500)", "whitening:a"),
        ("UPDATE attachments SET generation = 0", "whitening:a"),
        ("UPDATE meta SET value = 0 WHERE key = 'thumbnails'", "declares"),
        ("UPDATE meta SET value = 99 WHERE key = 'generation'", "declares"),
        ("DELETE FROM meta WHERE key = 'checksum'", "declares"),
        ("UPDATE descriptors SET default_measure = 'euclidean'", "declares"),
        ("UPDATE descriptors SET norm = 'l9'", "declares"),
        ("UPDATE sqlite_sequence SET seq = 7", "declares"),
    ],
)
def test_whatever_was_changed_is_named(tmp_path: Path, statement: str, named: str) -> None:
    file = filled(tmp_path)
    with closing(sqlite3.connect(file)) as connection, connection:
        assert connection.execute(statement).rowcount
    with closing(EmbeddedStore(str(tmp_path))) as store:
        assert named in " ".join(store.verify("photos").problems)


V1 = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE descriptors(
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, dim INTEGER NOT NULL, norm TEXT NOT NULL,
    non_negative INTEGER NOT NULL, default_measure TEXT NOT NULL, fingerprint TEXT NOT NULL);
CREATE TABLE items(
    row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, source TEXT NOT NULL, root TEXT NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 BLOB NOT NULL, width INTEGER NOT NULL,
    height INTEGER NOT NULL, changed INTEGER NOT NULL);
CREATE INDEX items_changed ON items(changed);
CREATE TABLE labels(
    row INTEGER NOT NULL REFERENCES items(row) ON DELETE CASCADE, label TEXT NOT NULL,
    PRIMARY KEY(row, label)) WITHOUT ROWID;
CREATE INDEX labels_label ON labels(label, row);
CREATE TABLE attributes(
    row INTEGER NOT NULL REFERENCES items(row) ON DELETE CASCADE, key TEXT NOT NULL, text TEXT, number REAL,
    PRIMARY KEY(row, key)) WITHOUT ROWID;
CREATE INDEX attributes_text ON attributes(key, text, row);
CREATE INDEX attributes_number ON attributes(key, number, row);
CREATE TABLE thumbnails(row INTEGER PRIMARY KEY REFERENCES items(row) ON DELETE CASCADE, jpeg BLOB NOT NULL);
CREATE TABLE attachments(key TEXT PRIMARY KEY, generation INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE vectors_1(row INTEGER PRIMARY KEY REFERENCES items(row) ON DELETE CASCADE,
    vector BLOB NOT NULL, sum REAL NOT NULL, norm REAL NOT NULL);
INSERT INTO meta VALUES ('generation', 3), ('thumbnails', 1);
INSERT INTO descriptors VALUES (1, 'grey', 4, 'l2', 0, 'cosine', '');
INSERT INTO items VALUES (1, 'old', '', '', 0, 0, x'', 0, 0, 1), (2, 'older', '', '', 0, 0, x'', 0, 0, 2);
INSERT INTO labels VALUES (1, 'cat');
INSERT INTO vectors_1 VALUES (1, x'0000803f000000000000000000000000', 1, 1),
    (2, x'0000803f000000000000000000000000', 1, 1);
INSERT INTO attachments VALUES ('graph', 3, x'1234');
PRAGMA application_id = 1886940014;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
"""


def test_a_store_of_the_first_version_is_read_and_gets_checksums_with_what_is_written(tmp_path: Path) -> None:
    file = tmp_path / "first" / "photos.sqlite"
    file.parent.mkdir()
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.executescript(V1)
    before = file.read_bytes()
    with closing(EmbeddedStore(str(file.parent))) as store:
        assert store.get("photos", ["old"])["old"].labels == {"cat"}
        assert store.verify("photos") == store.verify("photos")
        assert store.verify("photos").problems == ()
        assert store.get_attachment("photos", "graph") == (b"\x12\x34", 3)
    assert file.read_bytes() == before
    with closing(EmbeddedStore(str(file.parent))) as store:
        list(store.add("photos", [Item("new", {"grey": np.ones(4, np.float32)})], deadline=time.monotonic() + 60))
        store.update("photos", [ItemUpdate("old", labels=frozenset({"dog"}))], deadline=time.monotonic() + 60)
        assert store.verify("photos").problems == ()
        assert [item.id for item in store.list_items("photos", (), size=9)] == ["new", "old", "older"]
        assert store.get_attachment("photos", "graph") == (b"\x12\x34", 3)
    with closing(sqlite3.connect(file)) as connection, connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
        connection.execute("UPDATE labels SET label = 'cow'")
        connection.execute("UPDATE vectors_1 SET norm = 1.5, sum = 2 WHERE row = 2")
        connection.execute("UPDATE vectors_1 SET checksum = NULL WHERE row = 3")
    with closing(EmbeddedStore(str(file.parent))) as store:
        again = "remove it and add it again"
        assert store.verify("photos").problems == (
            f"facts, labels, attributes or thumbnail have changed since they were written for: old; {again}",
            f"a vector of grey has changed since it was written for: new; {again}",
            f"the sum and norm stored with a vector of grey are not its own for: older; {again}",
        )
