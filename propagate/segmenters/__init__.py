"""The promptable core: an image is encoded once, prompts are answered cheaply.

A file in this folder is a segmenter: it has a frozen dataclass `Config` and
`build(config: Config) -> Segmenter`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from propagate.types import Candidates, Embedding, ImageArray, Prompt


class Segmenter(Protocol):
    """Answers prompts with masks. Holds settings and weights, no state of a picture."""

    def encode(self, image: ImageArray) -> Embedding:
        """Encode an image (H, W, 3) uint8 RGB; the costly half, once a picture."""
        ...

    def decode(self, embedding: Embedding, prompts: Sequence[Prompt]) -> list[Candidates]:
        """Answer each prompt, in order, in one batch; prompts are in the picture's pixels."""
        ...
