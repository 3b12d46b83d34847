"""For the tests of this library and of parts that others write for it.

`moving_shapes` makes small videos whose masks are known exactly. `check_segmenter`, `check_motion`
and `check_memory` raise AssertionError where a part breaks what the tracker relies on; they judge
the contract, not how good the answers are.
"""

from __future__ import annotations

from propagate.testing.contracts import check_memory, check_motion, check_segmenter
from propagate.testing.shapes import MovingShapes, Scenario, moving_shapes

__all__ = [
    "MovingShapes",
    "Scenario",
    "check_memory",
    "check_motion",
    "check_segmenter",
    "moving_shapes",
]
