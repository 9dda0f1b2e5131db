"""Measures of quality of trec_eval by their names in ir-measures, for those who want more than `quality` has."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import numpy as np
from pixkin_proto.errors import InvalidArgument, MissingExtra

from pixkin_scoring.evaluation.quality import QUALITIES, Ranked, Score, parse_quality

COUNTS = ("NumQ", "NumRel", "NumRet")
"""What the library counts over all queries; a mean over queries would be something else."""


def parse_measure(name: str) -> Score:
    """Return what computes a measure: one of ours, or one of trec_eval, such as `Success@10`, `Bpref` or `IPrec@0.3`.

    A mean's name, such as `mAP@20`, is that of its measure. Raises InvalidArgument, MissingExtra where the library
    would be asked and is not installed.
    """
    name = name[1:] if name.startswith("mAP") else name
    if name.partition("@")[0] in QUALITIES:
        return parse_quality(name)
    try:
        import ir_measures
        from ir_measures import pytrec_eval
    except ImportError:
        raise MissingExtra(f"measure {name}", "eval") from None
    try:
        measure = ir_measures.parse_measure(name)
        known = pytrec_eval.supports(measure) and str(measure) not in COUNTS
        [_] = pytrec_eval.iter_calc([measure] if known else [], {"q": {"0": 1}}, {"q": {"0": 0.0}})
    except Exception as error:  # the library's parser raises whatever it meets
        raise InvalidArgument(
            f"there is no measure of quality '{name}'; choose from {', '.join(QUALITIES)}, or of trec_eval what "
            "ir-measures names (ir-measur.es)"
        ) from error
    return partial(_computed, measure)


def _computed(measure: Any, ranked: Ranked) -> float:
    """Compute one measure of one ranking, fed as −rank: the library sorts again, by float32 scores and then by id."""
    from ir_measures import pytrec_eval

    run = {"q": {str(at): -float(at) for at in range(len(ranked.gains))}}
    relevant = {str(at): int(gain) for at, gain in enumerate(ranked.gains) if gain > 0}
    missing = Counter(ranked.ideal.tolist()) - Counter(relevant.values())
    wrong = np.flatnonzero(ranked.gains <= 0 if ranked.wrong is None else ranked.wrong)
    judged = {
        **{str(at): 0 for at in wrong},
        **relevant,
        **{f"missing {at}": gain for at, gain in enumerate(missing.elements())},
        **{f"unfound {at}": 0 for at in range(ranked.unfound)},
    }
    [found] = pytrec_eval.iter_calc([measure], {"q": judged}, run)
    return float(found.value)
