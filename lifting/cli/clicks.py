"""Clicks in views, as written on the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np

from lifting.formats import SceneViews
from propagate.errors import PromptError
from propagate.types import Prompt

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
_CLICK = re.compile(rf"({_NUMBER})\s*,\s*({_NUMBER})(?:@(.+?))?(?:#(\d+))?(-?)")


def prompts_of(words: Sequence[str], views: SceneViews) -> list[Prompt]:
    """Clicks as prompts, one a view and object; `frame_index` is the place among the views.

    Args:
        words: "X,Y[@VIEW][#ID][-]" each: pixels of the picture, the view's number among all
            pictures of the scene or its name, the object (1 where it is left out), and a minus
            where the place is not on it.
        views: to click in.

    Raises:
        PromptError: something else is written, no such view, a place outside of the picture, or
            an object without a click on it.
    """
    clicks: dict[tuple[int, int], list[tuple[float, float, bool]]] = {}
    for text in words:
        match = _CLICK.fullmatch(text.strip())
        if match is None:
            raise PromptError(
                f"--point {text}: write X,Y in pixels, then @VIEW, #ID and - as needed, for "
                "example 320,180@7#2"
            )
        x, y, view, key, minus = match.groups()
        at = _place(text, view, views)
        object_id = int(key) if key else 1
        if object_id < 1:
            raise PromptError(f"--point {text}: object ids start at 1")
        height, width = views.shots[at].camera.size_hw
        if not (0 <= float(x) < width and 0 <= float(y) < height):
            raise PromptError(
                f"--point {text}: outside of the picture {views.shots[at].name!r}, which is "
                f"{width}x{height}"
            )
        clicks.setdefault((at, object_id), []).append((float(x), float(y), not minus))
    for object_id in {key for _, key in clicks}:
        if not any(on for (_, key), some in clicks.items() if key == object_id for *_, on in some):
            raise PromptError(f"object {object_id} has no click on it; give one without a minus")
    return [
        Prompt(
            at,
            object_id,
            np.array([click[:2] for click in some], np.float32),
            np.array([click[2] for click in some], bool),
        )
        for (at, object_id), some in sorted(clicks.items())
    ]


def _place(text: str, view: str | None, views: SceneViews) -> int:
    """The place among the views."""
    if view is None:
        return 0
    for at, shot in enumerate(views.shots):
        path = PurePath(shot.name)
        if view in (shot.name, path.name, path.stem) or view == str(shot.index):
            return at
    last = views.shots[-1]
    raise PromptError(
        f"--point {text}: no view {view!r}; views are numbered from 0 to {last.index}, and named "
        f"like {last.name!r}; some may have been skipped, see lift info"
    )
