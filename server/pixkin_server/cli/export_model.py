"""`pixkin export-model`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixkin_server.cli import options as shared
from pixkin_server.cli.output import complain, print_json, print_table

if TYPE_CHECKING:
    from pixkin_export.parity import ParityFailed

EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(name="export-model", short_help="Write the extractor file of the model NAME.")
@click.argument("name", required=False)
@click.option("--list", "show", is_flag=True, help="List the models that can be exported by name.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="File to write.  [default: NAME.onnx in the extractor directory]",
)
@click.option(
    "--descriptor",
    "descriptors",
    multiple=True,
    metavar="[NAME=]HEAD[:K=V,...]",
    help="What the file computes, in place of the model's own; repeatable. HEAD+HEAD fuses two.",
)
@click.option(
    "--weights",
    type=EXISTING,
    metavar="FILE",
    help="Weights: .safetensors, or .pth, which is read without running what it contains.",
)
@click.option("--download", is_flag=True, help="Fetch the published weights by torchvision or timm.")
@click.option(
    "--random-weights", "untrained", is_flag=True, help="No weights, for trials; the file is marked as untrained."
)
@click.option("--size", type=int, metavar="N", help="Height and width of the input, in place of the model's own.")
@click.option("--native", is_flag=True, help="Pictures in their own proportions, for descriptors of feature maps.")
@click.option(
    "--longest", type=int, default=1024, show_default=True, metavar="N", help="With --native: the longest side."
)
@click.option("--force", is_flag=True, help="Replace another extractor of the same name, which collections may need.")
@shared.extractors
@shared.as_json
def export_model(
    name: str | None,
    show: bool,
    output: Path | None,
    descriptors: tuple[str, ...],
    force: bool,
    extractors: Path | None,
    as_json: bool,
    **network: Any,
) -> None:
    r"""Write the extractor file of the model NAME: one of --list, torchvision:NAME or timm:NAME.

    The file is compared with its source before it is written: what it does not compute alike is not exported. Exporting
    the same thing twice gives the same bytes.

    \b
    Heads of feature maps: gap, sum, mac, gem:p=3, rmac:levels=3, crow, cnn-hist:bins=3; of vectors: class, or the
    name of a layer (fc1, logits, any module). All take layer=NAME and norm=l1|l2|none.
    """
    from pixkin_embedding.directory import ExtractorDirectory
    from pixkin_export.exporting import export_model as run
    from pixkin_export.parity import ParityFailed
    from pixkin_export.sources.options import SourceOptions

    if show:
        _list(as_json=as_json)
        return
    if name is None:
        raise click.UsageError("which model? See: pixkin export-model --list")
    directory = ExtractorDirectory(extractors).path
    try:
        path = run(
            name,
            directory=directory,
            output=output,
            options=SourceOptions(**network),
            descriptors=descriptors,
            force=force,
        )
    except ParityFailed as error:
        _show_rows(error)
        raise
    click.echo(str(path))


def _list(*, as_json: bool) -> None:
    from pixkin_export.catalogue import CATALOGUE

    if as_json:
        print_json(
            [
                {"name": each.name, "descriptors": dict(each.descriptors), "weights": each.weights, "title": each.title}
                for each in CATALOGUE.values()
            ]
        )
        return
    rows = [
        (
            entry.name,
            ", ".join(f"{spec.partition('=')[0]} ({dim})" for spec, dim in entry.descriptors.items()),
            entry.weights,
            entry.title,
        )
        for entry in CATALOGUE.values()
    ]
    print_table(("name", "descriptors", "weights", "what it is"), rows)


def _show_rows(error: ParityFailed) -> None:
    for row in error.rows:
        told = "as its source" if row.passed else "NOT as its source"
        complain(f"{row.descriptor}: {told}, cosine {row.cosine:.6f}, difference {row.difference:.0e} ({row.worst})")
