"""`pixkin serve`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import click

from pixkin_server.cli import options as shared


def _read_config(ctx: click.Context, _: click.Parameter, file: Path | None) -> Path | None:
    """Make the values of a TOML file the defaults of this command's flags."""
    if file is None:
        return None
    try:
        values = {key.replace("-", "_"): value for key, value in tomllib.loads(file.read_text()).items()}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise click.BadParameter(f"{file} cannot be read: {error}") from error
    known = {param.name for param in ctx.command.params} - {"config"}
    if unknown := sorted(set(values) - known):
        allowed = ", ".join(sorted(str(name) for name in known))
        raise click.BadParameter(f"{file} has {', '.join(unknown)}; it may have: {allowed}")
    ctx.default_map = values
    return file


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
    help='TOML file of these flags\' values (grpc = "…"); flags and environment variables go before it.',
)
@click.option(
    "--grpc",
    "address",
    default="127.0.0.1:7475",
    envvar="PIXKIN_GRPC",
    show_envvar=True,
    show_default=True,
    metavar="ADDR",
    help="Where to listen: HOST:PORT, port 0 for any free one.",
)
@click.option(
    "--read-only",
    is_flag=True,
    envvar="PIXKIN_READ_ONLY",
    show_envvar=True,
    help="Refuse every call that changes a collection.",
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
    type=float,
    default=20.0,
    envvar="PIXKIN_GRACE",
    show_envvar=True,
    show_default=True,
    metavar="SECONDS",
    help="How long calls in flight may take to finish after SIGTERM.",
)
@shared.device
@shared.extractors
@shared.store
def serve(address: str, read_only: bool, reflection: bool, grace: float, **where: Any) -> None:
    """Serve embedding and search over gRPC until SIGTERM or Ctrl-C.

    Listens on loopback only unless told otherwise. Health (grpc.health.v1) says SERVING once extractors, matrices and
    kernels are warm.
    """
    import asyncio
    import logging

    from threadpoolctl import threadpool_limits

    from pixkin_server.engine import Engine
    from pixkin_server.serving import ServerSettings
    from pixkin_server.serving import serve as run

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = ServerSettings(address, writes=not read_only, reflection=reflection, grace=grace)
    with (
        threadpool_limits(1, user_api="blas"),  # BLAS threads that spin beside numba's cost 2 to 3 times
        Engine(where["store"], extractors=where["extractors"], device=where["device"]) as engine,
    ):
        asyncio.run(run(engine, settings, lambda line: click.echo(f"pixkin: {line}", err=True)))
