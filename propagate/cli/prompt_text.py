"""What the user asks for, as written on the command line or in a prompts file.

Nothing here looks at a picture; see `propagate.cli.prompts` for what becomes of it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from propagate.config import nearest
from propagate.errors import PromptError

Point = tuple[float, float]
Box = tuple[float, float, float, float]

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
_SUFFIX = r"((?:[@#]\d+)*)"
_COMMA = r"\s*,\s*"
_POINT = re.compile(rf"({_NUMBER}){_COMMA}({_NUMBER}){_SUFFIX}(-?)")
_BOX = re.compile(rf"({_COMMA.join([_NUMBER] * 4)}){_SUFFIX}")
_MASK = re.compile(rf"(.+?){_SUFFIX}")
_ABSENT = re.compile(r"@?(\d+)((?:#\d+)*)")
_LARGEST = 1e6  # pixels; beyond any picture, and float32 is exact to a sixteenth
_KEYS = ("frame", "object", "points", "labels", "box", "mask", "absent")


@dataclass(frozen=True)
class Asked:
    """One option, or one entry of a prompts file.

    Attributes:
        where: how messages name it.
        frame: index, or None for the first frame of the run.
        object_id: or None where it was left open.
        points: (x, y) pixels each.
        labels: whether each point is on the object.
        box: (x0, y0, x1, y1) pixels, or None.
        mask: file, or None.
        absent: whether the object is said not to be there.
    """

    where: str
    frame: int | None = None
    object_id: int | None = None
    points: tuple[Point, ...] = ()
    labels: tuple[bool, ...] = ()
    box: Box | None = None
    mask: Path | None = None
    absent: bool = False


def parse_point(text: str) -> Asked:
    """Read "X,Y[@FRAME][#ID][-]"; PromptError where it is something else."""
    where = f"--point {text}"
    match = _POINT.fullmatch(text.strip())
    if match is None:
        raise PromptError(
            f"{where}: not a point; write X,Y in pixels, then @FRAME, #ID and - as needed, "
            "for example 320,180@7#2-"
        )
    x, y, suffix, minus = match.groups()
    frame, object_id = _suffix(suffix, where)
    point = (_number(float(x), where), _number(float(y), where))
    return Asked(where, frame, object_id, points=(point,), labels=(not minus,))


def parse_box(text: str) -> Asked:
    """Read "X0,Y0,X1,Y1[@FRAME][#ID]"; PromptError where it is something else."""
    where = f"--box {text}"
    match = _BOX.fullmatch(text.strip())
    if match is None:
        raise PromptError(
            f"{where}: not a box; write X0,Y0,X1,Y1 in pixels, then @FRAME and #ID as needed, "
            "for example 10,20,110,220@7#2"
        )
    corners, suffix = match.groups()
    frame, object_id = _suffix(suffix, where)
    x0, y0, x1, y1 = (_number(float(corner), where) for corner in corners.split(","))
    return Asked(where, frame, object_id, box=(x0, y0, x1, y1))


def parse_mask(text: str) -> Asked:
    """Read "PNG[@FRAME][#ID]"; a file of the whole name is taken as that, whatever is in it."""
    where = f"--mask {text}"
    match = _MASK.fullmatch(text)
    if match is None or Path(text).is_file():
        return Asked(where, mask=Path(text))
    path, suffix = match.groups()
    frame, object_id = _suffix(suffix, where)
    return Asked(where, frame, object_id, mask=Path(path))


def parse_absent(text: str) -> Asked:
    """Read "FRAME[#ID]"; PromptError where it is something else."""
    where = f"--absent {text}"
    match = _ABSENT.fullmatch(text.strip())
    if match is None:
        raise PromptError(f"{where}: write a frame, then #ID as needed, for example 78#2")
    frame, object_id = _suffix(f"@{match[1]}{match[2]}", where)
    return Asked(where, frame, object_id, absent=True)


def read_prompts_file(path: Path) -> list[Asked]:
    """Read a prompts file; masks in it are looked for beside it.

    Raises:
        PromptError: cannot be read, not a list of objects, an unknown key, or a wrong value.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise PromptError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except PromptError as error:
        raise PromptError(f"{path}: {error}") from error
    except ValueError as error:
        raise PromptError(f"{path}: not JSON ({error})") from error
    if not isinstance(entries, list) or not entries:
        raise PromptError(f'{path}: must be a list such as [{{"object": 1, "points": [[3, 4]]}}]')
    return [_entry(value, f"{path}, entry {n}", path.parent) for n, value in enumerate(entries)]


