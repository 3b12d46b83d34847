"""Published weights that are not here yet, fetched with a bar before a command begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from propagate.console.progress import bar

if TYPE_CHECKING:
    from propagate.segmenters import Segmenter

_MEGABYTE = 10**6


def load(section: Mapping[str, Any], *, quiet: bool) -> Segmenter:
    """The segmenter of these settings, its weights fetched where they are not here.

    Raises:
        ConfigError: a setting that it does not have.
        CheckpointError, OutputError: see `fetch_weights`; or the weights cannot be loaded.
    """
    from propagate import plugins
    from propagate.cli.settings import KINDS

    fetch_weights(section, quiet=quiet)
    options = {key: value for key, value in section.items() if key != "name"}
    segmenter: Segmenter = plugins.build(KINDS["segmenter"], section["name"], options)
    return segmenter


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
