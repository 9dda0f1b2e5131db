"""What a cluster is and can do, asked once before it is used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pixkin_proto.errors import StoreDenied, StoreFormat, StoreUnavailable

from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.faults import IndexMissing, not_opensearch

OLDEST = (2, 19, 0)
SUPPORTED = "pixkin works with OpenSearch 2.19 and newer"
KNN_PLUGIN = "opensearch-knn"
KNN_CLASS = "org.opensearch.knn.plugin.KNNPlugin"
KNN_ENGINES = ("lucene", "faiss")
"""Engines that every supported k-NN plugin has, the first one without native libraries."""
CONTEXTS = ("number_sort", "score")
_MASQUERADE = "7.10.2"


@dataclass(frozen=True)
class Capabilities:
    """What a cluster can do.

    distribution: `opensearch` · version: (major, minor, patch) · knn: every node has the k-NN plugin · unknown: what
    the role may not see, as sentences; then k-NN counts as absent and stored scripts as allowed.
    """

    distribution: str
    version: tuple[int, int, int]
    knn: bool = False
    unknown: tuple[str, ...] = ()

    @property
    def knn_engines(self) -> tuple[str, ...]:
        """Engines for `knn_vector` fields, the preferred one first."""
        return KNN_ENGINES if self.knn else ()


def probe(connection: Connection, deadline: float) -> Capabilities:
    """Return what the cluster can do.

    Args:
        connection: to the cluster.
        deadline: time.monotonic() instant, in seconds.

    Raises:
        StoreFormat: it is no OpenSearch, or one older than 2.19; the message names what came and what is missing.
        StoreDenied: the role may not ask for the version, or the cluster's settings forbid stored scripts.
        StoreUnavailable, Deadline: no answer.
    """
    if ".aoss." in connection.url:
        raise StoreFormat(f"{connection.url} is OpenSearch Serverless, which has no version to check; use a domain")
    try:
        root = connection.ask("GET", "/", deadline=deadline)
    except IndexMissing:  # a path in the URL is taken for the name of an index
        raise StoreUnavailable(
            f"{connection.url} is not where OpenSearch answers: is the path right? The URL of a cluster has none, "
            "unless a proxy in front of it adds one"
        ) from None
    distribution, version = _identity(root, connection.url)
    try:
        nodes = _nodes(connection, deadline)
    except StoreDenied:
        unknown = "the role lacks cluster:monitor/nodes/info, so pixkin does not see whether there is a k-NN plugin"
        return Capabilities(distribution, version, unknown=(unknown,))
    for settings in _script_settings(nodes):
        _check_scripts(settings, connection.url)
    # The node that takes a request parses it and the manager checks mappings, so that a plugin on the data nodes alone
    # is not enough.
    knn = all(_plugins(node) & {KNN_PLUGIN, KNN_CLASS} for node in nodes)
    return Capabilities(distribution, version, knn=knn)


def _identity(root: Mapping[str, Any], url: str) -> tuple[str, tuple[int, int, int]]:
    """Return distribution and version of the answer to GET /, or refuse by name."""
    version = root.get("version")
    if not isinstance(version, Mapping) or not isinstance(version.get("number"), str):
        raise not_opensearch(url)
    number, distribution = version["number"], version.get("distribution")
    if distribution != "opensearch":
        raise StoreFormat(f"{url} is {_other_name(root, distribution)} {number}; {SUPPORTED}")
    if number == _MASQUERADE:
        raise StoreFormat(
            f"{url} says it is {number}, as OpenSearch does for old clients; set "
            "compatibility.override_main_response_version to false"
        )
    found = _numbers(number)
    if found < OLDEST:
        raise StoreFormat(f"{url} is OpenSearch {number}; {SUPPORTED}")
    return distribution, found


def _other_name(root: Mapping[str, Any], distribution: object) -> str:
    if isinstance(distribution, str) and distribution:
        return distribution
    elastic = "build_flavor" in root["version"] or "You Know, for Search" in str(root.get("tagline"))
    return "Elasticsearch" if elastic else "an unknown search engine"


def _numbers(number: str) -> tuple[int, int, int]:
    found = [int(part) for part in re.findall(r"\d+", number.partition("-")[0])]
    major, minor, patch = (*found, 0, 0, 0)[:3]
    return major, minor, patch


def _nodes(connection: Connection, deadline: float) -> list[Mapping[str, Any]]:
    params = {"filter_path": "nodes.*.plugins.name,nodes.*.plugins.classname,nodes.*.settings.script"}
    nodes = connection.ask("GET", "/_nodes/plugins,settings", params=params, deadline=deadline).get("nodes")
    if not isinstance(nodes, Mapping) or not nodes:
        raise not_opensearch(connection.url)
    return [node for node in nodes.values() if isinstance(node, Mapping)]


def _plugins(node: Mapping[str, Any]) -> set[str]:
    return {str(plugin.get(key)) for plugin in node.get("plugins", ()) for key in ("name", "classname")}


def _script_settings(nodes: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the `script` settings of each node that sets any; what no file sets allows everything."""
    for node in nodes:
        settings = node.get("settings")
        if isinstance(settings, Mapping) and isinstance(settings.get("script"), Mapping):
            yield settings["script"]


def _check_scripts(settings: Mapping[str, Any], url: str) -> None:
    types = _listed(settings.get("allowed_types"))
    if types and not {"stored", "both"} & set(types):
        raise StoreDenied(f"{url} has script.allowed_types: {', '.join(types)}; pixkin needs stored")
    contexts = _listed(settings.get("allowed_contexts"))
    missing = [context for context in CONTEXTS if contexts and context not in contexts]
    if missing:
        raise StoreDenied(
            f"{url} has script.allowed_contexts: {', '.join(contexts)}; pixkin needs {' and '.join(missing)} too"
        )


def _listed(value: object) -> list[str]:
    """Return a setting that may be a list or one text with commas."""
    if isinstance(value, str):
        value = value.split(",")
    return [str(part).strip() for part in value if str(part).strip()] if isinstance(value, list) else []
