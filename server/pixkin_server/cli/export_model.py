"""`pixkin export-model`."""

from __future__ import annotations

from pathlib import Path

import click

from pixkin_server.cli import options as shared
from pixkin_server.cli.output import print_table


@click.command(name="export-model")
@click.argument("name", required=False)
@click.option("--list", "show", is_flag=True, help="List the models that can be exported.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="File to write.  [default: NAME.onnx in the extractor directory]",
)
@click.option(
    "--weights",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Weights to use in place of those of the installed package.",
)
@click.option("--with", "outputs", multiple=True, metavar="OUTPUT", help="Further output, for instance logits.")
@click.option("--force", is_flag=True, help="Replace another extractor of the same name, which collections may need.")
@shared.extractors
def export_model(
    name: str | None,
    show: bool,
    output: Path | None,
    weights: Path | None,
    outputs: tuple[str, ...],
    force: bool,
    extractors: Path | None,
) -> None:
    """Write the extractor file of the model NAME.

    Exporting the same thing twice gives the same bytes.
    """
    from pixkin_embedding.directory import ExtractorDirectory
    from pixkin_export.catalogue import CATALOGUE
    from pixkin_export.exporting import export_model as run

    if show:
        rows = [
            (entry.name, ", ".join(f"{d.name} ({d.dim})" for d in entry.descriptors), entry.title)
            for entry in CATALOGUE.values()
        ]
        print_table(("name", "descriptors", "what it is"), rows)
        return
    if name is None:
        raise click.UsageError("which model? See: pixkin export-model --list")
    directory = ExtractorDirectory(extractors).path
    click.echo(str(run(name, directory=directory, output=output, weights=weights, with_outputs=outputs, force=force)))
