"""Where will each object be? A file in this folder is a motion model.

It has a frozen dataclass `Config` and `build(config: Config) -> Motion`.
"""

from __future__ import annotations

from typing import Any, Protocol

from propagate.types import Frame, FrameResult, Guess


class Motion(Protocol):
    """Predicts every object's place from what was seen so far. Its state is a value."""

    def start(self) -> Any:
        """The state before the first frame; picklable, replaced and never edited."""
        ...

    def guess(self, state: Any, frame: Frame) -> dict[int, Guess]:
        """Object id → Guess for each object the state knows, in the pixels of `frame`."""
        ...

    def update(self, state: Any, frame: Frame, result: FrameResult) -> Any:
        """The state after `frame` was answered with `result`.

        Objects with a mask are learnt; objects in `result.missing` are kept and coast; objects in
        neither are forgotten.
        """
        ...
