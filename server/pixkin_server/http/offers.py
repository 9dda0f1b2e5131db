"""What a page must know of this server: what it allows, the measures, and the stages with their options."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pixkin_embedding.formats import FORMATS
from pixkin_embedding.limits import REQUEST_LIMITS
from pixkin_proto.descriptors import GOOD_FOR
from pixkin_scoring.measures import MEASURES
from pixkin_scoring.plan import CANDIDATE_RULE, EXPANSION_RULE, FUSION_RULE, RERANKER_RULE
from pixkin_scoring.stages import Option, StageRule
from starlette.responses import Response

from pixkin_server.http.incoming import Incoming
from pixkin_server.http.replies import as_json, json_reply
from pixkin_server.http.settings import HttpSettings
from pixkin_server.metrics import pixkin_version

KINDS = {int: "integer", float: "number", str: "text"}
STAGES = {
    "candidates": CANDIDATE_RULE,
    "expansions": EXPANSION_RULE,
    "fusions": FUSION_RULE,
    "rerankers": RERANKER_RULE,
}


class Offers:
    """Answers with the settings."""

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings

    async def __call__(self, incoming: Incoming) -> Response:
        """Return the settings."""
        incoming.query(())
        return json_reply(as_json(offered(self._settings)))


def offered(settings: HttpSettings) -> dict[str, Any]:
    """Return what a server with these settings offers."""
    return {
        "version": pixkin_version(),
        "writes": settings.writes,
        "originals": bool(settings.originals),
        "measures": [
            {"name": name, "kind": str(each.kind), "better": str(each.better), "note": GOOD_FOR[name]}
            for name, each in MEASURES.items()
        ],
        "stages": {kind: _stages(rule) for kind, rule in STAGES.items()},
        "pictures": {
            "formats": list(FORMATS),
            "max_bytes": REQUEST_LIMITS.max_bytes,
            "max_pixels": REQUEST_LIMITS.max_pixels,
            "max_side": REQUEST_LIMITS.max_side,
        },
    }


def _stages(rule: StageRule) -> list[dict[str, Any]]:
    return [
        {"name": name, "note": entry.note, "options": _options(entry.options)} for name, entry in rule.allowed.items()
    ]


def _options(options: Mapping[str, Option]) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "kind": KINDS[option.type],
            "default": option.default,
            "lowest": None if math.isinf(option.least) else option.least,
            "highest": None if math.isinf(option.most) else option.most,
            "choices": list(option.choices),
            "required": option.required,
            "note": option.note,
        }
        for key, option in options.items()
    ]
