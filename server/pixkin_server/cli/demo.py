"""`pixkin demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixkin_server.cli import options as shared
from pixkin_server.cli.output import Progress, one_line
from pixkin_server.cli.search import print_result

if TYPE_CHECKING:
    from pixkin_scoring.results import SearchResult


class Terminal:
    """Shows the demo on stdout, and its progress on stderr."""

    def say(self, line: str) -> None:
        """Print a line, or several."""
        click.echo("\n".join(one_line(part) for part in line.split("\n")))

    def show(self, result: SearchResult) -> None:
        """Print ranked hits."""
        print_result(result, all_to_stdout=True)

    def progress(self, what: str, total: int) -> Progress:
        """Show how far a long work is."""
        return Progress(what, total)


@click.command()
@click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Your own pictures, in place of those of the demo.",
)
@click.option(
    "--store",
    metavar="S",
    help="Where to put the collection: a directory, or the URL of an OpenSearch cluster.  [default: below the user's "
    "data directory]",
)
@shared.insecure
@shared.extractors
@shared.device
def demo(images: Path | None, store: str | None, insecure: bool, extractors: Path | None, device: Any) -> None:
    """See it work: real photos, a collection, a server, ranked pictures over gRPC.

    Needs the extra `demo`, or --images. The collection is called demo, or demo-own with --images.
    """
    from pixkin_embedding.directory import data_directory

    from pixkin_server.demo.run import Place, run_demo

    folder = data_directory() / "demo"
    place = Place(
        store=store or str(folder / "store"),
        insecure=insecure,
        disposable=store is None,
        collection="demo-own" if images else "demo",
        extractors=extractors,
        device=device,
    )
    run_demo(folder, images, place, Terminal())
