from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pixkin_scoring.painless import script_id, scripts
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.scripts import delete_script
from pixkin_scoring.stores.opensearch.settings import ConnectionSettings

Cli = Callable[..., Any]
CHI2 = script_id("chi2", "value")
OLD, FOREIGN = "pixkin-chi2-f32-value-0123456789ab", "pixkin-mine"
COMMANDS = ("register", "list", "verify", "gc")


@pytest.fixture
def connection(pixkin: Cli, cluster: str) -> Any:
    """A connection to a cluster on which all scripts are registered."""
    pixkin("scripts", "register", "--store", cluster)
    connection = Connection(cluster, ConnectionSettings())
    yield connection
    connection.close()


def put(connection: Connection, id_: str) -> None:
    connection.ask("PUT", f"/_scripts/{id_}", body={"script": {"lang": "painless", "source": "return 1.0;"}})


def test_scripts_are_registered_once(pixkin: Cli, connection: Connection, cluster: str) -> None:
    delete_script(connection, CHI2)
    first = pixkin("scripts", "register", "--store", cluster)
    assert (first.status, first.out) == (0, f"{CHI2} was missing\n1 registered\n")
    assert pixkin("scripts", "register", "--store", cluster).out == "0 registered\n"


def test_a_script_that_was_edited_by_hand_is_found_and_put_right(
    pixkin: Cli, connection: Connection, cluster: str
) -> None:
    assert pixkin("scripts", "verify", "--store", cluster).out == "0 problems\n"
    put(connection, CHI2)
    found = pixkin("scripts", "verify", "--store", cluster)
    assert (found.status, found.out) == (3, "1 problems\n")
    assert f"{CHI2} was edited by hand" in found.err
    assert pixkin("scripts", "register", "--store", cluster).out == f"{CHI2} was edited\n1 registered\n"
    assert pixkin("scripts", "verify", "--store", cluster).status == 0


def test_the_list_tells_what_each_script_is(pixkin: Cli, connection: Connection, cluster: str) -> None:
    put(connection, FOREIGN)
    try:
        listed = pixkin("scripts", "list", "--store", cluster, "--json").json
        shown = pixkin("scripts", "list", "--store", cluster).out
    finally:
        delete_script(connection, FOREIGN)
    states = {each["id"]: each["state"] for each in listed}
    assert states.pop(FOREIGN) == "foreign"
    assert states == dict.fromkeys([each.id for each in scripts()], "current")
    assert shown.splitlines()[0].split() == ["id", "state"]
    assert len(shown.splitlines()) == len(listed) + 1


def test_old_scripts_are_deleted_when_somebody_agrees(pixkin: Cli, connection: Connection, cluster: str) -> None:
    put(connection, OLD)
    put(connection, FOREIGN)
    try:
        kept = pixkin("scripts", "gc", "--store", cluster, stdin="n\n")
        unanswered = pixkin("scripts", "gc", "--store", cluster)
        agreed = pixkin("scripts", "gc", "--store", cluster, stdin="y\n")
        assert pixkin("scripts", "gc", "--store", cluster).out == "0 deleted\n"
        assert pixkin("scripts", "list", "--store", cluster).out.count(FOREIGN) == 1
    finally:
        delete_script(connection, FOREIGN)
    assert kept.status == unanswered.status == 1
    assert "all scripts stay" in kept.err
    assert "--yes" in unanswered.err
    assert agreed.out == f"{OLD} is gone\n1 deleted\n"


def test_old_scripts_are_deleted_unasked_with_yes(pixkin: Cli, connection: Connection, cluster: str) -> None:
    put(connection, OLD)
    assert pixkin("scripts", "gc", "--yes", "--store", cluster).out == f"{OLD} is gone\n1 deleted\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_directory_is_refused_in_one_line(pixkin: Cli, command: str, tmp_path: Path) -> None:
    ran = pixkin("scripts", command, "--store", tmp_path / "store")
    assert ran.status == 2
    assert "is a directory" in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_a_server_is_refused_in_one_line(pixkin: Cli, command: str) -> None:
    ran = pixkin("scripts", command, "--server", "127.0.0.1:1")
    assert ran.status == 2
    assert ran.err.count("\n") == 1


def test_a_cluster_that_does_not_answer_is_one_line(pixkin: Cli) -> None:
    ran = pixkin("scripts", "verify", "--store", "http://127.0.0.1:1")
    assert ran.status == 1
    assert "[STORE_UNAVAILABLE]" in ran.err
    assert ran.err.count("\n") == 1
