"""The text at the top of a PLY file (Turk, "The PLY polygon file format", 1994)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Literal

import numpy as np

from propagate.errors import SceneError

Form = Literal["ascii", "binary_little_endian", "binary_big_endian"]

_LONGEST_HEADER = 1 << 16  # bytes; real ones have a few hundred
_FORMS: dict[str, Form] = {
    "ascii": "ascii",
    "binary_little_endian": "binary_little_endian",
    "binary_big_endian": "binary_big_endian",
}
_KINDS = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4",
    "float": "f4", "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2",
    "int32": "i4", "uint32": "u4", "float32": "f4", "float64": "f8",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Element:
    """One list of things in the file.

    Attributes:
        name: "vertex", "face", ...
        count: how many the header claims; not believed before the file's size has been seen.
        kind: the fields of one, in the file's byte order.
        has_lists: whether it has properties of varying length, so that `kind` says nothing.
    """

    name: str
    count: int
    kind: np.dtype[np.void]
    has_lists: bool


@dataclass(frozen=True, eq=False)
class Header:
    """What the file says that it holds.

    Attributes:
        form: text or bytes.
        elements: in the file's order.
        size: bytes of the header itself.
        comments: the words of each comment line.
    """

    form: Form
    elements: tuple[Element, ...]
    size: int
    comments: tuple[tuple[str, ...], ...] = ()


def read_header(file: BinaryIO, name: str) -> Header:
    """Read up to and with `end_header`; `name` stands in the errors.

    Raises:
        SceneError: not a PLY file, or one whose header is cut short, too long or has no sense.
    """
    start = file.read(_LONGEST_HEADER)
    if not start.startswith((b"ply\n", b"ply\r")):
        raise SceneError(f"{name}: not a PLY file (it does not begin with 'ply')")
    at = start.find(b"end_header")
    end = start.find(b"\n", at)
    if at < 0 or end < 0:
        raise SceneError(f"{name}: the header is cut short (no 'end_header' line)")
    lines = start[:at].decode("ascii", "replace").split("\n")[1:]
    words = [line.split() for line in lines]
    form = _form(words, name)
    order = ">" if form == "binary_big_endian" else "<"
    blocks: list[list[list[str]]] = []
    for line in words:
        if line and line[0] == "element":
            blocks.append([line])
        elif line and line[0] == "property":
            if not blocks:
                raise SceneError(f"{name}: the header has a property before its first element")
            blocks[-1].append(line)
    elements = tuple(_element(block, order, name) for block in blocks)
    comments = tuple(tuple(line[1:]) for line in words if line and line[0] == "comment")
    return Header(form, elements, end + 1, comments)


def _form(words: list[list[str]], name: str) -> Form:
    for line in words:
        if len(line) >= 2 and line[0] == "format":
            if line[1] in _FORMS:
                return _FORMS[line[1]]
            raise SceneError(f"{name}: unknown format {line[1]!r}; known: {', '.join(_FORMS)}")
    raise SceneError(f"{name}: the header has no 'format' line")


def _element(block: list[list[str]], order: str, name: str) -> Element:
    """An element from its line and those of its properties."""
    first, *properties = block
    count = first[2] if len(first) == 3 else ""
    if not (count.isascii() and count.isdigit()):
        raise SceneError(f"{name}: the header line {' '.join(first)!r} names no count")
    fields: list[tuple[str, str]] = []
    lists = False
    for line in properties:
        if len(line) == 5 and line[1] == "list":
            lists = True
        elif len(line) != 3 or line[1] not in _KINDS:
            raise SceneError(f"{name}: the header line {' '.join(line)!r} has no known type")
        else:
            fields.append((line[2], order + _KINDS[line[1]]))
    if len({field for field, _ in fields}) < len(fields):
        raise SceneError(f"{name}: a property of {first[1]!r} is there twice")
    return Element(first[1], int(count), np.dtype(fields), lists)
