"""`pixkin serve`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from pixkin_server.cli import options as shared
from pixkin_server.cli.numbers import Number
from pixkin_server.cli.output import complain
from pixkin_server.http.settings import DEFAULT_ADDRESS, HttpSettings
from pixkin_server.timeouts import MAX_SECONDS

CONFIG = "config"


def _read_config(ctx: click.Context, _: click.Parameter, file: Path | None) -> Path | None:
    """Make the values of a TOML file the defaults of this command's flags, whose names are its keys."""
    if file is None:
        return None
    flags = {name.lstrip("-"): param.name for param in ctx.command.params for name in param.opts}
    del flags[CONFIG]
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise click.BadParameter(f"{file} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise click.BadParameter(f"{file} is no TOML: {error}") from error
    if unknown := sorted(set(values) - set(flags)):
        raise click.BadParameter(f"{file} has {', '.join(unknown)}; it may have: {', '.join(sorted(flags))}")
    ctx.default_map = {str(flags[key]): value for key, value in values.items()}
    return file


def _check_address(ctx: click.Context, _: click.Parameter, address: str) -> str:
    """Refuse what gRPC would take for another port, or look up as a name for a while."""
    del ctx
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isascii() and port.isdecimal() and int(port) < 2**16):
        raise click.BadParameter(f"{address!r} is not HOST:PORT with a port from 0 to {2**16 - 1}")
    return address


def _check_folders(ctx: click.Context, _: click.Parameter, folders: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return the folders with all links followed; all of the file system is not a folder of pictures."""
    del ctx
    found = tuple(folder.resolve() for folder in folders)
    if any(folder == Path(folder.anchor) for folder in found):
        raise click.BadParameter("this would show every picture of this machine; name the folders of your pictures")
    return found


@click.command()
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="PIXKIN_CONFIG",
    show_envvar=True,
    is_eager=True,
    callback=_read_config,
    expose_value=False,
    metavar="FILE",
    help='TOML file of these flags\' values (grpc = "…", read-only = true); flags and environment variables go before.',
)
@click.option(
    "--grpc",
    "address",
    default="127.0.0.1:7475",
    envvar="PIXKIN_GRPC",
    show_envvar=True,
    show_default=True,
    callback=_check_address,
    metavar="ADDR",
    help="Where to listen: HOST:PORT, port 0 for any free one.",
)
@click.option(
    "--http",
    default=DEFAULT_ADDRESS,
    envvar="PIXKIN_HTTP",
    show_envvar=True,
    show_default=True,
    callback=_check_address,
    metavar="ADDR",
    help="Where the page and HTTP listen (extra `http`); when nobody says where and the port is taken, another one.",
)
@click.option(
    "--no-http",
    is_flag=True,
    envvar="PIXKIN_NO_HTTP",
    show_envvar=True,
    help="Serve gRPC alone.",
)
@click.option(
    "--http-host",
    "hosts",
    multiple=True,
    envvar="PIXKIN_HTTP_HOST",
    show_envvar=True,
    metavar="NAME",
    help="A further host name under which HTTP may be called; repeatable.",
)
@click.option(
    "--cors-origin",
    "origins",
    multiple=True,
    envvar="PIXKIN_CORS_ORIGIN",
    show_envvar=True,
    metavar="ORIGIN",
    help="An origin (https://host) whose pages may call over HTTP; repeatable.",
)
@click.option(
    "--allow-writes",
    is_flag=True,
    envvar="PIXKIN_ALLOW_WRITES",
    show_envvar=True,
    help="Let callers change collections, over gRPC and HTTP; without it only commands on the store do.",
)
@click.option(
    "--originals",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    callback=_check_folders,
    envvar="PIXKIN_ORIGINALS",
    show_envvar=True,
    metavar="FOLDER",
    help="Let the page show the files that items came from when they are pictures inside FOLDER; repeatable.",
)
@click.option(
    "--read-only",
    is_flag=True,
    envvar="PIXKIN_READ_ONLY",
    show_envvar=True,
    help="Refuse every call that changes a collection, as without --allow-writes and whatever that says.",
)
@click.option(
    "--reflection",
    is_flag=True,
    envvar="PIXKIN_REFLECTION",
    show_envvar=True,
    help="Let tools such as grpcurl ask for the services (extra `reflection`).",
)
@click.option(
    "--grace",
    type=Number(float, 0, MAX_SECONDS),
    default=20.0,
    envvar="PIXKIN_GRACE",
    show_envvar=True,
    show_default=True,
    metavar="SECONDS",
    help="How long calls in flight may take to finish at the end; a second Ctrl-C ends them at once.",
)
@click.option(
    "--drain",
    type=Number(float, 0, MAX_SECONDS),
    default=5.0,
    envvar="PIXKIN_DRAIN",
    show_envvar=True,
    show_default=True,
    metavar="SECONDS",
    help="How long after SIGTERM or SIGHUP calls are still taken while health says NOT_SERVING; none after Ctrl-C.",
)
@click.option(
    "--allow-untrained",
    is_flag=True,
    envvar="PIXKIN_ALLOW_UNTRAINED",
    show_envvar=True,
    help="Run extractors with random weights too, which find nothing alike.",
)
@click.option(
    "--create",
    is_flag=True,
    envvar="PIXKIN_CREATE",
    show_envvar=True,
    help="Make an empty store where there is none yet; without it, a directory that holds no store ends the start.",
)
@shared.device
@shared.extractors
@shared.store
def serve(address: str, allow_writes: bool, read_only: bool, reflection: bool, create: bool, **more: Any) -> None:
    """Serve embedding and search over gRPC and HTTP, and a page to search with, until SIGTERM, SIGHUP or Ctrl-C.

    Listens on loopback only unless told otherwise. Health (grpc.health.v1, /readyz) says SERVING once extractors,
    matrices and kernels are warm.
    """
    import asyncio
    import logging

    from pixkin_server.engine import Engine
    from pixkin_server.serving import ServerSettings
    from pixkin_server.serving import serve as run
    from pixkin_server.threads import sharing_cores

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    http, where = _http_settings(more)
    ends = {name: where.pop(name) for name in ("drain", "grace")}
    settings = ServerSettings(address, writes=allow_writes and not read_only, reflection=reflection, http=http, **ends)
    with (
        sharing_cores(),
        Engine(where.pop("store"), **where) as engine,
    ):
        engine.store.prepare(create=create)
        asyncio.run(run(engine, settings, complain))


def _http_settings(flags: dict[str, Any]) -> tuple[HttpSettings | None, dict[str, Any]]:
    """Return the settings of HTTP, None without it, and the flags that are for others."""
    names = {"http", "no_http", "hosts", "origins", "originals"}
    others = {name: value for name, value in flags.items() if name not in names}
    if flags["no_http"]:
        return None, others
    source = click.get_current_context().get_parameter_source("http")
    settings = HttpSettings(
        flags["http"],
        chosen=source is not ParameterSource.DEFAULT,
        originals=flags["originals"],
        hosts=flags["hosts"],
        origins=flags["origins"],
    )
    return settings, others
