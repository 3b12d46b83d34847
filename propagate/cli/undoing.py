"""What `propagate correct --undo` does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from propagate.cli.amendment import Amendment
from propagate.cli.finished_run import FinishedRun, StoredResults
from propagate.console.progress import counted, say, warn
from propagate.errors import InputError


def undo(folder: Path, *, quiet: bool = False) -> int:
    """Take the last correction of a run back, byte for byte; the exit code.

    Raises:
        InputError: no run, or no correction whose past is kept.
        OutputError: a file cannot be replaced; the same command goes on.
    """
    before = FinishedRun.read(folder)
    names = Amendment(folder).undo()
    if not names:
        raise InputError(f"{folder}: there is no correction to take back")
    count = sum(name.startswith("masks/") for name in names)
    pictures = counted(count, "picture")
    say(f"the last correction is taken back, in {pictures} of masks: {folder}", quiet=quiet)
    warn("propagate", _still_painted(before, FinishedRun.read(folder)))
    return 0


def _still_painted(before: FinishedRun, now: FinishedRun) -> Iterator[str]:
    """What to say of pictures in which was painted for a correction that is taken back."""
    results = StoredResults(now.folder, now.records)
    taken = [one for one in before.corrections if one not in now.corrections]
    for index in sorted({one["frame"] for one in taken}):
        try:
            results[index]
        except InputError:
            yield (
                f"{results.path(index)}: is as you had painted it, what was there before is not "
                "kept; put it back from a copy, or give it as --mask again"
            )
