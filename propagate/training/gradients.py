"""The loss of a batch and its gradients; on a GPU replayed from a recording.

A step launches up to eleven thousand kernels that take microseconds each: started one by one from
Python they take 1.6 times as long as they run. Recorded once for each shape of batch (as a CUDA
graph), they follow one another without a gap.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from propagate.segmenters._lite.network import LiteNetwork
from propagate.training import precision, rollout
from propagate.training.rollout import StepResult


class Gradients:
    """Batch → the loss and what to log; adds gradients to `.grad`, which it sets to zero first.

    Args:
        network: what is trained; its parameters stay where they are in memory from now on.
        device: where it is. Steps are recorded where that is a GPU.
    """

    def __init__(self, network: LiteNetwork, device: torch.device) -> None:
        """Make room for the gradients; nothing is recorded yet."""
        self.network = network
        self.device = device
        self.records = device.type == "cuda"
        self._generator = torch.Generator(device)
        self._recordings: dict[tuple[object, ...], _Recording] = {}
        self._grads = []
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)
                self._grads.append(parameter.grad)

    def __call__(self, batch: dict[str, Tensor], seed: int, sharpness: float) -> StepResult:
        """Do one batch (see `dataset.Samples`), on any device; `seed` draws the prompts.

        Args:
            batch: of this shape all others with this `sharpness` are, or get their own recording.
            seed: the same seed and batch give the same gradients.
            sharpness: see `rollout.forward`.
        """
        if not self.records:
            moved = {key: value.to(self.device) for key, value in batch.items()}
            self._generator.manual_seed(seed)
            return self._compute(moved, sharpness)
        kind = (*(value.shape for value in batch.values()), sharpness)
        recording = self._recordings.get(kind)
        if recording is None:
            recording = self._recordings[kind] = self._record(batch, sharpness)
        for key, value in batch.items():
            recording.batch[key].copy_(value, non_blocking=True)
        self._generator.manual_seed(seed)
        recording.graph.replay()
        return StepResult(*(value.clone() for value in recording.result))

    def _compute(self, batch: dict[str, Tensor], sharpness: float) -> StepResult:
        torch._foreach_zero_(self._grads)
        with precision.fastest(self.device):
            result = rollout.forward(self.network, batch, self._generator, sharpness)
        torch.autograd.backward(result.loss)
        return StepResult(*(value.detach() for value in result))

    def _record(self, batch: dict[str, Tensor], sharpness: float) -> _Recording:
        """Once to let the libraries choose their kernels, once to record what they do."""
        own = {key: value.to(self.device) for key, value in batch.items()}
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            self._compute(own, sharpness)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator)
        pool = next((made.graph.pool() for made in self._recordings.values()), None)
        # The loader's thread pins memory meanwhile, which is no part of this.
        with torch.cuda.graph(graph, pool, aside, capture_error_mode="thread_local"):
            result = self._compute(own, sharpness)
        return _Recording(graph, own, result)


@dataclass(frozen=True)
class _Recording:
    """A step: the graph, the batch that it reads, the result that it writes."""

    graph: torch.cuda.CUDAGraph
    batch: dict[str, Tensor]
    result: StepResult
