"""A step can be recorded as a graph only if it runs on the device alone, from end to end."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from propagate.segmenters._lite.network import LiteNetwork
from propagate.training import rollout
from propagate.training.gradients import Gradients

_WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "randperm")


class _Watch(TorchDispatchMode):
    """Notes what copies from the host's memory, or waits for a number."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        done = func(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves((args, kwargs, done)) if isinstance(x, torch.Tensor)]
        if any(x.device.type == "cpu" for x in tensors) or any(w in str(func) for w in _WAITS):
            self.found.add(str(func))
        return done


def _batch(clips: int, objects: int, frames: int, asked: int, device: str) -> dict[str, Any]:
    height, width = 64, 96
    cells = (height // 4, width // 4)
    torch.manual_seed(0)
    points = torch.rand(clips, objects * asked, 6, 2) * 64
    labels = torch.tensor([1, 0, -1, -1, -1, -1]).repeat(clips, objects * asked, 1)
    covers = torch.zeros(clips, objects, frames, *cells, dtype=torch.uint8)
    covers[..., 4:12, 6:18] = 255
    priors = torch.rand(clips, objects * asked, *cells)
    batch = {
        "images": torch.randint(0, 256, (clips, frames, 3, height, width), dtype=torch.uint8),
        "covers": covers,
        "asked_frames": torch.arange(asked).repeat(clips, 1),
        "points": points,
        "point_labels": labels,
        "boxes": torch.full((clips, objects * asked, 4), torch.nan),
        "priors": priors,
        "trusts": torch.rand(clips, objects * asked),
        "certain": torch.zeros(clips, objects * asked),
        "ambiguous": torch.ones(clips, objects * asked, dtype=torch.bool),
    }
    return {key: value.to(device) for key, value in batch.items()}


@pytest.mark.parametrize(("frames", "asked"), [(1, 1), (4, 2)])
def test_a_step_never_waits_for_the_host(
    monkeypatch: pytest.MonkeyPatch, frames: int, asked: int
) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())
    with torch.device("meta"):
        network = LiteNetwork().train()
    batch = _batch(2, 2, frames, asked, "meta")
    with _Watch() as watch:
        result = rollout.forward(network, batch, None)  # type: ignore[arg-type]
        torch.autograd.backward(result.loss)
    assert not watch.found


def test_gradients_are_of_one_batch_and_the_same_for_the_same_seed() -> None:
    torch.manual_seed(1)
    network = LiteNetwork().train()
    gradients = Gradients(network, torch.device("cpu"))
    batch = _batch(2, 2, 3, 2, "cpu")

    def norms(seed: int) -> tuple[float, float]:
        result = gradients(batch, seed, 1.0)
        grads = [p.grad.norm() for p in network.parameters() if p.grad is not None]
        return float(result.loss), float(torch.stack(grads).norm())

    first, again, other = norms(3), norms(3), norms(4)
    assert first == pytest.approx(again, rel=1e-4)
    assert first != pytest.approx(other, rel=1e-4)
