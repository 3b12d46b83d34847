"""`propagate demo`: one click, and the object in every frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from propagate.cli.options import Checkpoint, Device, Overrides, Points, Quiet, SegmenterName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from propagate.testing import MovingShapes
    from propagate.tracker import Config
    from propagate.types import Prompt
    from propagate.videos import Video

_SIZE_HW = (360, 640)
_LENGTH = 72
_CELLS, _COLUMNS = 6, 3


def demo(  # noqa: PLR0913 - one parameter an option
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Made, or empty.")] = Path(
        "demo-out"
    ),
    source: Annotated[
        str | None, typer.Option(help="A video of your own; needs --point. Default: made here.")
    ] = None,
    point: Points = None,
    segmenter: SegmenterName = None,
    checkpoint: Checkpoint = None,
    override: Overrides = None,
    device: Device = None,
    *,
    quiet: Quiet = False,
) -> None:
    """Track one clicked object and show it.

    Without --source a clip of moving shapes is made, whose true masks are known, so that the result
    can be measured. Leaves DIR/overlay.mp4 and DIR/contact_sheet.png beside what `track` leaves.
    """
    from propagate.cli.run_folder import require_empty
    from propagate.cli.settings import Choice, resolved
    from propagate.console.progress import collected_warnings, say
    from propagate.export import write_whole

    require_empty(out)
    settings = resolved(Choice("default", override or (), segmenter, checkpoint, device))
    with collected_warnings():
        clip = _rendered() if source is None else _own(source, point or ())
        count = _track(clip, settings, out, quiet=quiet)
        write_whole(out / "contact_sheet.png", _sheet(clip, out))
    say(f"{out / 'overlay.mp4'}: every frame with what was found", quiet=quiet)
    say(f"{out / 'contact_sheet.png'}: {_CELLS} of the {count} frames", quiet=quiet)
    if clip.truth is not None:
        say(f"mean IoU with the true masks: {_mean_iou(clip.truth, out):.3f}", quiet=quiet)


@dataclass(frozen=True, eq=False)
class _Clip:
    """What is shown: `truth` is there where the clip was made here."""

    video: Video
    prompts: list[Prompt]
    truth: MovingShapes | None = None


def _rendered() -> _Clip:
    """Moving shapes, one of them clicked."""
    from propagate.testing import moving_shapes
    from propagate.videos import open_video

    shapes = moving_shapes(3, _LENGTH, _SIZE_HW, "crossing", seed=4)
    return _Clip(open_video(list(shapes.frames())), shapes.prompts("point")[:1], shapes)


def _own(source: str, points: Sequence[str]) -> _Clip:
    """A video of the user's own; PromptError where it has no click."""
    from propagate.cli.prompts import check, gather, resolve
    from propagate.cli.source import open_source

    asked = gather(points, (), ())
    video = open_source(source, 0, None)
    assert video.size_hw is not None  # files and folders know it
    prompts = resolve(asked, video.size_hw, 0)
    check(prompts, video, 0)
    return _Clip(video, prompts)


def _track(clip: _Clip, settings: Config, out: Path, *, quiet: bool) -> int:
    """Leave what `propagate track` leaves; the number of frames."""
    import propagate
    from propagate.cli.run import Job, TrackingRun
    from propagate.cli.run_folder import RunFolder
    from propagate.cli.settings import summary
    from propagate.cli.tracking import follow, report
    from propagate.tracker import build

    job = Job(clip.video, clip.prompts, build(settings), ("overlay",))
    run = TrackingRun(job, RunFolder(out))
    request = {
        "version": propagate.__version__,
        "frames": {"start": 0, "stop": None},
        "settings": summary(settings),
    }
    follow(run, request, resume=False, quiet=quiet)
    run.folder.finish(report(run, request, []))
    return run.done


def _sheet(clip: _Clip, out: Path) -> bytes:
    """Frames from the first to the last with what was found, as the bytes of a PNG."""
    from propagate.cli.sheet import contact_sheet, with_mask
    from propagate.evaluation.davis import read_labels
    from propagate.evaluation.pictures import encode_picture
    from propagate.types import Mask

    answers = sorted((out / "masks").glob("*.png"))
    chosen = sorted({round(n * (len(answers) - 1) / (_CELLS - 1)) for n in range(_CELLS)})
    cells = []
    for index in chosen:
        labels, picture = read_labels(answers[index]), clip.video.frame(index).image
        for object_id in sorted({prompt.object_id for prompt in clip.prompts}):
            picture = with_mask(picture, Mask(object_id, labels == object_id))
        cells.append((picture, f"frame {index}"))
    return encode_picture(contact_sheet(cells, _COLUMNS))


def _mean_iou(truth: MovingShapes, out: Path) -> float:
    """Over all frames after the clicked one, of object 1."""
    from propagate.evaluation.davis import read_labels
    from propagate.masks import iou

    answers = [read_labels(path) == 1 for path in sorted((out / "masks").glob("*.png"))]
    pairs = list(zip(answers, truth.masks[1], strict=True))[1:]
    return sum(iou(answer, true) for answer, true in pairs) / len(pairs)
