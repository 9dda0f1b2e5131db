"""`pixkin inspect`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixkin_server.cli import options as shared
from pixkin_server.cli.output import one_line, print_json, print_table

PARITY, SMALLER = "parity", "smaller"

if TYPE_CHECKING:
    from pixkin_embedding.bundle import Extractor


@click.command()
@click.argument("name", metavar="NAME|FILE")
@click.option("--check", is_flag=True, help="Recompute the fingerprint and the golden vectors on this machine.")
@shared.extractors
@shared.as_json
def inspect(name: str, check: bool, extractors: Path | None, as_json: bool) -> None:
    """Print what an extractor file says of itself: FILE, or that of the extractor NAME."""
    from pixkin_embedding.bundle import read_description
    from pixkin_embedding.directory import SUFFIX, ExtractorDirectory

    is_file = name.endswith(SUFFIX) or Path(name).exists()
    file = Path(name) if is_file else ExtractorDirectory(extractors).by_name(name)
    extractor = read_description(file)
    provider = _provider_of(file) if check else None
    if as_json:
        print_json(_to_json(extractor, provider))
        return
    _print(extractor)
    if provider:
        click.echo(f"\nchecked on {provider}: fingerprint and golden vectors are right")


def _provider_of(file: Path) -> str:
    from pixkin_embedding.encoder import load_encoder
    from pixkin_proto.errors import Deadline, InvalidExtractor

    from pixkin_server.loading import LOAD_SECONDS, Loading

    try:
        return Loading(load_encoder).encoder(file, "", time.monotonic() + LOAD_SECONDS).provider
    except Deadline:
        raise InvalidExtractor(f"{file} is not ready to compute anything after {LOAD_SECONDS:g} s") from None


def _print(extractor: Extractor) -> None:
    facts = {
        "extractor": extractor.name,
        "fingerprint": extractor.fingerprint,
        "preprocessing": extractor.preprocessing.description,
        **({"untrained": "yes: its weights are random"} if extractor.untrained else {}),
        **{key: value for key, value in extractor.provenance.items() if key not in {PARITY, SMALLER}},
    }
    width = max(len(key) for key in facts)
    for key, value in facts.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        click.echo(f"{key:<{width}}  {one_line(text)}")
    click.echo("")
    rows = [
        (d.name, str(d.dim), d.norm, "no" if d.non_negative else "yes", d.default_measure)
        for d in extractor.descriptors
    ]
    print_table(("descriptor", "dim", "norm", "signed", "default measure"), rows, right=(1,))
    if parity := extractor.provenance.get(PARITY):
        _print_rows(f"compared with {parity.get('against', '')}", parity)
    if smaller := extractor.provenance.get(SMALLER):
        _print_rows(f"computed in {smaller.get('bits', '')}, compared with float32", smaller)


def _print_rows(title: str, compared: Mapping[str, Any]) -> None:
    """Print how far each descriptor was from another one when the file was made."""
    click.echo(f"\n{one_line(title)}")
    rows = compared.get("rows", [])
    headings = sorted({key for row in rows for key in row}, key=lambda key: (key != "descriptor", key))
    print_table(
        [each.replace("_", " ") for each in headings], [[_cell(row.get(key)) for key in headings] for row in rows]
    )


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _to_json(extractor: Extractor, provider: str | None) -> dict[str, Any]:
    return {
        "name": extractor.name,
        "fingerprint": extractor.fingerprint,
        "untrained": extractor.untrained,
        "preprocessing": extractor.preprocessing.to_dict(),
        "descriptors": [
            {"name": d.name, "dim": d.dim, "norm": d.norm, "non_negative": d.non_negative, "measure": d.default_measure}
            for d in extractor.descriptors
        ],
        "provenance": dict(extractor.provenance),
        "checked_on": provider,
    }
