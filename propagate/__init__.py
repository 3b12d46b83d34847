"""Promptable masks for every frame of a video.

>>> import propagate
>>> for result in propagate.track("clip.mp4", [propagate.Prompt(0, 1, points_xy=[[320, 180]])]):
...     print(result.index, [mask.object_id for mask in result.masks])

Names are resolved when they are first used, so that importing the package loads neither torch nor
OpenCV.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from propagate.api import correct, generate_masks, load_segmenter, load_tracker, segment, track
    from propagate.errors import PropagateError
    from propagate.tracker import Tracker
    from propagate.types import Frame, FrameResult, Mask, Prompt
    from propagate.videos import open_video

__version__ = "0.1.0"

__all__ = [
    "Frame",
    "FrameResult",
    "Mask",
    "Prompt",
    "PropagateError",
    "Tracker",
    "correct",
    "generate_masks",
    "load_segmenter",
    "load_tracker",
    "open_video",
    "segment",
    "track",
]

_HOMES = {
    "propagate.api": (
        "correct",
        "generate_masks",
        "load_segmenter",
        "load_tracker",
        "segment",
        "track",
    ),
    "propagate.errors": ("PropagateError",),
    "propagate.tracker": ("Tracker",),
    "propagate.types": ("Frame", "FrameResult", "Mask", "Prompt"),
    "propagate.videos": ("open_video",),
}


def __getattr__(name: str) -> Any:
    """Import the module in which a public name lives, and hand the name out."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'propagate' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return [*__all__, "__version__"]
