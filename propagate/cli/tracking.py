"""What `propagate track` does once its words are understood."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy
import torch

import propagate
from propagate.cli.correcting import fuse_both_ways
from propagate.cli.finished_run import FinishedRun
from propagate.cli.phrases import Phrase, look_for
from propagate.cli.prompt_text import Asked
from propagate.cli.prompts import check, describe, resolve
from propagate.cli.run import Job, TrackingRun, exporters
from propagate.cli.run_folder import RunFolder
from propagate.cli.settings import summary
from propagate.cli.source import open_source
from propagate.cli.weights import fetch_weights
from propagate.console import INTERRUPTED
from propagate.console.progress import Watched, bar, collected_warnings, counted, say, warn
from propagate.errors import OutputError
from propagate.tracker import Config, build
from propagate.types import Prompt
from propagate.videos import Video


@dataclass(frozen=True)
class Order:
    """What is to be tracked, in what, and how.

    Attributes:
        source: path of a video file or a folder.
        asked: as written.
        settings: complete.
        export: names of `propagate.cli.run.EXPORTS`.
        start, stop: frames start <= index < stop are wanted; None: to the end.
        said: what else is to be followed, in words.
        both_ways: fuse with a backward pass what lies between two prompts of an object.
    """

    source: str
    asked: Sequence[Asked]
    settings: Config
    export: tuple[str, ...] = ()
    start: int = 0
    stop: int | None = None
    said: Sequence[Phrase] = ()
    both_ways: bool = False


def carry_out(order: Order, out: Path, *, resume: bool, quiet: bool) -> int:
    """Track into a folder; the exit code.

    Everything that can be wrong with what the user gave is found before the folder is made.

    Raises:
        PropagateError: it cannot be done; where frames were written already they are kept.
    """
    exporters(order.export)
    if order.settings.selection.overlap and "rle" not in order.export:
        warn("propagate", ["masks may overlap, which PNGs do not show; --export rle keeps that"])
    with collected_warnings() as heard:
        video, prompts = look(order)
        request = describe_request(order, video, prompts)
        folder = RunFolder(out)
        status = folder.check(request, resume=resume)
        if status == "complete":
            FinishedRun.read(out).check_masks()
            say(f"{out} is complete; nothing to do", quiet=quiet)
            return 0
        fetch_weights(order.settings.segmenter, quiet=quiet)
        later = {"overlay"} if order.both_ways else set()  # drawn when all is fused
        export = [name for name in order.export if name not in later]
        run = TrackingRun(Job(video, prompts, build(order.settings), export), folder)
        try:
            follow(run, request, resume=status == "interrupted", quiet=quiet)
            if order.both_ways:
                fuse_both_ways(run, order, quiet=quiet)
        except KeyboardInterrupt:
            return _interrupted(run)
        done = report(run, request, heard)
        done["source"]["path"] = str(Path(order.source).absolute())
        folder.finish(done)
    say(_last_words(run), quiet=quiet)
    return 0


def look(order: Order) -> tuple[Video, list[Prompt]]:
    """The source and the prompts, checked against each other; InputError where they do not fit."""
    video = open_source(order.source, order.start, order.stop)
    assert video.size_hw is not None  # files and folders know it
    asked = [*order.asked, *look_for(order.said, video, order.start)]
    prompts = resolve(asked, video.size_hw, order.start)
    check(prompts, video, order.start)
    return video, prompts


def describe_request(order: Order, video: Video, prompts: Sequence[Prompt]) -> dict[str, Any]:
    """Everything that decides what comes out, as JSON values."""
    request = {
        "version": propagate.__version__,
        "source": video.fingerprint(),
        "frames": {"start": order.start, "stop": order.stop},
        "prompts": describe(prompts),
        "settings": summary(order.settings),
        "export": list(order.export),
    }
    return {**request, "both_ways": True} if order.both_ways else request


def follow(run: TrackingRun, request: dict[str, Any], *, resume: bool, quiet: bool) -> None:
    """Go through the video with a bar, then make what needs all frames.

    Raises:
        PropagateError: see `TrackingRun.results`; what is on disk is kept for --resume.
    """
    video = run.job.video
    try:
        with bar("tracking", video.length_hint, quiet=quiet) as advance:
            for result in run.results(request, resume=resume):
                advance(result.index + 1 - request["frames"]["start"])
        with bar("finishing", run.done, quiet=quiet) as advance:
            run.finish(Watched(video, advance))
    except OutputError as error:
        if run.done == 0:
            raise
        raise OutputError(
            f"{error}; {run.done} frames are kept: make room, then add --resume to the same command"
        ) from error


def report(run: TrackingRun, request: dict[str, Any], warnings: list[str]) -> dict[str, Any]:
    """What run.json says. But for "timing" and "machine" it is the same after a resumed run."""
    return {
        "format": "propagate-run",
        "version": 1,
        "request": request,
        "source": {"name": run.job.video.name, "size": run.job.video.size_hw},
        "frames": run.done,
        "objects": sorted({prompt.object_id for prompt in run.job.prompts}),
        "warnings": warnings,
        "timing": {"of": "the process that ended the run", **run.stages.as_json()},
        "machine": {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "numpy": numpy.__version__,
            "opencv": cv2.__version__,
        },
    }


def _interrupted(run: TrackingRun) -> int:
    """Say how to go on; the exit code."""
    kept = f"{run.done} frames are kept; add --resume to the same command to go on"
    print("propagate: interrupted;", kept, file=sys.stderr)
    return INTERRUPTED


def _last_words(run: TrackingRun) -> str:
    count = len({prompt.object_id for prompt in run.job.prompts})
    rate = run.stages.as_json()["frames_per_second"]
    speed = "" if rate is None else f", tracked at {rate} frames/s"
    frames, objects = counted(run.done, "frame"), counted(count, "object")
    return f"{frames}, {objects}{speed}: {run.folder.path}"
