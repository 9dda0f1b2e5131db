"""Options that several commands share, declared once: flag, environment variable, default and help."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from pixkin_server.cli.numbers import SECONDS, WHOLE

if TYPE_CHECKING:
    from pixkin_scoring.plan import Plan
    from pixkin_scoring.stores import Store

    from pixkin_server.api import Service
    from pixkin_server.engine import Engine
    from pixkin_server.folders import Choice

F = TypeVar("F", bound=Callable[..., Any])
DEFAULT_STORE = "./pixkin.store"

insecure = click.option(
    "--insecure", is_flag=True, envvar="PIXKIN_INSECURE", show_envvar=True,
    help="Allow http, which everyone on the way can read, to a cluster on another host.",
)  # fmt: skip
_store = click.option(
    "--store", default=DEFAULT_STORE, envvar="PIXKIN_STORE", show_default=True, show_envvar=True, metavar="S",
    help="Where collections live: a directory, or the URL of an OpenSearch cluster.",
)  # fmt: skip
_own_store = click.option(
    "--store", envvar="PIXKIN_STORE", show_envvar=True, metavar="S",
    help="Where its collection lives: a directory, or the URL of an OpenSearch cluster.  [default: store in the user's "
         "data directory, or below PIXKIN_HOME]",
)  # fmt: skip
_no_server = click.option(
    "--server", hidden=True, envvar="PIXKIN_SERVER", help="Refused: a server does not offer this."
)
server = click.option(
    "--server", envvar="PIXKIN_SERVER", show_envvar=True, metavar="HOST:PORT",
    help="Ask a running pixkin server in place of a store.",
)  # fmt: skip
extractors = click.option(
    "--extractors", type=click.Path(file_okay=False, path_type=Path), envvar="PIXKIN_EXTRACTORS", show_envvar=True,
    metavar="DIR", help="Directory of extractor files.  [default: the user's data directory, or below PIXKIN_HOME]",
)  # fmt: skip
device = click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", envvar="PIXKIN_DEVICE", show_default=True,
    show_envvar=True, help="What computes vectors; cuda refuses to run on anything else.",
)  # fmt: skip
timeout = click.option(
    "--timeout", type=SECONDS, default=60.0, envvar="PIXKIN_TIMEOUT", show_default=True, show_envvar=True,
    metavar="SECONDS", help="How long one call may take.",
)  # fmt: skip
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
choice_options = (
    click.option("--hidden", is_flag=True, help="Take pictures from hidden, trash and cache folders too."),
    click.option(
        "--exclude", multiple=True, metavar="GLOB",
        help="Pass over files and folders of this name, or with this path below FOLDER; repeatable.",
    ),
)  # fmt: skip
remove_missing = click.option(
    "--remove-missing",
    is_flag=True,
    help="Remove items also where many are missing, a folder has no picture left, or files are passed over now.",
)
filters = click.option(
    "--filter", "filters", multiple=True, metavar="KEY=VALUE",
    help="label=NAME, KEY=VALUE or KEY=LOW..HIGH; repeatable: same key or, different keys and.",
)  # fmt: skip


def all_of(options: Sequence[Callable[[F], F]]) -> Callable[[F], F]:
    """Return one decorator for several options, which keep their order in the help."""

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_RANKING = (
    click.option("--descriptor", "descriptors", multiple=True, metavar="D[:measure=M,weight=W]",
                 help="Descriptor to compare; needed where the collection has several."),
    click.option("--measure", default="", metavar="M", help="Measure; the descriptor's default otherwise."),
    click.option("--candidates", default="auto", show_default=True, metavar="C",
                 help="auto, exact:depth=N or approximate:depth=N. approximate is for a collection in OpenSearch with "
                      "--ann (auto chooses it there when the collection is large); a directory answers exactly."),
    click.option("--expand", default="", metavar="E",
                 help="Query expansion: average:n=N or alpha:n=N,a=A, over the whole collection or its first "
                      "shortlist=N."),
    click.option("--rerank", multiple=True, metavar="R",
                 help="Re-ranking: whiten:name=NAME, k-reciprocal, diffusion, mmr or collapse, each with options "
                      "(docs/search.md); repeatable, in order."),
    click.option("--fuse", default="", metavar="F",
                 help="How several --descriptor become one ranking: weighted (the default), rrf or adaptive."),
    filters,
    click.option("--normalise", type=click.Choice(["mass", "none"]), default="mass", show_default=True,
                 help="mass: mass measures divide each vector by its sum; none: as stored."),
)  # fmt: skip
_PAGE = (
    click.option("--include-self", is_flag=True, help="Keep an item that is queried by id in its own hits."),
    click.option(
        "--allow-partial",
        is_flag=True,
        help="Take the hits of the shards that answer when others of a cluster do not; stderr says so.",
    ),
    click.option(
        "--fit-deadline",
        is_flag=True,
        help="Skip a re-ranking that would not fit into --timeout, and name it, in place of failing.",
    ),
    click.option(
        "--explain",
        is_flag=True,
        help="Say of each hit which bins and regions its value comes from; for mass measures.",
    ),
    click.option("--size", type=WHOLE, default=10, show_default=True, metavar="N", help="How many hits."),
    click.option("--offset", type=WHOLE, default=0, show_default=True, metavar="N", help="How many hits to pass over."),
)
store: Callable[[Any], Any] = all_of((_store, insecure))
"""The options that name a store."""
own_store: Callable[[Any], Any] = all_of((_own_store, insecure))
"""The options that name a store which is the user's own unless another is named."""
connection: Callable[[Any], Any] = all_of((store, server, extractors, device, timeout))
"""The options that say which service a command talks to."""
store_only: Callable[[Any], Any] = all_of((store, _no_server))
"""The options of a command that works on a store and refuses a server."""
ranking_options: Callable[[Any], Any] = all_of(_RANKING)
"""The options that say how items are ranked; they are the same everywhere."""
search_options: Callable[[Any], Any] = all_of((*_RANKING, *_PAGE))
"""The options that describe a search: the ranking, and which part of it is wanted."""


