"""Derived and augmented descriptors: whatever happens, a collection with one takes pictures and is searched by them."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import DimensionMismatch, InvalidArgument, StoreFormat, UnknownDescriptor
from pixkin_proto.whitening import Whitening, whitening_key, whitening_to_bytes
from pixkin_scoring.augmentation import Augmentation, augment
from pixkin_scoring.fitting import Fit, fit_whitening
from pixkin_scoring.plan import DescriptorChoice, Plan
from pixkin_scoring.stores import copying, open_store
from pixkin_scoring.stores.embedded.database import Database, raise_generation
from pixkin_scoring.stores.keys import derivation_key
from pixkin_server.api import ExtractorChoice, NewItem, Query
from pixkin_server.deriving import derive, remove_derived
from pixkin_server.engine import Engine
from pixkin_server.opensearch_node.node import Node

from tests.server.killed import COLLECTION, WRITES

RNG = np.random.default_rng(8)
ROWS = {f"i{number:02}": RNG.normal(size=4).astype(np.float32) for number in range(6)}
MOST_STEPS = 150
ROOT = Path(__file__).parents[2]
KINDS = ["embedded", pytest.param("opensearch", marks=pytest.mark.slow)]


def fill(engine: Engine, name: str = COLLECTION) -> None:
    """Make a collection of imported vectors."""
    engine.create(name, descriptors=[Descriptor("plain", 4)])
    added = list(engine.add_stream(name, [NewItem(item, vectors={"plain": row}) for item, row in ROWS.items()]))
    assert {each.state for each in added} == {"added"}


def names(engine: Engine, name: str = COLLECTION) -> list[str]:
    return [descriptor.name for descriptor in engine.describe(name).descriptors]


def assert_sound(engine: Engine, name: str = COLLECTION) -> None:
    """It verifies, takes an item by the vectors that are no derived ones, and finds it by each descriptor."""
    assert engine.verify(name).problems == ()
    [added] = engine.add_stream(name, [NewItem("later", vectors={"plain": ROWS["i00"]})])
    assert added.error is None
    for descriptor in names(engine, name):
        plan = Plan(descriptors=(DescriptorChoice(descriptor),), size=100)
        found = engine.search(name, [Query(vectors={"plain": ROWS["i00"]})], plan).hits
        assert len(found) == len(ROWS) + 1
        assert "later" in found.ids[:2]


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store, empty at first."""
    if request.param == "embedded":
        return str(tmp_path / "store")
    url: str = request.getfixturevalue("nodes")("3.8.0").url
    with closing(open_store(url)) as store:
        for name in store.list():
            store.drop(name)
    return url


@pytest.fixture
def engine(place: str) -> Iterator[Engine]:
    with Engine(place) as engine:
        yield engine


@pytest.fixture(scope="module")
def pictures(photos: Path) -> list[NewItem]:
    return [NewItem(path.parent.name + path.name, image=path) for path in sorted(photos.glob("*/*.jpg"))]


@pytest.fixture
def colours(place: str, extractors: Path, pictures: list[NewItem]) -> Iterator[Engine]:
    """A collection of pictures, with a whitened descriptor, and an augmented one of that."""
    with Engine(place, extractors=extractors) as engine:
        engine.create("colours", [ExtractorChoice("hsv-histogram")])
        assert {each.state for each in engine.add_stream("colours", pictures[:-1])} == {"added"}
        described = engine.describe("colours")
        whitening = fit_whitening(
            engine.store.scan("colours", "histogram"), described.descriptors[0], Fit(4, 0.5, 0.1, "")
        )
        derive(engine.store, described, "histogram", whitening, "white", deadline=math.inf)
        augment(engine.store, engine.describe("colours"), "white", "near", Augmentation(k=2), deadline=math.inf)
        yield engine


def killed_at_every_step(step: str, write: str, places: list[str]) -> int:
    command = [sys.executable, "-m", "tests.server.killed", step, write, *places]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    return int(ran.stdout)


def by_picture(engine: Engine, name: str, descriptor: str, picture: NewItem) -> tuple[str, float]:
    assert isinstance(picture.image, Path)
    plan = Plan(descriptors=(DescriptorChoice(descriptor),), size=1)
    [hit] = engine.search(name, [Query(image=picture.image.read_bytes())], plan).hits
    return hit.id, hit.value


