"""Checks of what a user gives: one line each, what is wrong and how to mend it."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import numpy.typing as npt

from propagate.errors import InputError, PromptError

_MOST = np.iinfo(np.int32).max


def object_id(value: Any, who: str, wrong: type[InputError] = InputError) -> int:
    """`value` as an object's id, 1 or more; `wrong` is raised where it is none."""
    try:
        number = operator.index(value)
    except TypeError as error:
        raise wrong(f"{who}: object ids are whole numbers, got {value!r}") from error
    if not 1 <= number <= _MOST:
        raise wrong(f"{who}: object ids start at 1 (0 is background), below 2^31")
    return number


def signs(value: Any, count: int, who: str) -> npt.NDArray[np.bool_]:
    """`value` as the labels of `count` points (N,) bool, all True for None; else PromptError.

    SAM's other labels, -1 for padding and 2 and 3 for a box's corners, are refused.
    """
    if value is None:
        return np.ones(count, bool)
    labels = np.asarray(value)
    if labels.shape != (count,):
        raise PromptError(f"{who}: {count} points but labels of shape {labels.shape}")
    if count and not (labels.dtype.kind in "buif" and np.isin(labels, (0, 1)).all()):
        raise PromptError(
            f"{who}: labels must be 1 (on the object) or 0 (off it), got {labels.tolist()}; leave "
            "padding out, and give a box as one"
        )
    return labels.astype(bool)


def floats(value: Any, shape: tuple[int, ...], what: str) -> npt.NDArray[np.float32]:
    """`value` as float32 of the shape (-1: any length); PromptError when it does not fit."""
    try:
        array = np.asarray(value, np.float32)
    except (TypeError, ValueError) as error:
        raise PromptError(f"{what} must be numbers, got {value!r}") from error
    if array.size == 0 and shape[0] == -1:
        array = array.reshape(0, *shape[1:])
    fits = array.ndim == len(shape) and all(
        want in (-1, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = "(N, 2)" if shape == (-1, 2) else str(shape)
        raise PromptError(f"{what} must have shape {wanted}, got {array.shape}")
    if not np.isfinite(array).all():
        raise PromptError(f"{what} holds NaN or infinity: {array.tolist()}")
    return array
