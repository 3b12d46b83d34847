"""`propagate models`: which segmenters there are, and whether their weights are here."""

from __future__ import annotations


def models() -> None:
    """List the segmenters: whether their weights are here, where, their size and licence."""
    from rich.table import Table

    from propagate import plugins
    from propagate.console.progress import show

    grid = Table("segmenter", "here", "size", "licence")
    grid.add_column("weights", overflow="fold")
    for name in plugins.available("propagate.segmenters"):
        grid.add_row(name, *_cells(name))
    show(grid)


def _cells(name: str) -> tuple[str, str, str, str]:
    """here, size, licence, weights."""
    from propagate.segmenters import _checkpoints, lite

    if name == "lite":
        file, size, licence, url = lite.SHIPPED, lite.SHIPPED.stat().st_size, "Apache-2.0", ""
    elif name in _checkpoints.PUBLISHED:
        known = _checkpoints.PUBLISHED[name]
        file, size = _checkpoints.cache_folder() / known.file, known.size
        licence, url = known.licence, known.url
    else:
        return "yes", "-", "-", "needs none"
    here = file.is_file()
    return (
        "yes" if here else "no",
        f"{size / 1e6:.1f} MB",
        licence,
        str(file) if here else f"{file}, from {url}",
    )
