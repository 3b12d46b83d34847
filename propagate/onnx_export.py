"""Networks as ONNX files, each compared with torch before it is kept.

The decoder of every SAM, and the whole of `lite`. The number of prompts, and of points in each, is
open; a file that answers differently from torch is not written.
"""

from __future__ import annotations

import inspect
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from propagate.errors import ConfigError, InputError, MissingPackageError, PropagateError
from propagate.export import make_folder, replacing
from propagate.segmenters import _checkpoints, lite
from propagate.segmenters._graph import Graph
from propagate.segmenters._lite import plain as lite_graphs
from propagate.segmenters._lite.fuse import fuse_norms
from propagate.segmenters._lite.weights import load_weights
from propagate.segmenters._sam import plain as sam_graphs
from propagate.segmenters._sam.network import ENCODERS
from propagate.segmenters._sam.segmenter import load

OPSET = 18
_CHECKED = (1, 2, 5, 17)  # prompts
_TIMED = (1, 16)
_TOLERANCE = 2e-3  # of the largest value of an output
_PICTURE_HW = (1080, 1920)  # the shape that `lite` takes where none is said


class ExportError(PropagateError):
    """A graph cannot be made, or answers differently from torch."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        file: name in the folder.
        megabytes: size.
        inputs, outputs: name → shape, open axes by name.
        largest_difference: from torch, on random prompts, in parts of an output's largest value.
        milliseconds: prompts → onnxruntime and torch, on this machine's threads.
    """

    file: str
    megabytes: float
    inputs: dict[str, list[int | str]]
    outputs: dict[str, list[int | str]]
    largest_difference: float
    milliseconds: dict[str, dict[str, float]]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def export(
    name: str, folder: Path, checkpoint: Path | None = None, size_hw: tuple[int, int] | None = None
) -> Iterator[Exported]:
    """Write the graphs of a segmenter into a folder, one after the other.

    Args:
        name: of a segmenter.
        folder: made where it is absent; files of the same name are replaced once theirs are good.
        checkpoint: weights; None takes those that the segmenter would take.
        size_hw: of the network's input in pixels, multiples of 32, for `lite`; None: for pictures
            of 16:9. SAM's is always 1024.

    Raises:
        MissingPackageError: onnx, onnxruntime or onnxscript is not installed.
        ConfigError: no such segmenter, one without a network, or a size it does not have.
        CheckpointError: the weights cannot be loaded.
        ExportError: an answer differs from torch's by more than a five hundredth.
        OutputError: a file cannot be written.
    """
    runtime = _packages()
    made = graphs(name, checkpoint, size_hw)
    make_folder(folder)
    for graph in made:
        with replacing(folder / f"{name}-{graph.name}.onnx") as part:
            _write(graph, part)
            session = runtime.InferenceSession(str(part), providers=["CPUExecutionProvider"])
            checked = _Checked(graph, session)
            checked.require_open_axes()
            yield Exported(
                f"{name}-{graph.name}.onnx",
                round(part.stat().st_size / 1e6, 2),
                {one.name: list(one.shape) for one in session.get_inputs()},
                {one.name: list(one.shape) for one in session.get_outputs()},
                checked.difference(),
                checked.milliseconds(),
            )


def graphs(name: str, checkpoint: Path | None, size_hw: tuple[int, int] | None) -> list[Graph]:
    """What there is to export of a segmenter; see `export` for the arguments and errors."""
    if name == "lite":
        size_hw = lite.input_size(_PICTURE_HW, lite.Config().area) if size_hw is None else size_hw
        if min(size_hw) < 32 or size_hw[0] % 32 or size_hw[1] % 32:
            raise ConfigError(f"lite takes sides that are multiples of 32, not {size_hw}")
        weights = lite.SHIPPED if checkpoint is None else checkpoint
        return lite_graphs.graphs(fuse_norms(load_weights(weights)), size_hw)
    if name not in ENCODERS:
        raise ConfigError(
            f"{name!r} has no network to export; there are: lite, {', '.join(ENCODERS)}"
        )
    if size_hw is not None:
        raise ConfigError(f"{name} has one size, 1024; leave the size out")
    return sam_graphs.graphs(load(name, _checkpoints.find(name, checkpoint)))


