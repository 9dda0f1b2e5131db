"""Connections to real nodes on which pixkin's scripts are registered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.scripts import register_scripts
from pixkin_scoring.stores.opensearch.settings import ConnectionSettings
from pixkin_server.opensearch_node.node import Node

from tests.scoring.painless.documents import Documents


@pytest.fixture(scope="session")
def registered(opensearch: Node) -> Iterator[Connection]:
    """A connection to a node that has pixkin's scripts."""
    connection = Connection(opensearch.url, ConnectionSettings())
    register_scripts(connection)
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def documents(registered: Connection) -> Documents:
    """An index for vectors."""
    return Documents(registered, "documents")
