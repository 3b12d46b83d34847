"""What the user says in words: `--text "a dog@7"`, found as boxes before anything is tracked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from propagate.cli.prompt_text import Asked
from propagate.errors import PromptError, VideoError

if TYPE_CHECKING:
    from propagate import text
    from propagate.types import ImageArray
    from propagate.videos import Video

_PHRASE = re.compile(r"(.*?)(?:@(\d+))?", re.DOTALL)
_STEPS = 4  # boxes lie on quarters of a pixel, so that rounding never makes a resumed run another


@dataclass(frozen=True)
class Phrase:
    """One --text option, and what looks for it.

    Attributes:
        words: what to look for.
        frame: index, or None for the first frame of the run.
        model: of the detector, or None for the usual one.
        least_score: 0..1.
        device: "cpu", "cuda", "auto" or None.
    """

    words: str
    frame: int | None = None
    model: str | None = None
    least_score: float = 0.25
    device: str | None = None

    @property
    def where(self) -> str:
        """How messages name it."""
        return f"--text {self.words!r}"


def spoken(
    texts: Sequence[str], model: str | None, least_score: float, device: str | None
) -> list[Phrase]:
    """Read "WORDS[@FRAME]" options; PromptError where one is empty."""
    phrases = []
    for text in texts:
        match = _PHRASE.fullmatch(text)
        words, frame = ("", None) if match is None else match.groups()
        if not words.strip():
            raise PromptError(f'--text {text!r}: say what to look for, such as "a dog"')
        number = None if frame is None else int(frame)
        phrases.append(Phrase(words.strip(), number, model, least_score, device))
    return phrases


def look_for(phrases: Sequence[Phrase], video: Video, first_frame: int) -> list[Asked]:
    """A box for each thing that is found, each one an object of its own.

    Raises:
        PromptError: nothing was found, or the video has no such frame.
        MissingPackageError, CheckpointError: there is no detector, see `text.load_detector`.
    """
    if not phrases:
        return []
    detector = load(phrases)
    asked = []
    for phrase in phrases:
        index = first_frame if phrase.frame is None else phrase.frame
        try:
            image = video.frame(index).image
        except VideoError as error:
            raise PromptError(f"{phrase.where} speaks of frame {index}, but {error}") from error
        for box in boxes(detector, phrase, image):
            asked.append(Asked(phrase.where, phrase.frame, box=box))
    return asked


def load(phrases: Sequence[Phrase]) -> text.Detector:
    """The detector that they name."""
    from propagate import text

    first = phrases[0]
    return text.load_detector(
        text.Config(first.model or text.MODEL, first.device or "auto", first.least_score)
    )


def boxes(
    detector: text.Detector, phrase: Phrase, image: ImageArray
) -> list[tuple[float, float, float, float]]:
    """(x0, y0, x1, y1) of what is found, best first."""
    found = []
    for one in detector.find(image, phrase.words):
        x0, y0, x1, y1 = (round(_STEPS * float(value)) / _STEPS for value in one.box)
        found.append((x0, y0, x1, y1))
    return found
