"""The options of `pixkin evaluate` besides those of a search."""

from __future__ import annotations

from pathlib import Path

import click

from pixkin_server.cli.numbers import LARGEST, Number

PATH = click.Path(exists=True, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

TRUTH_OPTIONS = (
    click.option("--ground-truth", type=PATH, metavar="PATH",
                 help="The protocol's files; docs/evaluation.md says which."),
    click.option("--queries", default="", metavar="SOURCE",
                 help="Queries that are not simply the items: a folder of pictures (class = first folder), "
                      "collection:NAME, KEY=VALUE (items that fit, which no ranking contains then), or for trec a file "
                      "of lines QID QUERY."),
    click.option("--area", type=click.Choice(["auto", "box", "whole"]), default="auto", show_default=True,
                 help="What of a query picture to search with where the ground truth has a box: auto is the box if the "
                      "collection has an extractor, else the whole picture."),
    click.option("--images", type=FOLDER, metavar="DIR", help="Folder of the query pictures, if not where they were."),
    click.option("--level", default="", metavar="L", help="mirflickr: relevant (default) or potential annotations."),
    click.option("--seed", type=Number(int, 0, LARGEST), default=0, show_default=True, metavar="N",
                 help="mirflickr: seed of the queries that are drawn."),
    click.option("--skip-missing", is_flag=True,
                 help="Leave out pictures of the ground truth that the collection lacks, and count them."),
    click.option("--distractors", multiple=True, metavar="COLLECTION", help="Mix another collection in; repeatable."),
    click.option("--quality", multiple=True, metavar="M",
                 help="Also report this measure, as P@3, nDCG@20 or one of trec_eval as ir-measures names it; "
                      "repeatable."),
)  # fmt: skip
WORK_OPTIONS = (
    click.option("--report", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
                 help="Write the figures (JSON, Markdown), a page with curves and pictures (HTML), a TREC run and "
                      "qrels."),
    click.option("--run", type=FILE, metavar="FILE",
                 help="Rate the rankings of a TREC run file in place of searching."),
    click.option("--compare", nargs=2, type=FILE, metavar="A.json B.json",
                 help="Compare two evaluations of the same queries; nothing is searched."),
    click.option("--by", default="", metavar="M", help="Of --compare: the measure.  [default: the protocol's]"),
)  # fmt: skip
GRID_OPTIONS = (
    click.option("--grid", is_flag=True,
                 help="Try every descriptor with every measure that applies and every --plan; --report DIR makes it "
                      "resumable."),
    click.option("--measures", default="", metavar="M,M", help="Of a grid: the measures to try.  [default: all]"),
    click.option("--plan", "plans", multiple=True, metavar="NAME=OPTIONS",
                 help="Of a grid: a plan to try, such as 'raw=--normalise none'; repeatable."),
    click.option("--from", "folder", type=FOLDER, metavar="FOLDER",
                 help="First index FOLDER into COLLECTION, labels from folders; needs --extractor where it is new."),
    click.option("--extractor", "encoded_by", multiple=True, metavar="NAME", help="Of --from: extractor; repeatable."),
)  # fmt: skip