def _entry(value: Any, where: str, folder: Path) -> Asked:
    """One entry of a prompts file."""
    if not isinstance(value, Mapping):
        raise PromptError(f'{where}: must be an object such as {{"object": 1, "points": [[3, 4]]}}')
    for key in value:
        if key not in _KEYS:
            hint = nearest(key, _KEYS) or f"; there are: {', '.join(_KEYS)}"
            raise PromptError(f"{where}: unknown key {key!r}{hint}")
    points = tuple(_point(one, where) for one in _list(value.get("points", []), where, "points"))
    labels = [_label(one, where) for one in _list(value.get("labels", []), where, "labels")]
    if "labels" in value and len(labels) != len(points):
        raise PromptError(f"{where}: {len(points)} points but {len(labels)} labels; give one each")
    box, mask = value.get("box"), value.get("mask")
    if mask is not None and not isinstance(mask, str):
        raise PromptError(f"{where}: mask must be the name of a PNG file, got {mask!r}")
    absent = value.get("absent", False)
    if not isinstance(absent, bool):
        raise PromptError(f"{where}: absent must be true or false, got {absent!r}")
    if absent and (points or box is not None or mask is not None):
        raise PromptError(f"{where}: is absent and somewhere; keep one")
    if not (points or absent) and box is None and mask is None:
        raise PromptError(f"{where}: asks for nothing; give points, a box or a mask")
    object_id = _whole(value, "object", 1, where)
    if object_id is None and (points or absent or box is not None):
        raise PromptError(f'{where}: say which object it is about, for example "object": 1')
    return Asked(
        where,
        _whole(value, "frame", 0, where),
        object_id,
        points,
        tuple(labels) if labels else (True,) * len(points),
        None if box is None else _corners(box, where),
        None if mask is None else folder / mask,
        absent,
    )


def _suffix(text: str, where: str) -> tuple[int | None, int | None]:
    """Frame and object id out of "@7#2", in any order."""
    found: dict[str, int] = {}
    for mark, digits in re.findall(r"([@#])(\d+)", text):
        if mark in found:
            raise PromptError(f"{where}: {mark} is written twice; keep one")
        found[mark] = int(digits)
    if found.get("#") == 0:
        raise PromptError(f"{where}: object ids start at 1 (0 is background)")
    return found.get("@"), found.get("#")


def _refuse_constant(text: str) -> float:
    """JSON's dialect of Python knows NaN and Infinity; no pixel is there."""
    raise PromptError(f"holds {text}; a coordinate must be a finite number")


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PromptError(f"{where}: a coordinate must be a number, got {value!r}")
    if not math.isfinite(value) or abs(value) > _LARGEST:
        raise PromptError(f"{where}: a coordinate must be a finite number of pixels, got {value!r}")
    return float(value)


def _list(value: Any, where: str, key: str) -> list[Any]:
    if not isinstance(value, list):
        raise PromptError(f"{where}: {key} must be a list, got {value!r}")
    return value


def _point(value: Any, where: str) -> Point:
    if not isinstance(value, list) or len(value) != 2:
        raise PromptError(f"{where}: a point must be [x, y], got {value!r}")
    return _number(value[0], where), _number(value[1], where)


def _label(value: Any, where: str) -> bool:
    if value not in (0, 1) or isinstance(value, float):
        raise PromptError(f"{where}: a label must be 1 (on the object) or 0 (off it): {value!r}")
    return bool(value)


def _corners(value: Any, where: str) -> Box:
    if not isinstance(value, list) or len(value) != 4:
        raise PromptError(f"{where}: a box must be [x0, y0, x1, y1], got {value!r}")
    x0, y0, x1, y1 = (_number(one, where) for one in value)
    return x0, y0, x1, y1


def _whole(value: Mapping[str, Any], key: str, least: int, where: str) -> int | None:
    """A whole number of `least` or more, or None where the key is absent."""
    number = value.get(key)
    if number is not None and (type(number) is not int or number < least):
        raise PromptError(f"{where}: {key} must be a whole number from {least} on, got {number!r}")
    return number
