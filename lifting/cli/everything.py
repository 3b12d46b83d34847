"""Masks of everything in every view, each view on its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import propagate
from lifting.cli.mask_files import MaskFiles
from propagate.console.progress import bar
from propagate.masks import decode_rle

_LEAST = 0.0005  # of the picture; smaller things are too small to be told apart in 3D


def segment_views(files: MaskFiles, segmenter: Any, *, quiet: bool) -> None:
    """Write the masks of those views that have none yet.

    Args:
        files: where.
        segmenter: see `propagate.load_segmenter`.
        quiet: no bar.

    Raises:
        PropagateError: a picture cannot be read, or a mask not be written.
    """
    with bar("segmenting", len(files.views), quiet=quiet) as advance:
        for at in range(len(files.views)):
            if not files.path(at).is_file():
                picture = files.views.picture(at)
                records = propagate.generate_masks(picture, segmenter=segmenter)
                files.write(at, label_map(records, picture.shape[:2]))
            advance(at + 1)


def label_map(records: Sequence[dict[str, Any]], size_hw: tuple[int, ...]) -> npt.NDArray[np.int32]:
    """(H, W) ids from 1, in the order of the records; where masks overlap the smaller is on top.

    Args:
        records: see `propagate.generate_masks`.
        size_hw: (H, W) of the picture.
    """
    labels = np.zeros(size_hw, np.int32)
    numbered = list(enumerate(records, start=1))
    for number, record in sorted(numbered, key=lambda item: -item[1]["area"]):
        if record["area"] >= _LEAST * labels.size:
            labels[decode_rle(record["segmentation"])] = number
    return labels
