"""`propagate segment`: masks of one object on one picture, best first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from propagate.cli.options import (
    Checkpoint,
    DetectorName,
    Device,
    Out,
    Overrides,
    Quiet,
    SegmenterName,
    Settings,
    Texts,
    TextScore,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from propagate.cli.phrases import Phrase
    from propagate.cli.settings import Choice
    from propagate.types import ImageArray, Mask, Prompt


def segment(  # noqa: PLR0913 - one parameter an option
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A picture.")],
    out: Out,
    point: Annotated[
        list[str] | None,
        typer.Option(metavar="X,Y[-]", help="A click; a trailing - says: not on it. Repeats."),
    ] = None,
    box: Annotated[
        list[str] | None, typer.Option(metavar="X0,Y0,X1,Y1", help="A box around it.")
    ] = None,
    mask: Annotated[
        list[str] | None, typer.Option(metavar="PNG", help="A rough mask of it, to improve.")
    ] = None,
    text: Texts = None,
    segmenter: SegmenterName = None,
    checkpoint: Checkpoint = None,
    config: Settings = "default",
    override: Overrides = None,
    device: Device = None,
    detector: DetectorName = None,
    text_score: TextScore = 0.25,
    *,
    quiet: Quiet = False,
) -> None:
    """Several masks of one object on a picture, with the IoU that each is expected to have.

    All options speak of the same object; --text stands alone, and gives one mask for each thing
    that it finds. Leaves DIR/mask_1.png (the best), mask_2.png, …, DIR/masks.json (scores, boxes,
    COCO run lengths) and DIR/candidates.png to look at.
    """
    from propagate.cli.phrases import spoken
    from propagate.cli.run_folder import require_empty
    from propagate.cli.settings import Choice
    from propagate.console.progress import collected_warnings, say
    from propagate.videos.images import read_image

    pixels = read_image(image)
    said = spoken(text or (), detector, text_score, device)
    shown = point or (), box or (), mask or ()
    choice = Choice(config, override or (), segmenter, checkpoint, device)
    with collected_warnings():
        prompts = _found(said, shown, pixels) if said else [_prompt(shown, pixels)]
        require_empty(out)
        answers = _answers(pixels, prompts, choice, several=bool(said), quiet=quiet)
    _write(out, image.name, pixels, answers)
    scores = ", ".join(f"{each.score:.2f}" for each in answers)
    say(f"{len(answers)} masks, expected IoU {scores}: {out}", quiet=quiet)


def _answers(
    image: ImageArray, prompts: Sequence[Prompt], choice: Choice, *, several: bool, quiet: bool
) -> list[Mask]:
    """All candidates of one prompt, or with `several` the best of each prompt; best first."""
    from propagate.api import segment as answer
    from propagate.cli.settings import resolved
    from propagate.cli.weights import load

    network = load(resolved(choice).segmenter, quiet=quiet)
    answers = [
        answer(image, one.points_xy, one.labels, one.box, one.mask, segmenter=network)
        for one in prompts
    ]
    if not several:
        return answers[0]
    return sorted((each[0] for each in answers), key=lambda one: -one.score)


def _found(
    said: Sequence[Phrase], shown: tuple[Sequence[str], ...], image: ImageArray
) -> list[Prompt]:
    """A box for each thing that was found; PromptError for more than words."""
    import numpy as np

    from propagate.cli.phrases import boxes, load
    from propagate.errors import PromptError
    from propagate.types import Prompt

    if any(shown):
        raise PromptError("--text finds its own boxes; leave --point, --box and --mask out")
    if any(phrase.frame is not None for phrase in said):
        raise PromptError(f"{said[0].where}: a picture has one frame; drop @")
    detector = load(said)
    found = [box for phrase in said for box in boxes(detector, phrase, image)]
    return [
        Prompt(0, number, box=np.array(box, np.float32))
        for number, box in enumerate(found, start=1)
    ]


def _prompt(asked: tuple[Sequence[str], Sequence[str], Sequence[str]], image: ImageArray) -> Prompt:
    """One prompt for one object in one picture; PromptError for more.

    Args:
        asked: points, boxes and masks as written.
        image: (H, W, 3).
    """
    from dataclasses import replace

    from propagate.cli.prompts import gather, resolve
    from propagate.errors import PromptError
    from propagate.prompting import merge_prompts
    from propagate.types import Frame

    points, boxes, masks = asked
    if len(boxes) > 1 or len(masks) > 1:
        raise PromptError("give one --box and one --mask at most; all options are of one object")
    gathered = gather(points, boxes, masks)
    for one in gathered:
        if one.frame is not None or one.object_id is not None:
            raise PromptError(f"{one.where}: a picture has one frame and one object; drop @ and #")
    frame = Frame(0, image)
    prompts = resolve([replace(one, object_id=1) for one in gathered], frame.size_hw, 0)
    return merge_prompts(prompts, frame, known=())[1]


def _write(out: Path, name: str, image: ImageArray, answers: Sequence[Mask]) -> None:
    """All files of the answers; OutputError where they cannot be written."""
    from propagate.cli.sheet import contact_sheet, with_mask
    from propagate.evaluation.pictures import encode_picture
    from propagate.export import make_folder, write_whole
    from propagate.export.png import encode_png
    from propagate.types import Mask

    entries = [_entry(rank, answer) for rank, answer in enumerate(answers, start=1)]
    cells = []
    for rank, answer in enumerate(answers, start=1):
        shown = Mask(rank, answer.pixels, answer.score)  # each candidate in a colour of its own
        cells.append((with_mask(image, shown), f"{rank}   expected IoU {answer.score:.2f}"))
    make_folder(out)
    for entry, answer in zip(entries, answers, strict=True):
        write_whole(out / entry["file"], encode_png(answer.pixels.astype("uint8")))
    values = {"image": name, "size": list(image.shape[:2]), "masks": entries}
    write_whole(out / "masks.json", (json.dumps(values, indent=1) + "\n").encode())
    write_whole(out / "candidates.png", encode_picture(contact_sheet(cells, columns=len(cells))))


def _entry(rank: int, answer: Mask) -> dict[str, Any]:
    """One mask in masks.json."""
    from propagate.masks import area, box_of, encode_rle

    box = box_of(answer.pixels)
    return {
        "file": f"mask_{rank}.png",
        "score": round(float(answer.score), 4),
        "box": None if box is None else box.astype(int).tolist(),
        "area": area(answer.pixels),
        "rle": encode_rle(answer.pixels),
    }