def test_an_augmented_descriptor_of_a_whitened_one_takes_pictures_and_is_searched_by_them(
    colours: Engine, pictures: list[NewItem]
) -> None:
    assert [each.state for each in colours.add_stream("colours", pictures[-1:])] == ["added"]
    for descriptor in ("white", "near"):
        item, value = by_picture(colours, "colours", descriptor, pictures[-1])
        assert (item, value) == (pictures[-1].id, pytest.approx(1, abs=1e-5))


@pytest.mark.parametrize("target", ["the same store", "a directory"])
def test_a_copy_takes_pictures_and_is_searched_by_them(
    colours: Engine, pictures: list[NewItem], extractors: Path, tmp_path: Path, target: str
) -> None:
    before = colours.store.fetch("colours", "near", ["red0.jpg"]).tolist()
    place = str(tmp_path / "other") if target == "a directory" else colours.store.name
    with Engine(place, extractors=extractors) as there:
        copying.copy(colours.store, there.store, "colours", new_name="copy", deadline=math.inf)
        assert names(there, "copy") == ["hsv-histogram.histogram", "white", "near"]
        assert there.describe("copy").derived == {"white", "near"}
        assert there.verify("copy").problems == ()
        assert [each.state for each in there.add_stream("copy", pictures[-1:])] == ["added"]
        assert by_picture(there, "copy", "white", pictures[-1])[0] == pictures[-1].id
        assert there.store.fetch("copy", "near", ["red0.jpg"]).tolist() == before


def test_what_an_older_version_left_is_named_refused_and_repaired(
    colours: Engine, pictures: list[NewItem], extractors: Path
) -> None:
    if isinstance(colours.store.name, str) and colours.store.scans_here:
        file = Path(colours.store.name) / "colours.sqlite"
        with closing(Database(file, writing=True)) as database, database.transaction() as connection:
            connection.execute("DELETE FROM attachments")
            connection.execute("DELETE FROM meta WHERE key LIKE 'derived %'")
            raise_generation(connection)
    else:
        colours.store.connection.ask("DELETE", "/colours.attachments")  # type: ignore[attr-defined]  # it is a cluster
    with Engine(colours.store.name, extractors=extractors) as engine:
        problems = engine.verify("colours").problems
        assert [name in problem for name, problem in zip(("white", "near"), problems, strict=True)] == [True, True]
        assert all("pixkin index remove-descriptor colours" in problem for problem in problems)
        [refused] = engine.add_stream("colours", pictures[-1:])
        assert isinstance(refused.error, StoreFormat)
        with pytest.raises(StoreFormat, match="remove-descriptor colours white"):
            by_picture(engine, "colours", "white", pictures[0])
        assert by_picture(engine, "colours", "histogram", pictures[0])[0] == pictures[0].id
        for name in ("near", "white"):
            remove_derived(engine.store, engine.describe("colours"), name, deadline=math.inf)
        assert engine.verify("colours").problems == ()
        assert [each.state for each in engine.add_stream("colours", pictures[-1:])] == ["added"]


def test_a_copy_that_an_older_version_made_is_repaired_by_resuming(colours: Engine, pictures: list[NewItem]) -> None:
    store = colours.store
    store.create("old", store.describe("colours").descriptors)
    copying.copy(store, store, "colours", new_name="old", resume=True, deadline=math.inf)
    assert colours.verify("old").problems == ()
    assert [each.state for each in colours.add_stream("old", pictures[-1:])] == ["added"]


def test_a_descriptor_removed_and_made_again_is_another_one_also_for_who_searched_the_first(engine: Engine) -> None:
    fill(engine)
    WRITES["derive"](engine.store, COLLECTION)
    assert_sound(engine)
    remove_derived(engine.store, engine.describe(COLLECTION), "white", deadline=math.inf)
    assert engine.store.get_attachment(COLLECTION, derivation_key("white")) is None
    other = Whitening(np.zeros(4), np.eye(4)[:2], np.ones(2), "", "plain")
    derive(engine.store, engine.describe(COLLECTION), "plain", other, "white", deadline=math.inf)
    assert_sound(engine)
    assert engine.store.fetch(COLLECTION, "white", ["i00"]).shape == (1, 2)
    remove_derived(engine.store, engine.describe(COLLECTION), "white", deadline=math.inf)
    with pytest.raises(UnknownDescriptor):
        engine.store.fetch(COLLECTION, "white", ["i00"])
    assert_sound(engine)


