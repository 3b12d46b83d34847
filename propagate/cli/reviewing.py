"""What `propagate review` does once its words are understood."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from propagate.cli.amendment import Amendment
from propagate.cli.correcting import open_run_source
from propagate.cli.finished_run import FinishedRun, StoredResults
from propagate.cli.review_pictures import score_plot, worst_sheet
from propagate.cli.run_folder import dump
from propagate.console.progress import Watched, bar, collected_warnings, say, show
from propagate.evaluation.pictures import encode_picture
from propagate.export import make_folder, write_whole
from propagate.review import Finding, looks, rank


def carry_out(folder: Path, out: Path, count: int, source: Path | None, *, quiet: bool) -> None:
    """Review a run into a folder.

    Args:
        folder: of the run.
        out: for the results.
        count: most frames that are shown.
        source: where the source is now, or None: where it was.
        quiet: say nothing.

    Raises:
        PropagateError: no complete run, its source is gone, or the results cannot be written.
    """
    with collected_warnings():
        Amendment(folder).complete()
        run = FinishedRun.read(folder)
        video = open_run_source(run, source)
        results = StoredResults(folder, run.records)
        with bar("reading", len(results), quiet=quiet) as advance:
            seen = looks(Watched(results.values(), advance))
        findings = rank(seen, run.anchors, count)
        make_folder(out)
        write_whole(out / "review.json", dump(_as_json(folder, findings)))
        write_whole(out / "scores.png", encode_picture(score_plot(seen, run.anchors, findings)))
        if findings:
            write_whole(out / "sheet.png", encode_picture(worst_sheet(video, results, findings)))
        else:
            (out / "sheet.png").unlink(missing_ok=True)
    if findings and not quiet:
        show(_table(folder, findings))
        first = findings[0]
        say(f"an object that is not there: --absent {first.look.index}#{first.object_id}")
    say(f"{len(findings)} frames to look at: {out}", quiet=quiet)


def _command(folder: Path, finding: Finding) -> str:
    """The command line that corrects a frame; X,Y is for the user to say."""
    return f"propagate correct {folder} --point X,Y@{finding.look.index}#{finding.object_id}"


def _as_json(folder: Path, findings: Sequence[Finding]) -> dict[str, Any]:
    frames = [
        {
            "rank": number,
            "frame": finding.look.index,
            "time_s": finding.look.time_s,
            "object": finding.object_id,
            "state": finding.look.state,
            "score": round(finding.look.score, 4),
            "box": finding.look.box,
            "doubt": round(finding.doubt, 3),
            "gain": round(finding.gain, 3),
            "depends": finding.depends,
            "reason": finding.reason,
            "command": _command(folder, finding),
        }
        for number, finding in enumerate(findings, start=1)
    ]
    return {"format": "propagate-review", "version": 1, "frames": frames}


def _table(folder: Path, findings: Sequence[Finding]) -> Table:
    """The findings, a row each."""
    table = Table(box=None, pad_edge=False)
    for name in ("", "frame", "time", "object", "gain", "frames after", "why", "correct it with"):
        table.add_column(
            name, justify="right" if name not in ("why", "correct it with") else "left"
        )
    for number, finding in enumerate(findings, start=1):
        time_s = finding.look.time_s
        table.add_row(
            str(number),
            str(finding.look.index),
            "" if time_s is None else f"{time_s:.2f} s",
            str(finding.object_id),
            f"{finding.gain:.1f}",
            str(finding.depends),
            finding.reason,
            _command(folder, finding),
        )
    return table
