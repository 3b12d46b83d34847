"""Masks of many views, lifted into one labelled cloud of 3D points.

>>> import lifting
>>> views = lifting.label_views(lifting.open_views("scene"), "masks")
>>> lifting.write_ply("cloud.ply", lifting.lift(views))

Needs neither a GPU nor a compiled extension. Names are resolved when they are first used, so that
importing the package loads neither scipy, OpenCV nor Open3D.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lifting.anchors import anchored
    from lifting.association import associate
    from lifting.export import write_ply
    from lifting.formats import label_views, open_views
    from lifting.lifter import Lifter, LiftState, lift
    from lifting.prompts import prompts_for
    from lifting.types import Camera, LabelledCloud, View

__all__ = [
    "Camera",
    "LabelledCloud",
    "LiftState",
    "Lifter",
    "View",
    "anchored",
    "associate",
    "label_views",
    "lift",
    "open_views",
    "prompts_for",
    "write_ply",
]

_HOMES = {
    "lifting.anchors": ("anchored",),
    "lifting.association": ("associate",),
    "lifting.export": ("write_ply",),
    "lifting.formats": ("label_views", "open_views"),
    "lifting.lifter": ("LiftState", "Lifter", "lift"),
    "lifting.prompts": ("prompts_for",),
    "lifting.types": ("Camera", "LabelledCloud", "View"),
}


def __getattr__(name: str) -> Any:
    """Import the module in which a public name lives, and hand the name out."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'lifting' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return list(__all__)
