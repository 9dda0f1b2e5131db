"""`pixkin demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pixkin_server.cli import options as shared
from pixkin_server.cli.output import Progress


@click.command()
@click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Your own pictures, in place of those of the demo.",
)
@click.option("--store", metavar="S", help="Where to put the collection.  [default: below the user's data directory]")
@shared.extractors
@shared.device
def demo(images: Path | None, store: str | None, extractors: Path | None, device: Any) -> None:
    """See it work: real photos, a collection, a server, ranked pictures over gRPC. Needs the extra `demo`."""
    from pixkin_embedding.directory import default_directory

    from pixkin_server.cli.search import print_result
    from pixkin_server.demo.run import run_demo

    folder = default_directory().parent / "demo"
    run_demo(
        folder,
        store or str(folder / "store"),
        images,
        extractors=extractors,
        device=device,
        say=click.echo,
        show=print_result,
        progress=lambda total, what: Progress(what, total),
    )
