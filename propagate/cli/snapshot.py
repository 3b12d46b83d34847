"""The tracker's state on disk, so that a run goes on where it was killed.

The file is read with PyTorch's restricted unpickler, which calls nothing but what is listed here:
array and tensor constructors, and the dataclasses of the modules that the tracker is made of. A
file from elsewhere can at worst be refused.
"""

from __future__ import annotations

import codecs
import dataclasses
import io
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from propagate.errors import InputError
from propagate.export import write_whole
from propagate.tracker import Tracker, TrackerState

_VERSION = 1
_DTYPES = "?bBhHiIlLqQefd"


@dataclasses.dataclass(frozen=True, eq=False)
class Snapshot:
    """How far a run is.

    Attributes:
        done: frames that were answered.
        finished: whether that was the last one.
        state: after them.
    """

    done: int
    finished: bool
    state: TrackerState


def save(path: Path, snapshot: Snapshot) -> None:
    """Write a snapshot, whole or not at all; OutputError where it cannot be written."""
    memory = io.BytesIO()
    values = {field.name: getattr(snapshot, field.name) for field in dataclasses.fields(snapshot)}
    torch.save({"version": _VERSION, **values}, memory)
    write_whole(path, memory.getvalue())


def load(path: Path, tracker: Tracker) -> Snapshot:
    """Read a snapshot for a tracker made of the same parts.

    Raises:
        InputError: damaged, of another version, or with something in it that is not a state of
            these parts.
    """
    try:
        with torch.serialization.safe_globals(_allowed(tracker)):
            values = torch.load(path, weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise InputError(f"{path}: not a state of this tracker, or damaged; {_MEND}") from error
    if not isinstance(values, dict) or values.pop("version", None) != _VERSION:
        raise InputError(f"{path}: a state of another version; {_MEND}")
    snapshot = Snapshot(**values)
    if type(snapshot.done) is not int or not isinstance(snapshot.state, TrackerState):
        raise InputError(f"{path}: not a state of a tracker; {_MEND}")
    return snapshot


_MEND = "start the run anew in another folder"


def _allowed(tracker: Tracker) -> list[Any]:
    """What a state may be made of."""
    parts = [getattr(tracker, field.name) for field in dataclasses.fields(tracker)]
    homes = {type(part).__module__ for part in parts}
    modules = [
        module
        for name, module in list(sys.modules.items())
        if name in homes or name.startswith("propagate.")
    ]
    states = {
        thing
        for module in modules
        for thing in vars(module).values()
        if isinstance(thing, type) and dataclasses.is_dataclass(thing)
    }
    array, number = np.zeros(0).__reduce__()[0], np.float32(0).__reduce__()[0]
    plain = [array, number, np.ndarray, np.dtype, codecs.encode, frozenset]
    return [*states, *plain, *(type(np.dtype(kind)) for kind in _DTYPES)]
