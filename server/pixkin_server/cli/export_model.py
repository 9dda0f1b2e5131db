"""`pixkin export-model`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixkin_server.cli import options as shared
from pixkin_server.cli.numbers import COUNT, LARGEST, REAL, WHOLE, Number
from pixkin_server.cli.output import Progress, complain, print_json, print_table

if TYPE_CHECKING:
    from pixkin_export.differences import ParityFailed
    from pixkin_export.sources.options import SourceOptions

EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
ONNX = "onnx:"


def _onnx_file(ctx: click.Context, param: click.Parameter, text: str | None) -> Path | None:
    if text is None:
        return None
    if not text.startswith(ONNX):
        raise click.BadParameter(f"{text!r} is not onnx:FILE")
    return Path(EXISTING.convert(text.removeprefix(ONNX), param, ctx))


def _numbers(_ctx: click.Context, _param: click.Parameter, text: str) -> tuple[float, float, float]:
    try:
        first, second, third = (float(each) for each in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not three numbers with commas between them") from None
    return first, second, third


def _cuts(_ctx: click.Context, _param: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    named = [text.partition("=") for text in texts]
    return {alias: tensor if equals else alias for alias, equals, tensor in named}


_OF_AN_ONNX_FILE = (
    click.option("--from", "onnx_file", callback=_onnx_file, metavar="onnx:FILE",
                 help="The network is in this ONNX file; NAME is then the extractor's, as you choose it."),
    click.option("--cut", "cuts", multiple=True, callback=_cuts, metavar="[ALIAS=]TENSOR",
                 help="With --from: a tensor to make descriptors of, and a name for it; repeatable."),
    click.option("--layout", type=click.Choice(["nchw", "nhwc"]), default="nchw", show_default=True,
                 help="With --from: the order of the input's axes."),
    click.option("--channels", type=click.Choice(["rgb", "bgr"]), default="rgb", show_default=True,
                 help="With --from: the order of its channels."),
    click.option("--scale", type=REAL, default=1.0, show_default=True, metavar="S",
                 help="With --from: the network takes (pixel * S - mean) / std, where pixels are 0 to 255."),
    click.option("--mean", default="0,0,0", show_default=True, callback=_numbers, metavar="A,B,C",
                 help="With --from: see --scale; in the order of its channels."),
    click.option("--std", default="1,1,1", show_default=True, callback=_numbers, metavar="A,B,C",
                 help="With --from: see --scale."),
)  # fmt: skip
_OF_WORDS = (
    click.option("--train", "folder", type=FOLDER, metavar="FOLDER",
                 help="Pictures to learn the visual words of bovw from."),
    click.option("--words", type=Number(int, 2, LARGEST), default=400, show_default=True, metavar="N",
                 help="With --train: how many words."),
    click.option("--batch-size", type=COUNT, default=1024, show_default=True, metavar="N",
                 help="With --train: descriptors a step of mini-batch k-means."),
)  # fmt: skip
_DERIVED = (
    click.option("--whitening", type=EXISTING, metavar="FILE",
                 help="Add the descriptor that FILE was learnt of, on its principal components, whitened."),
    click.option("--whitening-dims", type=COUNT, metavar="N",
                 help="With --whitening: the first N components.  [default: all]"),
    click.option("--whitening-plain", is_flag=True, help="With --whitening: projected only, not whitened."),
    click.option("--quantise", type=click.Choice(["int8"]),
                 help="Compute the network with 8-bit integers: about twice as fast on a CPU."),
    click.option("--precision", type=click.Choice(["fp16"]),
                 help="Compute the network with 16-bit floats, for GPUs."),
    click.option("--calibrate", type=FOLDER, metavar="FOLDER",
                 help="With --quantise or --precision: pictures like those that will be searched."),
)  # fmt: skip


@click.command(name="export-model", short_help="Write the extractor file of the model NAME.")
@click.argument("name", required=False)
@click.option("--list", "show", is_flag=True, help="List the models that can be exported by name.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="File to write.  [default: NAME.onnx in the extractor directory]",
)  # fmt: skip
@click.option(
    "--descriptor", "descriptors", multiple=True, metavar="[NAME=]HEAD[:K=V,...]",
    help="What the file computes, in place of the model's own; repeatable. HEAD+HEAD fuses two.",
)  # fmt: skip
@click.option(
    "--weights", type=EXISTING, metavar="FILE",
    help="Weights: .safetensors, or .pth, which is read without running what it contains.",
)  # fmt: skip
@click.option("--download", is_flag=True, help="Fetch the published weights by torchvision or timm.")
@click.option(
    "--random-weights", "untrained", is_flag=True, help="No weights, for trials; the file is marked as untrained."
)
@click.option("--size", type=WHOLE, metavar="N", help="Height and width of the input, in place of the model's own.")
@click.option("--native", is_flag=True, help="Pictures in their own proportions, for descriptors of feature maps.")
@click.option(
    "--longest", type=WHOLE, default=1024, show_default=True, metavar="N", help="With --native: the longest side."
)
@shared.all_of(_OF_AN_ONNX_FILE)
@shared.all_of(_OF_WORDS)
@shared.all_of(_DERIVED)
@click.option(
    "--as", "own_name", default="", metavar="NAME",
    help="The extractor's own name.  [default: NAME, with -white, -int8 or -fp16 behind it]",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace another extractor of the same name, which collections may need.")
@shared.extractors
@shared.as_json
def export_model(
    name: str | None,
    show: bool,
    output: Path | None,
    descriptors: tuple[str, ...],
    own_name: str,
    force: bool,
    extractors: Path | None,
    as_json: bool,
    **network: Any,
) -> None:
    """Write the extractor file of the model NAME: one of --list, torchvision:NAME, timm:NAME, or a network --from.

    The file is compared with its source before it is written: what it does not compute alike is not exported. Exporting
    the same thing twice gives the same bytes.

    \b
    Heads of feature maps: gap, sum, mac, gem:p=3, rmac:levels=3, crow, cnn-hist:bins=3
    Heads of vectors: class, or the name of a layer: fc1, logits, any module
    Heads of pixels: histogram:space=hsv, gch, hog, lbp, sift, bovw
    Those of layers take layer=NAME, and all norm=l1|l2|none. More in docs/extractors.md.
    """  # noqa: D301  # \b is click's mark for lines that it leaves as they are
    if show:
        _list(as_json=as_json)
        return
    from pixkin_embedding.directory import ExtractorDirectory
    from pixkin_export.differences import ParityFailed
    from pixkin_export.exporting import export_model as run
    from pixkin_export.origins import check_installed

    check_installed()
    # PyTorch's threads spin while they wait: beside other work an export took six times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if name is None:
        raise click.UsageError("which model? See: pixkin export-model --list")
    folder, words, batch = (network.pop(key) for key in ("folder", "words", "batch_size"))
    onnx_file = network.pop("onnx_file")
    derived = _derived(network)
    options = _options(onnx_file, network)
    if folder:
        options = _trained(name, options, descriptors, folder, words=words, batch=batch)
    try:
        path = run(
            name,
            directory=ExtractorDirectory(extractors).path,
            output=output,
            options=options,
            descriptors=descriptors,
            onnx_file=onnx_file,
            own_name=own_name,
            force=force,
            **derived,
        )
    except ParityFailed as error:
        _show_rows(error)
        raise
    click.echo(str(path))


def _options(onnx_file: Path | None, network: dict[str, Any]) -> SourceOptions:
    from pixkin_export.sources.options import InputForm, SourceOptions

    form = InputForm(**{key: network.pop(key) for key in ("layout", "channels", "scale", "mean", "std")})
    if onnx_file is None and (network["cuts"] or form != InputForm()):
        raise click.UsageError("--cut, --layout, --channels, --scale, --mean and --std go with --from onnx:FILE")
    return SourceOptions(form=form, **network)


def _derived(options: dict[str, Any]) -> dict[str, Any]:
    """Return what is made of the extractor, taking its options out of `options`."""
    from pixkin_export.derived import Smaller, Whitened

    from pixkin_server.folders import walk

    file, dims, plain = (options.pop(key) for key in ("whitening", "whitening_dims", "whitening_plain"))
    int8, fp16, folder = (options.pop(key) for key in ("quantise", "precision", "calibrate"))
    if (dims or plain) and file is None:
        raise click.UsageError("--whitening-dims and --whitening-plain go with --whitening FILE")
    if int8 and fp16:
        raise click.UsageError(
            "a network has either 8-bit integers or 16-bit floats; leave out --quantise or --precision"
        )
    if folder and not (int8 or fp16):
        raise click.UsageError("--calibrate goes with --quantise or --precision")
    pictures = [each.path for each in walk(folder, tell=complain)] if folder else []
    return {
        "whitened": Whitened(file, dims, plain) if file else None,
        "smaller": Smaller(int8 or fp16, pictures, str(folder)) if int8 or fp16 else None,
    }


def _trained(
    name: str, options: SourceOptions, descriptors: tuple[str, ...], folder: Path, *, words: int, batch: int
) -> SourceOptions:
    """Return the options with a vocabulary, and tell how it came about."""
    from pixkin_embedding.limits import FOLDER_LIMITS
    from pixkin_export.catalogue import find_entry
    from pixkin_export.training import train

    from pixkin_server.files import read_picture
    from pixkin_server.folders import walk

    found = walk(folder, tell=complain)
    with Progress("pictures", len(found)) as bar:

        def read() -> Iterator[bytes]:
            for picture in found:
                yield read_picture(picture.path, FOLDER_LIMITS)
                bar(1)

        trained = train(find_entry(name), options, descriptors, read(), words=words, batch=batch)
    complain(f"{words} words from {trained.descriptors:,} descriptors of {len(found) - trained.refused:,} pictures")
    if trained.refused:
        complain(f"{trained.refused:,} pictures could not be read")
    index = ", ".join(f"{size} words {value:.3f}" for size, value in trained.index.items())
    complain(f"Davies-Bouldin index, lower is better: {index}")
    return replace(options, vocabulary=trained.vocabulary)


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
