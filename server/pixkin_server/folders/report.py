"""What became of the pictures of a folder."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.items import AddResult

from pixkin_server.folders.gone import Gone
from pixkin_server.folders.pictures import prefixed
from pixkin_server.folders.walking import Survey


@dataclass
class Report:
    """How many pictures came to what, and which were refused and why.

    `updated` ones were not encoded again, but their labels, attributes or file facts changed. passed_over: files by
    kind that were no pictures to take · kept: items that a sync found gone and did not remove.
    """

    added: int = 0
    replaced: int = 0
    updated: int = 0
    unchanged: int = 0
    moved: int = 0
    removed: int = 0
    refused: list[AddResult] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    kept: Gone | None = None

    def count(self, result: AddResult) -> None:
        """Count one result of an addition or an update."""
        match result.state:
            case "added":
                self.added += 1
            case "replaced":
                self.replaced += 1
            case "updated":
                self.updated += 1
            case _:
                self.refused.append(result)

    def note(self, survey: Survey) -> None:
        """Count what a walk passed over, and the folders that it could not read as refused."""
        self.passed_over += survey.passed_over
        for place, reason in survey.unreadable.items():
            error = InvalidArgument(
                f"the folder {survey.root / place} cannot be read: {reason}; what is below it stays as it is"
            )
            self.refused.append(AddResult(prefixed(place, survey.prefix), "refused", error))
