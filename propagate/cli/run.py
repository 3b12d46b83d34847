"""Tracking into a folder: killed at any frame, it goes on and ends with the same bytes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from propagate.ahead import Timed, follow, in_their_frames
from propagate.cli import snapshot
from propagate.cli.run_folder import RunFolder
from propagate.cli.snapshot import Snapshot
from propagate.errors import InputError
from propagate.export import Exporter, Run, Writer, overlay, png, rle, tracks
from propagate.export.tracks import TracksJournal
from propagate.tracker import Tracker, TrackerState
from propagate.types import Frame, FrameResult, Prompt
from propagate.videos import Video

EXPORTS = ("png", "rle", "overlay")
SNAPSHOT_EVERY = 50
"""Frames between two snapshots: so many at most are computed again after a kill."""


@dataclass(frozen=True, eq=False)
class Job:
    """What is to be done.

    Attributes:
        video: the frames that are wanted.
        prompts: checked against the video.
        tracker: follows them.
        export: of `EXPORTS`; masks and tracks.json are always made.
        snapshot_every: frames.
    """

    video: Video
    prompts: Sequence[Prompt]
    tracker: Tracker
    export: Sequence[str] = ("png",)
    snapshot_every: int = SNAPSHOT_EVERY


@dataclass
class Stages:
    """Seconds that each stage took, and frames that this process answered."""

    read: float = 0.0
    track: float = 0.0
    write: float = 0.0
    finish: float = 0.0
    frames: int = 0

    def as_json(self) -> dict[str, float | int | None]:
        """Rounded, with the rate of the tracker alone; None where nothing was left to do."""
        rate = round(self.frames / self.track, 2) if self.track > 0 else None
        seconds = {
            f"{name}_s": round(getattr(self, name), 3)
            for name in ("read", "track", "write", "finish")
        }
        return {**seconds, "frames": self.frames, "frames_per_second": rate}


@dataclass
class TrackingRun:
    """A run under way: iterate it to the end.

    Attributes:
        job: what is done.
        folder: where.
        stages: what it took so far, in this process.
        done: frames that are answered and written.
    """

    job: Job
    folder: RunFolder
    stages: Stages = field(default_factory=Stages)
    done: int = 0

    def results(self, request: dict[str, Any], *, resume: bool) -> Iterator[FrameResult]:
        """Go on to the last frame; yields each result when it is written.

        The folder is made when the first frame is answered, so that a source or prompt that
        cannot be used leaves nothing behind.

        Args:
            request: kept in the folder, see `RunFolder.check`.
            resume: whether the folder holds a run to go on with.

        Raises:
            VideoError: a frame cannot be read.
            OutputError: results cannot be written; what was written stays.
        """
        past = self._past() if resume else _nothing(self.job)
        self.done = self._written(past) if resume else 0
        lost = self._lost()
        if lost:
            past = _nothing(self.job)
        if past.finished:
            self.done = past.done
            return
        writers: list[Writer] = []
        count = past.done
        for frame, state in self._answered(past):
            assert state.last is not None  # the answer to this frame
            began = time.perf_counter()
            if not writers:
                self.folder.begin(request)
                writers = self._writers()
            count += 1
            if count > self.done:
                for writer in writers:
                    writer.write(frame, state.last)
                self.done = count
            elif png.file_stem(state.last) in lost:
                writers[0].write(frame, state.last)
            if count % self.job.snapshot_every == 0:
                self._save(Snapshot(count, finished=False, state=state))
            self.stages.write += time.perf_counter() - began
            yield state.last
        if count < self.done:
            raise InputError(f"{self.folder.path}: holds more frames than the source; start anew")
        self._save(Snapshot(count, finished=True, state=state))

    def finish(self, frames: Iterable[Frame]) -> None:
        """Make what needs all results; `frames` are those of the video, watched or not."""
        began = time.perf_counter()
        for writer in self._writers(frames):
            writer.close()
        self.stages.finish += time.perf_counter() - began

    def _past(self) -> Snapshot:
        """Where to start computing."""
        if self.folder.state_file.is_file():
            return snapshot.load(self.folder.state_file, self.job.tracker)
        return _nothing(self.job)

    def _written(self, past: Snapshot) -> int:
        """How many frames are on disk; those since the snapshot are computed, not written again."""
        return max(past.done, len(self._journal.recover()))

    def _lost(self) -> set[str]:
        """The names of masks that were written, and are missing or cut short."""
        masks = self.folder.path / png.Config.folder
        return {stem for stem in self._journal.stems() if not png.is_whole(masks / f"{stem}.png")}

    @property
    def _journal(self) -> TracksJournal:
        return TracksJournal(self.folder.path / "tracks.jsonl.part")

    def _writers(self, frames: Iterable[Frame] = ()) -> list[Writer]:
        """Where results go: masks first; the journal last: a frame in it is in all others."""
        ids = tuple(sorted({prompt.object_id for prompt in self.job.prompts}))
        run = Run(frames, self.job.video.fps, ids, self.done)
        return [exporter.open(self.folder.path, run) for exporter in exporters(self.job.export)]

    def _frames(self, past: Snapshot) -> Iterator[Frame]:
        """The frames that are left."""
        last = past.state.last
        frames = iter(self.job.video if last is None else self.job.video.window(last.index))
        if last is not None:
            next(frames)  # answered already; a window that began behind it might hold nothing
        return frames

    def _answered(self, past: Snapshot) -> Iterator[tuple[Frame, TrackerState]]:
        """The frames that are left, each with the state after it, timed."""
        job, frames = self.job, Timed(self._frames(past))
        live = job.video.length_hint is None
        asks = in_their_frames(job.prompts)
        steps = Timed(follow(job.tracker, past.state, frames, asks, live=live))
        for answered in steps:
            self.stages.read, self.stages.track = frames.seconds, steps.seconds - frames.seconds
            self.stages.frames += 1
            yield answered

    def _save(self, past: Snapshot) -> None:
        snapshot.save(self.folder.state_file, past)


def exporters(names: Sequence[str]) -> list[Exporter]:
    """Exporters for these names, in the order in which they are served.

    Raises:
        InputError: an unknown name.
    """
    for name in names:
        if name not in EXPORTS:
            raise InputError(f"--export {name}: there are {', '.join(EXPORTS)}")
    made: list[Exporter] = [png.build(png.Config())]
    if "overlay" in names:
        made.append(overlay.build(overlay.Config()))
    made.append(rle.build(rle.Config()) if "rle" in names else tracks.build(tracks.Config()))
    return made


def _nothing(job: Job) -> Snapshot:
    return Snapshot(0, finished=False, state=job.tracker.start())
