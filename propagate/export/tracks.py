"""`tracks.json`: for every frame and object its state, score, box and area.

    {"format": "propagate-tracks", "version": 1, "frames": [
    {"index": 0, "time_s": 0.0, "size": [H, W], "objects": [
        {"id": 1, "state": "tracked", "score": 0.93, "box": [x0, y0, x1, y1], "area": 5120},
        {"id": 2, "state": "absent", "score": 0.1, "reason": "left the picture"}]},
    ...one frame a line...
    ]}

"stem" is there where the source names its frames, "rle" (COCO run lengths) where it was asked for.

During the run each frame is a line of a journal beside it, `tracks.jsonl.part`, which always holds
the run lengths, so that results can be read back from it; the end assembles `tracks.json`.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from propagate.errors import OutputError
from propagate.export import Run, make_folder, replacing
from propagate.masks import area, box_of, decode_rle, encode_rle
from propagate.types import Frame, FrameResult, Mask, Missing

_HEADER = '{"format": "propagate-tracks", "version": 1, "frames": ['
_SCORE_DIGITS = 4
_TIME_DIGITS = 6  # a microsecond


@dataclass(frozen=True)
class Config:
    """Settings.

    Attributes:
        rle: write the masks' run lengths as well.
    """

    rle: bool = False


def build(config: Config) -> TracksExporter:
    """Make the exporter."""
    return TracksExporter(config)


@dataclass(frozen=True)
class TracksExporter:
    """One `tracks.json` a run."""

    config: Config

    def open(self, folder: Path, run: Run) -> TracksWriter:
        """See `propagate.export.Exporter`."""
        path = make_folder(folder) / "tracks.json"
        journal = TracksJournal(path.with_name("tracks.jsonl.part"))
        finished = journal.resume(run.done, path)
        return TracksWriter(journal, path, self.config, finished)


@dataclass(frozen=True)
class TracksWriter:
    """A journal and the file that it becomes; `finished`: it has become it before."""

    journal: TracksJournal
    path: Path
    config: Config
    finished: bool

    def write(self, frame: Frame, result: FrameResult) -> None:
        """See `propagate.export.Writer`."""
        if self.finished:
            raise OutputError(f"{self.path} is finished; remove it, or start the run anew")
        self.journal.append(result)

    def close(self) -> None:
        """See `propagate.export.Writer`; the journal is removed."""
        if not self.finished:
            self.journal.assemble(self.path, self.config)
            self.journal.remove()


@dataclass(frozen=True)
class TracksJournal:
    """Results on disk, a line of JSON each, in order of appending.

    A line is handed to the operating system before `append` returns: a killed process loses none,
    and at most the last one is torn. Nothing is made before the first `append`.
    """

    path: Path

    def append(self, result: FrameResult) -> None:
        """Add one frame; OutputError where it cannot be written."""
        line = (_dump(record(result)) + "\n").encode()
        try:
            with self.path.open("ab", buffering=0) as file:
                written = file.write(line)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written ({error.strerror})") from error
        if written != len(line):
            raise OutputError(f"{self.path}: cannot be written (no space left)")

    def resume(self, done: int, final: Path) -> bool:
        """Keep the first `done` frames, drop the others.

        Returns:
            True where the journal is gone because `final` has been made of it already.

        Raises:
            OutputError: frames that should be there are missing.
        """
        if done > 0 and not self.path.exists() and final.exists():
            return True
        kept = len(self.recover(done))
        if kept < done:
            raise OutputError(
                f"{self.path}: holds {kept} of the {done} frames that the run had finished, "
                "so it cannot be resumed; start it anew"
            )
        return False

    def recover(self, count: int | None = None) -> list[int]:
        """Keep whole lines, `count` at most; drop what follows, such as a torn last line.

        Returns:
            The frame indices that are left, in order.

        Raises:
            OutputError: the file cannot be written.
        """
        indices: list[int] = []
        end = 0
        for line in itertools.islice(self._lines(), count):
            index = _index(line)
            if index is None:
                break
            indices.append(index)
            end += len(line)
        if self.path.exists():
            try:
                os.truncate(self.path, end)
            except OSError as error:
                raise OutputError(f"{self.path}: cannot be written ({error.strerror})") from error
        return indices

    def results(self) -> Iterator[FrameResult]:
        """The results as they were appended, scores and times rounded; one in memory at a time."""
        for line in self._lines():
            yield parse_record(json.loads(line))

    def stems(self) -> list[str]:
        """The names of the frames' files, in order."""
        records = (json.loads(line) for line in self._lines())
        return [values.get("stem") or f"{values['index']:05d}" for values in records]

    def assemble(self, path: Path, config: Config) -> None:
        """Write `tracks.json` from the journal; OutputError where it cannot be written."""
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.write(_HEADER)
            separator = "\n"
            for line in self._lines():
                file.write(separator + (line.decode().rstrip() if config.rle else _slim(line)))
                separator = ",\n"
            file.write("\n]}\n")

    def remove(self) -> None:
        """Delete the journal where there is one."""
        self.path.unlink(missing_ok=True)

    def _lines(self) -> Iterator[bytes]:
        """The journal's lines; none where there is no journal."""
        if self.path.exists():
            with self.path.open("rb") as file:
                yield from file


