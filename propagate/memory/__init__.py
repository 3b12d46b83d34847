"""What does each object look like? A file in this folder is an appearance memory.

It has a frozen dataclass `Config` and `build(config: Config) -> Memory`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

from propagate.coords import WHOLE, Part
from propagate.types import Embedding, FrameResult, Recall


class Memory(Protocol):
    """Remembers frames and recognises objects. Its state is a value of bounded size."""

    def start(self) -> Any:
        """The state before the first frame; picklable, replaced and never edited."""
        ...

    def recall(self, state: Any, embedding: Embedding, part: Part = WHOLE) -> dict[int, Recall]:
        """Object id → Recall for each object the state knows.

        The embedding shows a part of the picture, and so do the recalled maps.
        """
        ...

    def update(
        self,
        state: Any,
        embedding: Embedding,
        result: FrameResult,
        anchors: Collection[int],
        part: Part = WHOLE,
    ) -> Any:
        """The state after a frame; objects in `anchors` were given by the user here.

        Those of them that the result has as absent were said not to be here. The embedding shows a
        part of the picture, the result speaks of all of it.
        """
        ...
