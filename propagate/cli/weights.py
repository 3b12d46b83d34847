"""Published weights that are not here yet, fetched with a bar before a command begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from propagate.cli.progress import bar

_MEGABYTE = 10**6


def fetch_weights(section: Mapping[str, Any], *, quiet: bool) -> None:
    """Download what the segmenter of these settings needs; nothing where it is here or needs none.

    Args:
        section: the segmenter's settings, with its name.
        quiet: show no bar.

    Raises:
        CheckpointError: they cannot be had; the message says where to put them.
        OutputError: they cannot be written.
    """
    from propagate.segmenters import _checkpoints

    name = section["name"]
    published = _checkpoints.PUBLISHED.get(name)
    if published is None or section.get("checkpoint") is not None:
        return
    if (_checkpoints.cache_folder() / published.file).is_file():
        return
    total = published.size // _MEGABYTE
    with bar(f"downloading {published.file}", total, "MB", quiet=quiet) as advance:
        _checkpoints.find(name, None, lambda done, _: advance(done // _MEGABYTE))
