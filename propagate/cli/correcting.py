"""What `propagate correct` does once its words are understood."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from propagate.cli.amendment import Amendment
from propagate.cli.finished_run import (
    FinishedRun,
    StoredResults,
    check_overlap,
    check_source,
    read_records,
)
from propagate.cli.prompt_text import Asked
from propagate.cli.prompts import check, describe, resolve
from propagate.cli.run import TrackingRun
from propagate.cli.run_folder import dump
from propagate.cli.source import open_source
from propagate.console import INTERRUPTED
from propagate.console.progress import Advance, Watched, bar, collected_warnings, say
from propagate.corrections import Recomputation
from propagate.errors import InputError, PromptError
from propagate.export import overlay, tracks, write_whole
from propagate.export.png import MAX_PALETTE_ID, encode_png
from propagate.tracker import build
from propagate.types import FrameResult, Prompt
from propagate.videos import Video

if TYPE_CHECKING:
    from propagate.cli.tracking import Order

_FUSED = ".run/fused"  # made when what was tracked forwards has been fused


def carry_out(
    folder: Path, asked: Sequence[Asked], source: Path | None, *, quiet: bool = False
) -> int:
    """Correct a run; the exit code.

    Raises:
        PropagateError: it cannot be done; the run is as it was, or the same command completes it.
    """
    with collected_warnings():
        Amendment(folder).complete()
        run = FinishedRun.read(folder)
        video = open_run_source(run, source)
        prompts = _prompts(run, asked, video)
        described = describe(prompts)
        if all(one in run.corrections for one in described):
            say(f"{folder} has these corrections already; nothing to do", quiet=quiet)
            return 0
        exports = run.request["export"]
        check_overlap(run.settings, exports)
        painted = frozenset(prompt.frame_index for prompt in prompts if prompt.mask is not None)
        before = StoredResults(folder, run.records, painted)
        tracker = build(run.settings)
        work = Recomputation(video, before, tracker, run.anchors, _joined(run, prompts))
        report = {**run.report, "corrections": [*run.corrections, *described]}
        try:
            last = ("run.json", dump(report))
            changed = amend(work, exports, last, undoable=True, quiet=quiet)
        except KeyboardInterrupt:
            again = "the same command starts it again, or completes it"
            print("propagate: interrupted;", again, file=sys.stderr)
            return INTERRUPTED
    say(_last_words(changed, before, folder), quiet=quiet)
    return 0


def fuse_both_ways(run: TrackingRun, order: Order, *, quiet: bool) -> None:
    """After a run forwards: fuse with a backward pass what lies between two prompts of an object.

    Done once, however often the run is resumed.

    Raises:
        PropagateError: see `Recomputation.work`.
    """
    folder = run.folder.path
    Amendment(folder).complete()
    if (folder / _FUSED).is_file():
        return
    check_overlap(order.settings, order.export)
    before = StoredResults(folder, read_records(folder / "tracks.json"))
    anchors = {(prompt.frame_index, prompt.object_id) for prompt in run.job.prompts}
    work = Recomputation.both_ways(run.job.video, before, run.job.tracker, anchors)
    amend(work, order.export, (_FUSED, b""), quiet=quiet)


def amend(
    work: Recomputation,
    exports: Collection[str],
    last: tuple[str, bytes],
    *,
    undoable: bool = False,
    quiet: bool,
) -> list[int]:
    """Compute, then put everything in its place at once; the indices of the frames that changed.

    Args:
        work: on results that are a `StoredResults`.
        exports: kinds of output that the run has.
        last: name and content of the file that says that it is done.
        undoable: keep what is replaced, see `Amendment.undo`.
        quiet: show no bars.
    """
    before = work.before
    assert isinstance(before, StoredResults)
    with bar("tracking", work.total, quiet=quiet) as advance:
        for done in work.work():
            advance(done)
    amendment = Amendment(before.folder)
    amendment.begin()
    try:
        changed = _gather(work, before, exports, amendment)
        if "overlay" in exports:
            with bar("drawing", len(before), quiet=quiet) as advance:
                _draw(work, before, amendment, advance)
        write_whole(amendment.place(last[0]), last[1])
        amendment.commit(last[0], undoable=undoable)
    finally:
        amendment.drop()
    return changed


def _gather(
    work: Recomputation, before: StoredResults, exports: Collection[str], amendment: Amendment
) -> list[int]:
    """New pictures and tracks; the indices of the frames that changed."""
    wide = max((key for _, key in work.anchors), default=0) > MAX_PALETTE_ID
    changed = []
    for result in work.changed():
        changed.append(result.index)
        path = before.path(result.index)
        data = encode_png(result.label_map(), wide=wide)
        if not path.is_file() or path.read_bytes() != data:
            write_whole(amendment.place(f"masks/{path.name}"), data)
    config = tracks.Config(rle="rle" in exports)
    old, new = before.folder / "tracks.json", amendment.place("tracks.json")
    tracks.replace_frames(old, new, _Now(work, frozenset(changed)), config)
    return changed


def _draw(
    work: Recomputation, before: StoredResults, amendment: Amendment, advance: Advance
) -> None:
    """The new overlay; it shows what `tracks.json` says, to the digit."""
    results = (tracks.parse_record(tracks.record(work.now(index))) for index in before)
    path = amendment.place(overlay.Config().name)
    overlay.render_overlay(Watched(work.video, advance), results, path, work.video.fps)


@dataclass(frozen=True, eq=False)
class _Now(Mapping[int, FrameResult]):
    """The results of the frames that changed."""

    work: Recomputation
    changed: frozenset[int]

    def __getitem__(self, index: int) -> FrameResult:
        if index not in self.changed:
            raise KeyError(index)
        return self.work.now(index)

    def __contains__(self, index: object) -> bool:
        return index in self.changed

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self.changed))

    def __len__(self) -> int:
        return len(self.changed)


def open_run_source(run: FinishedRun, path: Path | None) -> Video:
    """The run's source, or the same at another path; InputError where it is gone or another one."""
    where = run.source if path is None else str(path)
    if where is None:
        raise InputError(f"{run.folder}/run.json does not say where the source is; add --source")
    if not Path(where).exists():
        raise InputError(f"{where}: the source is gone; say where it is now with --source PATH")
    frames = run.request["frames"]
    video = open_source(where, frames["start"], frames["stop"])
    check_source(run, video.fingerprint(), where)
    return video