def _packages() -> Any:
    """onnxruntime, when the other two are there as well."""
    try:
        import onnx  # noqa: F401 - torch writes with it
        import onnxruntime
        import onnxscript  # noqa: F401 - torch translates with it
    except ImportError as error:
        raise MissingPackageError(error.name or "onnx", "onnx", "exporting to ONNX") from error
    return onnxruntime


def _write(graph: Graph, path: Path) -> None:
    """Translate with torch's own exporter; weights go into the file."""
    axes = {
        name: {axis: torch.export.Dim(what, min=1, max=2**16) for axis, what in open_.items()}
        for name, open_ in graph.dynamic.items()
    }
    shapes: tuple[Any, ...] = tuple(axes.get(name) for name in graph.inputs)
    kinds = [one.kind for one in inspect.signature(graph.module.forward).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        shapes = (shapes,)
    with _quiet():
        torch.onnx.export(
            graph.module,
            graph.example(3),
            str(path),
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_shapes=shapes if axes else None,
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """What the exporter tells programmers stays hidden; its failure becomes one line."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            yield
        except (RuntimeError, ValueError, torch.onnx.OnnxExporterError) as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise ExportError(f"torch cannot export this network ({reason[0]})") from error
        finally:
            logger.setLevel(level)


@dataclass(frozen=True, eq=False)
class _Checked:
    """A graph in torch and in onnxruntime."""

    graph: Graph
    session: Any

    def require_open_axes(self) -> None:
        """ExportError where the exporter has fixed an axis that must stay open."""
        for one in self.session.get_inputs():
            for axis, what in self.graph.dynamic.get(one.name, {}).items():
                if isinstance(one.shape[axis], int):
                    raise ExportError(f"the number of {what} in {one.name} came out fixed")

    def difference(self) -> float:
        """The largest over all outputs and numbers of prompts; ExportError beyond the tolerance."""
        worst = 0.0
        for count in _CHECKED if self.graph.dynamic else (1,):
            inputs = self.graph.example(count)
            pairs = zip(self._torch(inputs), self._onnx(inputs), self.graph.outputs, strict=True)
            for wanted, found, name in pairs:
                if wanted.shape != found.shape:
                    raise ExportError(f"{name}: {found.shape} for {count} prompts, not as in torch")
                apart = np.abs(wanted - found).max() / max(np.abs(wanted).max(), 1e-6)
                worst = max(worst, float(apart))
                if not apart <= _TOLERANCE:
                    raise ExportError(
                        f"{name} differs from torch's by {apart:.1e} of its largest value for "
                        f"{count} prompts; nothing was kept"
                    )
        return worst

    def milliseconds(self) -> dict[str, dict[str, float]]:
        """Per call."""
        told = {}
        for count in _TIMED if self.graph.dynamic else (1,):
            inputs = self.graph.example(count)
            told[str(count)] = {
                "onnxruntime": _milliseconds(partial(self._onnx, inputs)),
                "torch": _milliseconds(partial(self._torch, inputs)),
            }
        return told

    @torch.inference_mode()
    def _torch(self, inputs: Sequence[torch.Tensor]) -> list[np.ndarray[Any, Any]]:
        answer = self.graph.module(*inputs)
        return [one.numpy() for one in answer]

    def _onnx(self, inputs: Sequence[torch.Tensor]) -> list[np.ndarray[Any, Any]]:
        given = {name: one.numpy() for name, one in zip(self.graph.inputs, inputs, strict=True)}
        answer: list[np.ndarray[Any, Any]] = self.session.run(list(self.graph.outputs), given)
        return answer


def _milliseconds(function: Callable[[], object]) -> float:
    """The best of three calls after one that warms up."""
    function()
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - began)
    return round(1e3 * min(seconds), 2)


def parse_size(text: str) -> tuple[int, int]:
    """Read "HxW"; InputError where it is something else."""
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
        raise InputError(f"--size {text}: not a size; write height x width, such as 384x672")
    return int(parts[0]), int(parts[1])
