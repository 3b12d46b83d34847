"""Results for a person and for a program: a table, JSON, CSV, and pictures of what went wrong."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from propagate.evaluation.pictures import contact_sheet, encode_picture, plot
from propagate.evaluation.results import ObjectResult, SequenceResult, summary
from propagate.export import make_folder, write_whole

_DIGITS = 4


def table(results: Sequence[SequenceResult]) -> Table:
    """A row a sequence and one for the data set, percent where that is usual."""
    columns = ("J&F", "J", "J recall", "J decay", "F", "calibration", "frames/s")
    grid = Table("sequence")
    for name in ("objects", *columns):
        grid.add_column(name, justify="right")
    for one in results:
        grid.add_row(one.sequence.name, str(len(one.objects)), *_cells(summary([one])))
    grid.add_section()
    objects = sum(len(one.objects) for one in results)
    grid.add_row("all objects", str(objects), *_cells(summary(results)), style="bold")
    return grid


def write_report(results: Sequence[SequenceResult], out: Path) -> None:
    """Write results.json, results.csv, worst.png and plots/<sequence>.png.

    Args:
        results: one or more.
        out: the folder that `evaluate` wrote its answers to: out/masks is looked at for worst.png.

    Raises:
        InputError: no result, or answers or pictures that are gone.
        OutputError: a file cannot be written.
    """
    make_folder(out)
    write_whole(out / "results.json", as_json(results).encode())
    write_whole(out / "results.csv", as_csv(results).encode())
    write_whole(out / "worst.png", encode_picture(contact_sheet(results, out / "masks")))
    plots = make_folder(out / "plots")
    for one in results:
        write_whole(plots / f"{one.sequence.name}.png", encode_picture(plot(one)))


def as_json(results: Sequence[SequenceResult]) -> str:
    """Everything that was measured; a number that does not exist is null."""
    values = {
        "summary": {key: _number(value) for key, value in summary(results).items()},
        "sequences": [_sequence(one) for one in results],
    }
    return json.dumps(values, indent=1, allow_nan=False) + "\n"


def as_csv(results: Sequence[SequenceResult]) -> str:
    """A line an object."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    keys = ("j_and_f", "j_mean", "j_recall", "j_decay", "f_mean", "f_recall", "f_decay")
    writer.writerow(("sequence", "object", *keys))
    for one in results:
        for each in one.objects:
            values = _object(each)
            row = [values[key] for key in keys]
            writer.writerow((one.sequence.name, each.object_id, *row))
    return text.getvalue()


def _cells(values: dict[str, float]) -> list[str]:
    keys = ("j_and_f", "j_mean", "j_recall", "j_decay", "f_mean", "calibration_error")
    cells = [f"{100 * values[key]:.1f}" for key in keys]
    return [*cells, f"{values['frames_per_second']:.1f}"]


def _sequence(one: SequenceResult) -> dict[str, Any]:
    frames = [
        {
            "index": each.index,
            "stem": each.stem,
            "object": each.object_id,
            "j": _number(each.j),
            "f": _number(each.f),
            "score": None if each.score is None else _number(each.score),
            "state": each.state,
        }
        for each in one.frames
    ]
    totals = {key: _number(value) for key, value in summary([one]).items()}
    return {
        "name": one.sequence.name,
        **totals,
        "frames_tracked": one.frame_count,
        "seconds": _number(one.seconds),
        "objects": [{"id": each.object_id, **_object(each)} for each in one.objects],
        "frames": frames,
    }


def _object(one: ObjectResult) -> dict[str, float | None]:
    parts = {
        f"{name}_{part}": _number(getattr(getattr(one, name), part))
        for name in ("j", "f")
        for part in ("mean", "recall", "decay")
    }
    return {"j_and_f": _number(one.j_and_f), **parts}


def _number(value: float) -> float | None:
    return round(value, _DIGITS) if math.isfinite(value) else None