def replace_frames(
    source: Path, target: Path, results: Mapping[int, FrameResult], config: Config
) -> None:
    """Write a `tracks.json` in which some frames are new; the lines of the others stay as they are.

    Args:
        source: a `tracks.json` as written here.
        target: where to; it may be the same file.
        results: frame index → result, looked up one at a time.
        config: how the new lines are written.

    Raises:
        OutputError: it cannot be read or written.
    """
    with (
        replacing(target) as temporary,
        source.open(encoding="utf-8") as old,
        temporary.open("w", encoding="utf-8") as new,
    ):
        for line in old:
            index = _index(line.removesuffix(",\n").strip().encode() + b"\n")
            if index is not None and index in results:
                dumped = (_dump(record(results[index])) + "\n").encode()
                text = dumped.decode().rstrip() if config.rle else _slim(dumped)
                line = text + line[len(line.rstrip(",\n")) :]
            new.write(line)


def record(result: FrameResult) -> dict[str, Any]:
    """A result as JSON values, run lengths included."""
    name = {} if result.stem is None else {"stem": result.stem}
    time_s = None if result.time_s is None else round(result.time_s, _TIME_DIGITS)
    objects = [_seen(mask) for mask in result.masks]
    objects += [_missing(missing) for missing in result.missing.values()]
    objects.sort(key=lambda entry: int(entry["id"]))
    size = list(result.size_hw)
    return {"index": result.index, **name, "time_s": time_s, "size": size, "objects": objects}


def parse_record(values: dict[str, Any]) -> FrameResult:
    """The inverse of `record`."""
    seen = [entry for entry in values["objects"] if "rle" in entry]
    gone = [entry for entry in values["objects"] if "rle" not in entry]
    return FrameResult(
        values["index"],
        values["time_s"],
        (values["size"][0], values["size"][1]),
        tuple(Mask(e["id"], decode_rle(e["rle"]), e["score"], e["state"]) for e in seen),
        {e["id"]: Missing(e["id"], e["state"], e["reason"], e["score"]) for e in gone},
        values.get("stem"),
    )


def _seen(mask: Mask) -> dict[str, Any]:
    box = box_of(mask.pixels)
    return {
        "id": mask.object_id,
        "state": mask.state,
        "score": round(float(mask.score), _SCORE_DIGITS),
        "box": None if box is None else box.astype(int).tolist(),
        "area": area(mask.pixels),
        "rle": encode_rle(mask.pixels),
    }


def _missing(missing: Missing) -> dict[str, Any]:
    score = round(float(missing.score), _SCORE_DIGITS)
    who = {"id": missing.object_id, "state": missing.state, "score": score}
    return {**who, "reason": missing.reason}


def _slim(line: bytes) -> str:
    """A journal's line without run lengths."""
    values = json.loads(line)
    values["objects"] = [
        {key: value for key, value in entry.items() if key != "rle"} for entry in values["objects"]
    ]
    return _dump(values)


def _dump(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, allow_nan=False)


def _index(line: bytes) -> int | None:
    """The frame index of a journal's line; None where the line is torn."""
    if not line.endswith(b"\n"):
        return None
    try:
        values = json.loads(line)
    except ValueError:
        return None
    return values.get("index") if isinstance(values, dict) else None
