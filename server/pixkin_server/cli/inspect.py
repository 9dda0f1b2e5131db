"""`pixkin inspect`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from pixkin_server.cli.output import print_json, print_table


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="Recompute the fingerprint and the golden vectors on this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(file: Path, check: bool, as_json: bool) -> None:
    """Print what the extractor FILE says of itself."""
    from pixkin_embedding.bundle import read_description
    from pixkin_embedding.encoder import load_encoder

    extractor = read_description(file)
    provider = load_encoder(file).provider if check else None
    if as_json:
        descriptors = [
            {"name": d.name, "dim": d.dim, "norm": d.norm, "non_negative": d.non_negative, "measure": d.default_measure}
            for d in extractor.descriptors
        ]
        print_json(
            {
                "name": extractor.name,
                "fingerprint": extractor.fingerprint,
                "preprocessing": extractor.preprocessing.to_dict(),
                "descriptors": descriptors,
                "provenance": dict(extractor.provenance),
                "checked_on": provider,
            }
        )
        return
    click.echo(f"extractor      {extractor.name}")
    click.echo(f"fingerprint    {extractor.fingerprint}")
    click.echo(f"preprocessing  {extractor.preprocessing.description}")
    for key, value in extractor.provenance.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        click.echo(f"{key:<13}  {text}")
    click.echo("")
    rows = [
        (d.name, str(d.dim), d.norm, "no" if d.non_negative else "yes", d.default_measure)
        for d in extractor.descriptors
    ]
    print_table(("descriptor", "dim", "norm", "signed", "default measure"), rows, right=(1,))
    if provider:
        click.echo(f"\nchecked on {provider}: fingerprint and golden vectors are right")
