"""A folder that `propagate track` has left, read back."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from propagate import config as files
from propagate.anchors import Anchor
from propagate.errors import InputError
from propagate.export.png import is_whole
from propagate.masks import area, decode_rle
from propagate.tracker import Config
from propagate.types import FrameResult, Mask, Missing
from propagate.videos import png


@dataclass(frozen=True, eq=False)
class StoredResults(Mapping[int, FrameResult]):
    """Frame index → result, read from `masks/` and `tracks.json`, a frame at a time.

    Attributes:
        folder: of the run.
        records: frame index → what `tracks.json` says of it.
        edited: frames whose pictures may have been edited since; others may not.
    """

    folder: Path
    records: Mapping[int, dict[str, Any]]
    edited: frozenset[int] = frozenset()

    def __getitem__(self, index: int) -> FrameResult:
        """The result of a frame; InputError where its picture is missing, damaged or edited."""
        values = self.records[index]
        size_hw = (values["size"][0], values["size"][1])
        seen = [entry for entry in values["objects"] if "area" in entry]
        gone = [entry for entry in values["objects"] if "area" not in entry]
        labels = self._labels(index)
        kept = index not in self.edited
        masks = [
            Mask(
                entry["id"],
                decode_rle(entry["rle"]) if kept and "rle" in entry else labels == entry["id"],
                entry["score"],
                entry["state"],
            )
            for entry in seen
        ]
        result = FrameResult(
            index,
            values["time_s"],
            size_hw,
            tuple(mask for mask in masks if mask.pixels.any()),
            {e["id"]: Missing(e["id"], e["state"], e.get("reason", ""), e["score"]) for e in gone},
            values.get("stem"),
        )
        if kept:
            self._check(result, labels, {entry["id"]: entry["area"] for entry in seen})
        return result

    def __iter__(self) -> Iterator[int]:
        """The indices of the frames, in order."""
        return iter(self.records)

    def __len__(self) -> int:
        """How many frames there are."""
        return len(self.records)

    def path(self, index: int) -> Path:
        """The picture of a frame's masks."""
        return self.folder / "masks" / f"{self.records[index].get('stem') or f'{index:05d}'}.png"

    def _labels(self, index: int) -> npt.NDArray[np.int32]:
        path = self.path(index)
        try:
            return np.asarray(png.samples(path.read_bytes()), np.int32)
        except FileNotFoundError as error:
            raise InputError(f"{path}: is missing; put it back, or track again") from error
        except (OSError, png.BadPng) as error:
            raise InputError(f"{path}: cannot be read ({error}); put it back") from error

    def _check(
        self, result: FrameResult, labels: npt.NDArray[np.int32], areas: Mapping[int, int]
    ) -> None:
        """InputError where the picture is not the one that was written."""
        path = self.path(result.index)
        written = {mask.object_id: area(mask.pixels) for mask in result.masks}
        if written != areas or not np.array_equal(labels, result.label_map()):
            raise InputError(
                f"{path}: was edited; what is painted counts if it is given as "
                f"--mask {path}@{result.index}, else put the picture back"
            )


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A complete run.

    Attributes:
        folder: where it lies.
        report: what run.json says.
    """

    folder: Path
    report: dict[str, Any]

    @staticmethod
    def read(folder: Path) -> FinishedRun:
        """Look at a folder; InputError where no complete run lies there."""
        path = folder / "run.json"
        if (folder / ".run").is_dir() and not path.exists():
            raise InputError(f"{folder}: the run is not complete; finish it with --resume first")
        if not path.is_file():
            raise InputError(
                f"{folder}: no run.json; give a folder that `propagate track` has left"
            )
        report = _json(path)
        if report.get("format") != "propagate-run" or "request" not in report:
            raise InputError(f"{path}: is not what `propagate track` writes; give its folder")
        return FinishedRun(folder, report)

    @property
    def request(self) -> dict[str, Any]:
        """What was asked for."""
        request: dict[str, Any] = self.report["request"]
        return request

    @property
    def corrections(self) -> list[dict[str, Any]]:
        """Prompts of later corrections, as `propagate.cli.prompts.describe` gives them."""
        return list(self.report.get("corrections", []))

    @property
    def anchors(self) -> set[Anchor]:
        """What was answered by the user, when it was tracked or later."""
        prompts = [*self.request["prompts"], *self.corrections]
        return {(prompt["frame"], prompt["object"]) for prompt in prompts}

    @property
    def settings(self) -> Config:
        """The tracker's settings; ConfigError where this version does not know them."""
        settings = {k: v for k, v in self.request["settings"].items() if k != "checkpoint"}
        return files.from_mapping(Config, settings)

    @property
    def source(self) -> str | None:
        """The path of the source, where the run has kept it."""
        path: str | None = self.report["source"].get("path")
        return path

    @cached_property
    def records(self) -> dict[int, dict[str, Any]]:
        """Frame index → what `tracks.json` says of the frame, in order."""
        return read_records(self.folder / "tracks.json")

    def check_masks(self) -> None:
        """InputError where a picture of masks is missing or cut short."""
        stored = StoredResults(self.folder, self.records)
        lost = [path for index in stored if not is_whole(path := stored.path(index))]
        if lost:
            more = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
            raise InputError(
                f"{lost[0]}: is missing or cut short{more}; put it back, or track again"
            )

    @property
    def objects(self) -> list[int]:
        """The ids of all objects."""
        return sorted({object_id for _, object_id in self.anchors})


def read_records(path: Path) -> dict[int, dict[str, Any]]:
    """Frame index → frame of a `tracks.json`, in order; InputError where it is none."""
    values = _json(path)
    try:
        frames = sorted(values["frames"], key=lambda frame: int(frame["index"]))
        return {int(frame["index"]): frame for frame in frames}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: damaged; track again") from error


def check_source(run: FinishedRun, fingerprint: Mapping[str, Any], path: str) -> None:
    """InputError unless a source is the one that was tracked."""
    kept = json.loads(json.dumps(fingerprint))
    if run.request["source"] != kept:
        raise InputError(
            f"{path}: is not what was tracked into {run.folder}, or was changed since; "
            "give the source with --source, or track again"
        )


def check_overlap(settings: Config, exports: Collection[str]) -> None:
    """InputError where masks overlap and are kept only in pictures, which cannot show that."""
    if settings.selection.overlap and "rle" not in exports:
        raise InputError(
            "masks may overlap here, and a picture cannot hold that: track with --export rle"
        )


def _json(path: Path) -> dict[str, Any]:
    """A file's JSON object; InputError where there is none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); track again") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: damaged; track again")
    return values
