"""`propagate stress`: how a tracker does where tracking is hard, on clips that are made here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from propagate.cli.options import (
    Checkpoint,
    Device,
    Overrides,
    Quiet,
    SegmenterName,
    Settings,
)

if TYPE_CHECKING:
    from propagate.console.progress import Advance
    from propagate.evaluation.prompts import PromptKind
    from propagate.testing.stress import Report, Scenario, ScenarioResult, Shown
    from propagate.tracker import Config
    from propagate.types import ImageArray

    Cell = tuple[ImageArray, str]

_CELLS = 6  # pictures a scenario
_CELL_WIDTH = 320


def stress(  # noqa: PLR0913 - one parameter an option
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Made, or empty.")] = Path(
        "stress-out"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Another one makes other clips.")] = 0,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="One scenario, or all that begin so. Repeats."),
    ] = None,
    lines: Annotated[int, typer.Option(min=64, help="Height of the clips in pixels.")] = 480,
    prompt: Annotated[
        str,
        typer.Option(metavar="mask|box|click", help="What the tracker is given in frame 0."),
    ] = "mask",
    segmenter: SegmenterName = None,
    checkpoint: Checkpoint = None,
    config: Settings = "default",
    override: Overrides = None,
    device: Device = None,
    *,
    quiet: Quiet = False,
) -> None:
    """Measure the tracker on rendered clips: hidden, gone and back, doubles, fast, thin, dark.

    Leaves DIR/stress.json with every measure, and DIR/contact_sheet.png: a row a scenario with its
    first frame and its worst ones, the truth in white, what was found in colour.
    """
    from propagate.cli.run_folder import require_empty
    from propagate.cli.settings import Choice, resolved
    from propagate.console.progress import show
    from propagate.evaluation.pictures import encode_picture
    from propagate.evaluation.prompts import check_kind
    from propagate.export import make_folder, write_whole
    from propagate.testing.stress import scenarios

    kind = check_kind(prompt)
    require_empty(out)
    clips = scenarios(seed, only or None, (lines, round(lines * 16 / 9)))
    settings = resolved(Choice(config, override or (), segmenter, checkpoint, device))
    report, cells = _measured(settings, clips, kind, quiet=quiet)
    make_folder(out)
    write_whole(out / "stress.json", report.as_json().encode())
    write_whole(out / "contact_sheet.png", encode_picture(_sheet(cells)))
    if not quiet:
        show(report.table())


def _measured(
    settings: Config, clips: list[Scenario], kind: PromptKind, *, quiet: bool
) -> tuple[Report, list[Cell]]:
    """What came out, and the pictures of it."""
    from propagate.console.progress import bar
    from propagate.testing.stress import Report, run_scenario
    from propagate.tracker import build

    results, cells, done = [], [], 0
    with bar("tracking", sum(map(len, clips)), quiet=quiet) as advance:
        tracker = build(settings)
        for clip in clips:
            album = _Album(advance, done)
            results.append(run_scenario(tracker, clip, kind, album))
            cells += album.cells(results[-1])
            done += len(clip)
    return Report(tuple(results)), cells


class _Album:
    """Keeps a small picture of every frame of a clip, with the truth and the answer drawn on it."""

    def __init__(self, advance: Advance, done: int) -> None:
        """Tell `advance` of each frame, after so many of other clips."""
        self._advance = advance
        self._done = done
        self._pictures: list[ImageArray] = []

    def __call__(self, shown: Shown) -> None:
        """See `propagate.testing.stress.run`."""
        import cv2
        import numpy as np

        from propagate.cli.sheet import with_mask
        from propagate.export._drawing import WHITE, trace

        picture = shown.frame.image
        for mask in shown.result.masks:
            picture = with_mask(picture, mask)
        picture = picture.copy()
        for one in shown.scenario.object_ids:
            trace(picture, shown.drawn.labels == one, WHITE)
        height, width = picture.shape[:2]
        size = (_CELL_WIDTH, round(_CELL_WIDTH * height / width))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        self._pictures.append(np.asarray(small, np.uint8))
        self._advance(self._done + len(self._pictures))

    def cells(self, result: ScenarioResult) -> list[Cell]:
        """The first frame and the worst ones, a little apart, each with the mean of J."""
        series = list(result.notes.values())
        means = [sum(one.j for one in frame) / len(series) for frame in zip(*series, strict=True)]
        apart = max(2, len(means) // 12)
        chosen = [0]
        for index in sorted(range(len(means)), key=lambda one: means[one]):
            if len(chosen) < _CELLS and all(abs(index - other) >= apart for other in chosen):
                chosen.append(index)
        return [
            (self._pictures[index], f"{result.name} {index}  J {means[index]:.2f}")
            for index in sorted(chosen)
        ]


def _sheet(cells: list[Cell]) -> ImageArray:
    from propagate.cli.sheet import contact_sheet

    return contact_sheet(cells, _CELLS)
