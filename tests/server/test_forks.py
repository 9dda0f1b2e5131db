"""Engines in processes that were forked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import multiprocessing, sys
from pathlib import Path
from pixkin_proto.errors import ForkedProcess
from pixkin_server.api import Query
from pixkin_server.engine import Engine
from pixkin_scoring.plan import DescriptorChoice, Plan

store, extractors, image = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]).read_bytes()
PLAN = Plan((DescriptorChoice("histogram"),))

def search(engine):
    return engine.search("photos", [Query(image=image)], PLAN).hits[0].id

def told(work, *arguments):
    try:
        return work(*arguments)
    except ForkedProcess as error:
        return error.reason

def opened(_):
    with Engine(store, extractors=extractors, device="cpu") as engine:
        return engine.embed(image, extractor="hsv-histogram").vectors and told(scan, engine)

def scan(engine):
    engine.warm_up()
    return search(engine)

def inherited(_):
    return [told(search, PARENT), told(PARENT.embed, image), told(PARENT.describe, "photos"), told(PARENT.drop, "no")]

fork = multiprocessing.get_context("fork")
with fork.Pool(1) as pool:
    print(pool.map_async(opened, [0]).get(30))
with Engine(store, extractors=extractors, device="cpu") as PARENT:
    PARENT.warm_up()
    print(search(PARENT))
    with fork.Pool(1) as pool:
        print(pool.map_async(opened, [0]).get(30))
        print(pool.map_async(inherited, [0]).get(30))
    print(search(PARENT))
"""


def test_a_forked_process_searches_or_is_told_why_it_cannot(store: Path, extractors: Path, photos: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, store, extractors, photos / "red/0.jpg"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    before, parent, after, inherited, again = ran.stdout.splitlines()
    assert (parent, again, before) == ("red/0.jpg", "red/0.jpg", "['red/0.jpg']")
    assert after in ("['FORKED_PROCESS']", "['red/0.jpg']")  # where numba's threads are not those of OpenMP it works
    assert inherited == str([["FORKED_PROCESS"] * 4])