def _prompts(run: FinishedRun, asked: Sequence[Asked], video: Video) -> list[Prompt]:
    """The corrections, checked; PromptError for what does not say which frame and object."""
    assert video.size_hw is not None  # files and folders know it
    asked = list(_complete(run, asked))
    prompts = resolve(asked, video.size_hw, 0)
    for one in asked:
        painted = {prompt.object_id for prompt in prompts if prompt.frame_index == one.frame}
        prompts += resolve(list(_erased(run, one, painted)), video.size_hw, 0)
    known = run.objects
    for prompt in prompts:
        if prompt.object_id not in known:
            named = ", ".join(map(str, known))
            raise PromptError(
                f"object {prompt.object_id} is not in {run.folder}, there are: {named}; "
                "for another object, track again"
            )
        if prompt.frame_index not in run.records:
            raise PromptError(
                f"frame {prompt.frame_index} is not in {run.folder}, there are: "
                f"{min(run.records)} to {max(run.records)}"
            )
    check(prompts, video, min(run.records), known)
    return prompts


def _erased(run: FinishedRun, asked: Asked, painted: Collection[int]) -> Iterator[Asked]:
    """What was erased from a frame's own picture of masks, if that is what was asked with."""
    index = asked.frame
    if asked.mask is None or asked.object_id is not None or index not in run.records:
        return
    if asked.mask.resolve() == StoredResults(run.folder, run.records).path(index).resolve():
        for entry in run.records[index]["objects"]:
            if "area" in entry and entry["id"] not in painted:
                yield Asked(asked.where, index, entry["id"], absent=True)


def _complete(run: FinishedRun, asked: Iterable[Asked]) -> Iterator[Asked]:
    """What was asked, with the only object filled in."""
    for one in asked:
        if one.frame is None:
            raise PromptError(f"{one.where}: say which frame is corrected, for example with @48")
        if one.object_id is None and one.mask is None:
            if len(run.objects) > 1:
                named = ", ".join(map(str, run.objects))
                raise PromptError(
                    f"{one.where}: say which object, for example #1; there are {named}"
                )
            one = replace(one, object_id=run.objects[0])
        yield one


def _joined(run: FinishedRun, prompts: Sequence[Prompt]) -> list[Prompt]:
    """The corrections with earlier clicks and boxes of the same object in the same frame.

    What they gave is corrected by all of them together. Clicks cannot change an earlier mask, which
    is kept as it is.
    """
    earlier = []
    now = {(prompt.frame_index, prompt.object_id): prompt for prompt in prompts}
    for values in [*run.request["prompts"], *run.corrections]:
        prompt = now.get((values["frame"], values["object"]))
        if prompt is None or prompt.mask is not None or "absent" in values:
            continue
        if "mask_sha256" in values:
            raise PromptError(
                f"object {values['object']} in frame {values['frame']} was given as a mask, "
                "which is kept as it is; give another --mask to change it"
            )
        earlier.append(
            Prompt(
                values["frame"],
                values["object"],
                points_xy=values.get("points", []),
                labels=values.get("labels", []),
                box=values.get("box"),
            )
        )
    return [*earlier, *prompts]


def _last_words(changed: Sequence[int], before: Mapping[int, FrameResult], folder: Path) -> str:
    count = f"{len(changed)} of {len(before)} frames changed"
    span = f", {changed[0]} to {changed[-1]}" if changed else ""
    return f"{count}{span}: {folder}"
