"""`pixkin index add` and `sync`: pictures into a collection."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixkin_server.cli import options as shared
from pixkin_server.cli.folders import may_be_removed
from pixkin_server.cli.index.report import print_report, told_when_interrupted
from pixkin_server.cli.output import Progress

if TYPE_CHECKING:
    from pixkin_server.folders import Choice, Picture, Report

EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)

folder_options = (
    click.option(
        "--labels-from-folders",
        is_flag=True,
        help="Label every picture with the first folder of its path below FOLDER.",
    ),
    click.option("--prefix", default="", metavar="P", help="Put P/ before every id, to keep several folders apart."),
    *shared.choice_options,
    click.option("--checksum", is_flag=True, help="Read every file, whatever its size and time say."),
)


@click.command()
@click.argument("collection")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="FOLDER|FILE...")
@click.option(
    "--manifest",
    type=EXISTING,
    metavar="FILE.csv|.jsonl",
    help="List of pictures: path, and optionally id, labels, attributes.",
)
@shared.all_of(folder_options)
@shared.connection
@shared.as_json
def add(
    collection: str,
    paths: tuple[Path, ...],
    manifest: Path | None,
    labels_from_folders: bool,
    prefix: str,
    checksum: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Add pictures to COLLECTION.

    An id is the path below FOLDER, or the name of FILE. Unchanged pictures are not encoded again; labels and attributes
    that are given are brought up to date all the same. The exit status is 3 when some pictures were refused and the
    others are in.
    """
    from pixkin_server.folders import Choice, Report, add_pictures

    if bool(paths) == bool(manifest):
        raise click.UsageError("name folders or files to add, or a --manifest")
    choice = shared.choice_from_options(options)
    if manifest and (labels_from_folders or choice != Choice()):
        raise click.UsageError(
            "a --manifest names its pictures and their labels; --labels-from-folders, --hidden and --exclude go with "
            "folders"
        )
    report = Report()
    sources = [_source(path, prefix, choice, report, labels_from_folders=labels_from_folders) for path in paths]
    if manifest:
        sources.append(_listed(manifest, prefix))
    with (
        shared.connected(options) as service,
        Progress("pictures", sum(len(found) for _, found in sources)) as bar,
        told_when_interrupted(report),
    ):
        for root, found in sources:
            add_pictures(service, collection, found, report, root=str(root), checksum=checksum, progress=bar)
    print_report(report, as_json=as_json)


@click.command(short_help="Make COLLECTION equal to FOLDER.")
@click.argument("collection")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--moved-from", type=click.Path(path_type=Path), metavar="OLD", help="Where FOLDER was when it was added."
)
@shared.all_of(folder_options)
@shared.remove_missing
@shared.connection
@shared.as_json
def sync(
    collection: str,
    folder: Path,
    moved_from: Path | None,
    labels_from_folders: bool,
    prefix: str,
    checksum: bool,
    remove_missing: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Make COLLECTION equal to FOLDER: add what is new, remove what vanished, rename what moved.

    Items that came from other folders, or from this one with another --prefix, stay. A folder without any picture
    changes nothing. Where more than ten pictures and a tenth of them are missing, or a folder has no picture left, as
    when a drive is not mounted, their items stay unless the answer is yes or --remove-missing says so; the exit status
    is 3 then, and when some pictures were refused.
    """
    from pixkin_server.folders import find_gone, rebase, survey, sync_folder

    found = survey(
        folder, prefix=prefix, labels_from_folders=labels_from_folders, choice=shared.choice_from_options(options)
    )
    with shared.connected(options) as service, Progress("pictures", len(found.pictures)) as bar:
        if moved_from:
            rebase(service, collection, moved_from, folder, prefix=prefix)
        gone = find_gone(service, collection, found)
        leave = remove_missing or may_be_removed(gone, collection)
        report = sync_folder(
            service, collection, found, gone, remove_missing=leave, checksum=checksum, progress=bar
        )  # fmt: skip
    print_report(report, as_json=as_json)


def _source(
    path: Path, prefix: str, choice: Choice, report: Report, *, labels_from_folders: bool
) -> tuple[Path, list[Picture]]:
    """The root that a path on the command line stands for, and its pictures."""
    from pixkin_server.folders import single, survey

    if os.path.isdir(path):  # noqa: PTH112  # Path.is_dir raises where it may not look
        found = survey(path, prefix=prefix, labels_from_folders=labels_from_folders, choice=choice)
        report.note(found)
        return found.root, found.pictures
    return path.parent.resolve(), [single(path, prefix=prefix)]


def _listed(manifest: Path, prefix: str) -> tuple[Path, list[Picture]]:
    from pixkin_server.manifests import read_manifest

    return manifest.parent.resolve(), read_manifest(manifest, prefix=prefix)
