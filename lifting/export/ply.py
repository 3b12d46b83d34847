"""Labelled clouds as PLY files, and back.

A written file is binary, little-endian, and has for every point `x y z` (float, metres), where the
cloud has colours `red green blue` (uchar), `label` (int), `confidence` (float, 0..1) and
`view_count` (int); where it is known which way is up, a line `comment up X Y Z`. Open3D, MeshLab,
CloudCompare and plyfile read it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from lifting._checks import DoubleArray, direction
from lifting.export._ply_header import Element, Header, read_header
from lifting.types import LabelledCloud
from propagate.errors import SceneError
from propagate.export import make_folder, replacing

_PLACE = ("x", "y", "z")
_COLOUR = ("red", "green", "blue")
_UP = "up"
_TYPES = {"f4": "float", "u1": "uchar", "i4": "int"}


def write_ply(
    path: str | os.PathLike[str], cloud: LabelledCloud, *, up: npt.ArrayLike | None = None
) -> None:
    """Write a cloud as a binary PLY file; the folder must be there.

    Args:
        path: the file.
        cloud: what to write.
        up: (3,) which direction is up, see `lifting.export.up_of`; None where nobody knows.

    Raises:
        SceneError: an `up` that is no direction.
        OutputError: it cannot be written.
    """
    fields = [(name, "f4") for name in _PLACE]
    columns: list[npt.NDArray[Any]] = [*cloud.points.T]
    if cloud.colours is not None:
        fields += [(name, "u1") for name in _COLOUR]
        columns += [*cloud.colours.T]
    fields += [("label", "i4"), ("confidence", "f4"), ("view_count", "i4")]
    columns += [cloud.labels, cloud.confidence, cloud.view_counts]
    rows = np.empty(len(cloud), np.dtype([(name, "<" + kind) for name, kind in fields]))
    for (name, _), column in zip(fields, columns, strict=True):
        rows[name] = column
    names = [f"{_TYPES[kind]} {name}" for name, kind in fields]
    words = [] if up is None else [_UP, *(f"{one:.6g}" for one in direction(up, "up"))]
    write_elements(path, [("vertex", rows, names)], [" ".join(words)] if words else [])


def write_elements(
    path: str | os.PathLike[str],
    elements: list[tuple[str, npt.NDArray[Any], list[str]]],
    comments: Sequence[str] = (),
) -> None:
    """Write elements, each a name, an array of little-endian records, and what they hold."""
    header = ["ply", "format binary_little_endian 1.0", *(f"comment {one}" for one in comments)]
    for name, rows, properties in elements:
        header.append(f"element {name} {len(rows)}")
        header += [f"property {one}" for one in properties]
    header.append("end_header\n")
    with replacing(Path(path)) as temporary, open(temporary, "wb") as file:
        file.write("\n".join(header).encode("ascii"))
        for _, rows, _ in elements:
            file.write(rows.tobytes())


def write_objects(
    folder: str | os.PathLike[str], cloud: LabelledCloud, *, up: npt.ArrayLike | None = None
) -> tuple[Path, ...]:
    """One PLY file an object, `object_00001.ply` and on by id, in a folder that is made.

    `up` is as in `write_ply`.

    Raises:
        OutputError: they cannot be written.
    """
    where = make_folder(Path(folder))
    paths = []
    for key in cloud.object_ids:
        paths.append(where / f"object_{key:05d}.ply")
        write_ply(paths[-1], cloud.select(cloud.labels == key), up=up)
    return tuple(paths)


def read_ply(path: str | os.PathLike[str]) -> LabelledCloud:
    """Read the points of a PLY file, ours or another program's; text or binary of either order.

    Without `label` all labels are 0, without `confidence` it is 1, without `view_count` 0. Colours
    are `red green blue`, whole numbers 0..255 or floats 0..1. Faces are left out. Nothing is
    allotted for points that the header claims and the file cannot hold.

    Raises:
        SceneError: not there, not PLY, cut short, of wrong types, or points that are not finite.
    """
    name = os.fspath(path)
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        header = read_header(file, name)
        file.seek(header.size)
        rows = _vertices(file, header, size, name)
    return _cloud(rows, name)


def read_up(path: str | os.PathLike[str]) -> DoubleArray | None:
    """(3,) which direction is up, as `write_ply` noted it; None where the file does not say.

    Raises:
        SceneError: not there, or not PLY.
    """
    with _opened(path) as file:
        comments = read_header(file, os.fspath(path)).comments
    said = next((words[1:] for words in comments if words[:1] == (_UP,)), None)
    if said is None:
        return None
    try:
        return direction(said, "up")
    except SceneError:
        return None  # another program's remark


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to read; SceneError where that fails."""
    try:
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise SceneError(f"{path}: cannot be read ({error.strerror or error})") from error