@contextmanager
def connected(options: dict[str, Any]) -> Iterator[Service]:
    """Open the service that the connection options name, taking them out of `options`."""
    address = server_address(options)
    options.pop("server")
    if address is None:
        with opened(options) as engine:
            yield engine
        return
    from pixkin_server.client import Client

    for name in ("store", "insecure", "extractors", "device"):
        options.pop(name)
    with Client(address, timeout=options.pop("timeout")) as client:
        yield client


def server_address(options: Mapping[str, Any]) -> str | None:
    """Return the server to ask, or None for the store; a flag goes before an environment variable."""
    if options["server"] is None or (_is_flag("store") and not _is_flag("server")):
        return None
    if _is_flag("store"):
        raise click.UsageError("a command works on a --store or asks a --server, not both")
    for name in ("extractors", "device", "insecure"):
        if _is_flag(name):
            raise click.UsageError(f"--{name} goes with a store; a server has its own")
    return str(options["server"])


def refuse_server(options: dict[str, Any]) -> None:
    """Take the server out of the options of a command that works on a store only; one that is named is refused."""
    command = click.get_current_context().command_path.removeprefix("pixkin ")
    if server_address(options) is not None:
        raise click.UsageError(f"{command} works on a store only, not through a server; give --store")
    options.pop("server")


def _is_flag(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


@contextmanager
def opened(options: dict[str, Any]) -> Iterator[Engine]:
    """Open an engine in this process, taking its options out of `options`."""
    from pixkin_embedding.limits import FOLDER_LIMITS

    from pixkin_server.engine import Engine
    from pixkin_server.threads import sharing_cores

    settings = {name: options.pop(name) for name in ("extractors", "device", "insecure") if name in options}
    where, seconds = options.pop("store"), options.pop("timeout")
    with sharing_cores(), Engine(where, limits=FOLDER_LIMITS, timeout=seconds, **settings) as engine:
        yield engine


@contextmanager
def opened_store(name: str, *, insecure: bool) -> Iterator[Store]:
    """Open a store in this process without the engine around it."""
    from pixkin_scoring.stores import open_store

    with closing(open_store(name, insecure=insecure)) as found:
        yield found


def choice_from_options(options: dict[str, Any]) -> Choice:
    """Return what of a folder is wanted, taking its options out of `options`."""
    from pixkin_server.folders import Choice

    return Choice(options.pop("hidden"), options.pop("exclude"))


def plan_from_options(options: dict[str, Any]) -> Plan:
    """Return the plan that the search options describe, taking them out of `options`. Raises InvalidPlan."""
    from pixkin_scoring.plan import Plan, parse_descriptor

    named = tuple(parse_descriptor(text) for text in options.pop("descriptors"))
    measure = options.pop("measure")
    return Plan(
        descriptors=_with_measure(named, measure) if measure else named,
        rerank=tuple(options.pop("rerank")),
        filter=tuple(options.pop("filters")),
        **{name: options.pop(name) for name in _PLAN_OPTIONS if name in options},
    )


_PLAN_OPTIONS = (
    "candidates",
    "expand",
    "fuse",
    "normalise",
    "include_self",
    "fit_deadline",
    "allow_partial",
    "explain",
    "size",
    "offset",
)


def _with_measure(named: Sequence[Any], measure: str) -> tuple[Any, ...]:
    from dataclasses import replace

    from pixkin_scoring.plan import DescriptorChoice

    return tuple(replace(choice, measure=choice.measure or measure) for choice in named or [DescriptorChoice()])
