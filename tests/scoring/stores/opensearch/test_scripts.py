"""pixkin's scripts in a real cluster: registered, listed, compared, deleted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pixkin_proto.errors import ScriptsMissing
from pixkin_scoring.painless import script_id, scripts
from pixkin_scoring.stores.opensearch import scripts as module
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.scripts import (
    CURRENT,
    EDITED,
    FOREIGN,
    MISSING,
    OLD,
    ScriptGuard,
    delete_script,
    list_scripts,
    register_scripts,
    verify_scripts,
)
from pixkin_scoring.stores.opensearch.settings import ConnectionSettings
from pixkin_server.opensearch_node.node import Node

from tests.scoring.stores.opensearch.fault_proxy import FaultProxy, error

OURS = [each.id for each in scripts()]
CHI2 = script_id("chi2", "value")
OLDER, OPERATORS = "pixkin-chi2-f32-value-0123456789ab", "pixkin-of-an-operator"


@pytest.fixture
def cluster(opensearch: Node) -> Iterator[Connection]:
    """A cluster without scripts of pixkin, which has them all again at the end."""
    connection = Connection(opensearch.url, ConnectionSettings())
    for each in list_scripts(connection):
        delete_script(connection, each.id)
    yield connection
    for id_ in (OLDER, OPERATORS):
        delete_script(connection, id_)
    register_scripts(connection)
    connection.close()


def put(connection: Connection, id_: str, source: str) -> None:
    connection.ask("PUT", f"/_scripts/{id_}", body={"script": {"lang": "painless", "source": source}})


def states(connection: Connection) -> dict[str, str]:
    return {each.id: each.state for each in list_scripts(connection)}


def test_registering_stores_what_is_missing_and_then_does_nothing(cluster: Connection) -> None:
    assert states(cluster) == dict.fromkeys(OURS, MISSING)
    done = register_scripts(cluster)
    assert [(each.id, each.state) for each in done] == [(id_, MISSING) for id_ in OURS]
    assert states(cluster) == dict.fromkeys(OURS, CURRENT)
    assert register_scripts(cluster) == []
    assert list(verify_scripts(cluster)) == []


def test_a_script_that_was_edited_or_deleted_by_hand_is_told_and_put_right(cluster: Connection) -> None:
    register_scripts(cluster)
    put(cluster, CHI2, "return 0.0;")
    delete_script(cluster, OURS[0])
    assert states(cluster)[CHI2] == EDITED
    missing, edited = verify_scripts(cluster)
    assert f"{OURS[0]} is missing" in missing
    assert f"{CHI2} was edited by hand" in edited
    assert "pixkin scripts register --store http" in edited
    assert [(each.id, each.state) for each in register_scripts(cluster)] == [(OURS[0], MISSING), (CHI2, EDITED)]
    assert list(verify_scripts(cluster)) == []


def test_scripts_of_another_version_and_of_operators_are_told_apart(cluster: Connection) -> None:
    put(cluster, OLDER, "return 1.0;")
    put(cluster, OPERATORS, "return 1.0;")
    put(cluster, "operators-own", "return 1.0;")
    assert states(cluster) == {**dict.fromkeys(OURS, MISSING), OLDER: OLD, OPERATORS: FOREIGN}
    delete_script(cluster, OLDER)
    delete_script(cluster, OLDER)
    delete_script(cluster, "operators-own")
    assert OLDER not in states(cluster)


def test_a_guard_refuses_a_script_that_is_not_the_registered_one(
    cluster: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = ScriptGuard(cluster)
    with pytest.raises(ScriptsMissing, match="missing"):
        guard.check("chi2")
    register_scripts(cluster)
    guard.check("chi2")
    put(cluster, CHI2, "return 0.0;")
    guard.check("chi2")  # believed for a while
    guard.check("kl")
    monkeypatch.setattr(module, "BELIEVED_SECONDS", 0.0)
    eager = ScriptGuard(cluster)
    with pytest.raises(ScriptsMissing, match="edited by hand"):
        eager.check("chi2")
    eager.check("kl")
    register_scripts(cluster)
    eager.check("chi2")


def test_a_role_that_may_not_see_scripts_may_search(proxy: FaultProxy, connection: Connection) -> None:
    ScriptGuard(connection).check("chi2")
    proxy.always(error(403, "security_exception", "no permissions for [cluster:admin/script/get]"))
    ScriptGuard(connection).check("chi2")
