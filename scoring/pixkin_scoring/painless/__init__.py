"""The measures as painless scripts, which OpenSearch runs: constant texts, and ids that name their content.

A script is prologue.painless, the measure's own file and epilogue.painless; its last line says what it returns. Nothing
of a request is ever in a text: field and query are parameters, see prologue.painless.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pixkin_scoring.measures import MEASURES, Better, find_measure

PREFIX = "pixkin-"
"""How the ids of all scripts of all versions begin."""
WORST = 1e308
"""The value of a document without a sound vector, negative where high is better: JSON knows no infinity."""
CONTEXTS = {"value": "number_sort", "score": "score"}
"""What a script returns, and the script context that it is for."""
_RETURNS = {"value": "return found;\n", "score": "return scored(found);\n"}


@dataclass(frozen=True)
class Script:
    """A stored script. Another text has another id, so a script is never changed, only added.

    id: pixkin-MEASURE-f32-RETURNS-HASH · returns: `value` or `score` · context: where OpenSearch may run it.
    """

    id: str
    measure: str
    returns: str
    context: str
    source: str


def script_id(measure: str, returns: str) -> str:
    """Return the id of the script for a measure that returns its `value` or its `score`. Raises UnknownMeasure."""
    return script(measure, returns).id


@cache
def script(measure: str, returns: str) -> Script:
    """Assemble the script for a measure that returns its `value` or its `score`. Raises UnknownMeasure."""
    source = _source(measure, returns)
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    return Script(f"{PREFIX}{measure}-f32-{returns}-{digest}", measure, returns, CONTEXTS[returns], source)


def scripts() -> list[Script]:
    """Return all scripts of this version, by measure."""
    return [script(measure, returns) for measure in MEASURES for returns in CONTEXTS]


def _source(measure: str, returns: str) -> str:
    sign = "" if find_measure(measure).better is Better.LOW else "-"
    worst = f"double worst() {{\n  return {sign}{WORST:g};\n}}\n"
    return "\n".join([_text("prologue"), worst, _text(measure), _text("epilogue") + _RETURNS[returns]])


def _text(name: str) -> str:
    return files(__name__).joinpath(f"{name}.painless").read_text(encoding="utf-8")
