"""Measures of trec_eval by the names of ir-measures, against trec_eval itself."""

from __future__ import annotations

from collections.abc import Sequence

import pytrec_eval

OF_TREC_EVAL = {
    "Success@1": "success_1", "Success@10": "success_10", "IPrec@0.3": "iprec_at_recall_0.30", "P(rel=2)@5": "",
    "Rprec": "Rprec", "RR": "recip_rank", "AP@30": "map_cut_30", "infAP": "infAP", "SetP": "set_P", "SetR": "set_recall",
    "NumRel": "num_rel", "NumRet(rel=1)": "num_rel_ret",
}  # fmt: skip


def of_trec_eval(name: str, order: Sequence[str], grades: dict[str, int]) -> float:
    run = {item: -float(rank) for rank, item in enumerate(order, 1)}
    [found] = pytrec_eval.RelevanceEvaluator({"q": grades}, {name}).evaluate({"q": run}).values()
    return float(found[name])
