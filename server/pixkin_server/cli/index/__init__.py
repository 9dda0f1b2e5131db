"""`pixkin index`: make, fill and look after collections."""

from __future__ import annotations

import click

from pixkin_server.cli.groups import Group
from pixkin_server.cli.index.collections import create, describe, drop, verify
from pixkin_server.cli.index.copying import copy
from pixkin_server.cli.index.deriving import augment, derive, graph, remove_descriptor
from pixkin_server.cli.index.items import list_, remove, update
from pixkin_server.cli.index.pictures import add, sync
from pixkin_server.cli.index.vectors import export, import_
from pixkin_server.cli.index.versions import merge, prune, reindex, rollback, unlock

COMMANDS = (
    create, add, sync, import_, export, derive, augment, graph, remove_descriptor, update, remove, list_, describe,
    verify, copy, merge, reindex, rollback, unlock, prune, drop,
)  # fmt: skip


@click.group(cls=Group)
def index() -> None:
    """Make, fill and look after collections."""


for _command in COMMANDS:
    index.add_command(_command)
