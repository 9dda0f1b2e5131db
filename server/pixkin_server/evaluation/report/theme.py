"""The colours of diagrams, on light and on dark paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Theme:
    """Colours of one paper: writing, grid, and lines that colour-blind readers tell apart (after Okabe and Ito).

    heat: the full end of a heat map; writing is legible on it too.
    """

    paper: str
    ink: str
    grid: str
    heat: str
    lines: tuple[str, ...]

    def settings(self) -> dict[Any, Any]:
        """Return matplotlib's settings; names of people's own are no formulas, and writing stays text in an SVG."""
        return {
            "axes.edgecolor": self.grid, "axes.labelcolor": self.ink, "axes.spines.right": False,
            "axes.spines.top": False, "font.size": 9, "grid.color": self.grid, "grid.linewidth": 0.6,
            "legend.frameon": False, "svg.fonttype": "none", "svg.hashsalt": "pixkin", "text.color": self.ink,
            "text.parse_math": False, "xtick.color": self.ink, "ytick.color": self.ink,
            "xtick.major.size": 0, "ytick.major.size": 0, "xtick.major.pad": 6, "ytick.major.pad": 6,
        }  # fmt: skip


LIGHT = Theme("#ffffff", "#24292f", "#d8dee4", "#4ba3d9", ("#0072b2", "#d55e00", "#007a5a", "#7b4a9e"))
DARK = Theme("#161b22", "#d6dde4", "#343b44", "#1b5f8a", ("#56b4e9", "#e69f00", "#35c79a", "#cc9be0"))
STYLES = ("-", "--", "-.", ":")
"""Of lines, so that they differ without colour."""
