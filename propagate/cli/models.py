"""`propagate models`: which segmenters there are, and whether their weights are here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent.parent / "segmenters"


@dataclass(frozen=True)
class Weights:
    """What a segmenter needs besides its code.

    Attributes:
        file: where it should be.
        licence: under which it may be used.
    """

    file: Path
    licence: str


WEIGHTS = {"lite": Weights(_FOLDER / "weights" / "lite.safetensors", "Apache-2.0")}
"""Segmenters that are not here need no weights."""


def models() -> None:
    """List the segmenters: whether their weights are here, where, their size and licence."""
    from rich.table import Table

    from propagate import plugins
    from propagate.cli.progress import show

    grid = Table("segmenter", "here", "size", "licence")
    grid.add_column("weights", overflow="fold")
    for name in plugins.available("propagate.segmenters"):
        grid.add_row(name, *_cells(WEIGHTS.get(name)))
    show(grid)


def _cells(weights: Weights | None) -> tuple[str, str, str, str]:
    """here, size, licence, weights."""
    if weights is None:
        return "yes", "-", "-", "needs none"
    if not weights.file.is_file():
        return "no", "-", weights.licence, str(weights.file)
    size = weights.file.stat().st_size / 1e6
    return "yes", f"{size:.1f} MB", weights.licence, str(weights.file)
