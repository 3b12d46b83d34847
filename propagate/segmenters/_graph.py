"""A network, or a part of one, as other runtimes get it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Graph:
    """What is exported.

    Attributes:
        name: of the file, without its ending.
        module: its `forward` takes the inputs in order and returns the outputs in order.
        inputs: names.
        outputs: names.
        dynamic: input → axis → what is counted along it; every other axis is fixed.
        example: makes random inputs for a number of prompts.
    """

    name: str
    module: nn.Module
    inputs: Sequence[str]
    outputs: Sequence[str]
    dynamic: Mapping[str, Mapping[int, str]]
    example: Callable[[int], tuple[Tensor, ...]]