def test_a_whitening_of_other_dimensions_is_refused(tmp_path: Path) -> None:
    other = Whitening(np.zeros(6), np.eye(6), np.ones(6), "", "plain")
    with Engine(str(tmp_path / "store")) as engine:
        fill(engine)
        with pytest.raises(DimensionMismatch):
            derive(engine.store, engine.describe(COLLECTION), "plain", other, "white", deadline=math.inf)
        engine.store.put_attachment(COLLECTION, whitening_key("w"), whitening_to_bytes(other), deadline=math.inf)
        with pytest.raises(DimensionMismatch):
            engine.search(COLLECTION, [Query(id="i00")], Plan(rerank=("whiten:name=w",)))


def test_what_cannot_be_removed_stays(colours: Engine) -> None:
    store, described = colours.store, colours.describe("colours")
    for name, said in (("histogram", "made by the extractor"), ("white", "near is computed of white")):
        with pytest.raises(InvalidArgument, match=said):
            remove_derived(store, described, name, deadline=math.inf)
    with pytest.raises(UnknownDescriptor):
        remove_derived(store, described, "none", deadline=math.inf)
    fill(colours)
    with pytest.raises(InvalidArgument, match="index drop"):
        remove_derived(store, colours.describe(COLLECTION), "plain", deadline=math.inf)
    assert names(colours, "colours") == ["hsv-histogram.histogram", "white", "near"]


@pytest.mark.parametrize("write", ["derive", "augment", "augment again", "remove", "copy"])
def test_a_kill_before_any_statement_leaves_all_or_nothing(tmp_path: Path, write: str) -> None:
    with Engine(str(tmp_path / "first")) as engine:
        fill(engine)
        if write in {"remove", "copy"}:
            WRITES["derive"](engine.store, COLLECTION)
        if write in {"augment again", "copy"}:
            WRITES["augment"](engine.store, COLLECTION)
        before = names(engine)
    places = [str(tmp_path / str(number)) for number in range(MOST_STEPS)]
    for place in places:
        shutil.copytree(tmp_path / "first", place)
    write = write.partition(" ")[0]
    kills = killed_at_every_step("statement", write, places)
    assert kills >= 5
    seen = set()
    for place in places[: kills + 1]:
        with Engine(place) as engine:
            seen.add(tuple(names(engine)))
            assert engine.verify(COLLECTION).problems == ()
            WRITES[write](engine.store, COLLECTION) if write in {"augment", "copy"} else None
            assert_sound(engine, f"{COLLECTION}-copy" if write == "copy" else COLLECTION)
    assert tuple(before) in seen
    assert len(seen) == (2 if write in {"derive", "remove"} or "near" not in before else 1)


@pytest.mark.slow
@pytest.mark.parametrize("write", ["derive", "augment", "remove", "copy"])
def test_a_kill_before_any_request_leaves_all_or_nothing(nodes: Callable[[str], Node], write: str) -> None:
    url = nodes("3.8.0").url
    collections = [f"killed-{write}-{number}" for number in range(1, 25)]
    with Engine(url) as engine:
        for name in collections:
            fill(engine, name)
            if write in {"remove", "copy"}:
                WRITES["derive"](engine.store, name)
    kills = killed_at_every_step("request", write, [f"{url}#{name}" for name in collections])
    assert kills >= 2
    with Engine(url) as engine:
        for name in collections[: kills + 1]:
            for held in {name, f"{name}-copy"}.intersection(engine.store.list()):
                # A claim of a command that was killed is named, and ends by this or by itself.
                assert [each for each in engine.verify(held).problems if "pixkin index unlock" not in each] == []
                engine.store.unlock(held)  # type: ignore[attr-defined]  # it is a cluster
            WRITES[write](engine.store, name) if write in {"augment", "copy"} else None
            assert_sound(engine, f"{name}-copy" if write == "copy" else name)
        for name in engine.store.list():
            engine.drop(name)