def _vertices(file: BinaryIO, header: Header, size: int, name: str) -> npt.NDArray[Any]:
    """The records of the element "vertex"."""
    before: list[Element] = []
    for element in header.elements:
        if element.name == "vertex":
            break
        before.append(element)
    else:
        raise SceneError(f"{name}: has no element 'vertex'")
    fields = element.kind.names or ()
    if not set(_PLACE) <= set(fields):
        raise SceneError(f"{name}: its points have no x, y and z, but {', '.join(fields) or '-'}")
    if element.has_lists or any(one.has_lists for one in before):
        raise SceneError(
            f"{name}: lists in or before 'vertex' are not read; save it anew from another program"
        )
    if header.form == "ascii":
        return _text(file, sum(one.count for one in before), element, size - header.size, name)
    skipped = sum(one.count * one.kind.itemsize for one in before)
    wanted = element.count * element.kind.itemsize
    left = size - header.size - skipped
    if wanted > left:
        raise SceneError(
            f"{name}: is cut short or its header lies: {element.count} points need {wanted} bytes, "
            f"{max(left, 0)} are there"
        )
    file.seek(skipped, os.SEEK_CUR)
    return np.frombuffer(file.read(wanted), element.kind)


def _text(file: BinaryIO, skipped: int, element: Element, left: int, name: str) -> npt.NDArray[Any]:
    """The records of an ASCII file, a line each; numbers take two bytes or more with their gap."""
    fields = element.kind.names or ()
    short = f"{name}: is cut short or its header lies: {element.count} points are promised"
    if skipped + 2 * element.count * len(fields) > left + 2:
        raise SceneError(f"{short}, {left} bytes are there")
    for _ in range(skipped):
        file.readline()
    rows = np.zeros(element.count, element.kind)
    if not element.count:
        return rows
    start = file.tell()
    if not file.readline().strip():
        raise SceneError(f"{short}, but an empty line follows")
    file.seek(start)
    try:
        numbers = np.loadtxt(file, np.float64, comments=None, max_rows=element.count, ndmin=2)
    except ValueError as error:
        raise SceneError(f"{name}: its points are no table of numbers ({error})") from error
    if numbers.shape != (element.count, len(fields)):
        raise SceneError(f"{short}, {numbers.shape[0]} of {numbers.shape[1]} numbers are there")
    for field, column in zip(fields, numbers.T, strict=True):
        with np.errstate(invalid="ignore", over="ignore"):
            rows[field] = column.astype(element.kind[field])
    return rows


def _cloud(rows: npt.NDArray[Any], name: str) -> LabelledCloud:
    """Records as a cloud."""
    fields = rows.dtype.names or ()
    colours = _colours(rows) if set(_COLOUR) <= set(fields) else None
    label = rows["label"] if "label" in fields else np.zeros(len(rows), np.int32)
    if label.dtype.kind == "f":
        if not (np.isfinite(label).all() and (label == np.rint(label)).all()):
            raise SceneError(f"{name}: its labels must be whole numbers")
        label = label.astype(np.int64)
    share = rows["confidence"] if "confidence" in fields else np.ones(len(rows))
    counts = rows["view_count"] if "view_count" in fields else np.zeros(len(rows), np.int32)
    points = np.stack([rows[axis].astype(np.float32) for axis in _PLACE], axis=1)
    try:
        return LabelledCloud(points, label, share.astype(np.float32), colours, counts)
    except SceneError as error:
        raise SceneError(f"{name}: {error}") from error


def _colours(rows: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    stacked = np.stack([rows[channel] for channel in _COLOUR], axis=1)
    if stacked.dtype.kind == "f":
        stacked = np.rint(255 * np.nan_to_num(stacked))
    colours: npt.NDArray[np.uint8] = np.clip(stacked, 0, 255).astype(np.uint8)
    return colours
