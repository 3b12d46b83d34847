"""What `propagate auto` does once its words are understood."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import propagate
from propagate import automatic
from propagate.cli.run_folder import RunFolder
from propagate.cli.settings import summary
from propagate.cli.sheet import with_mask
from propagate.cli.weights import load
from propagate.config import apply_overrides, from_mapping
from propagate.console import INTERRUPTED
from propagate.console.progress import bar, counted, say, warn
from propagate.errors import InputError, VideoError
from propagate.evaluation.pictures import encode_picture
from propagate.export import write_whole
from propagate.masks import decode_rle
from propagate.tracker import Config
from propagate.types import ImageArray, Mask
from propagate.videos.folder import list_pictures
from propagate.videos.images import read_image


@dataclass(frozen=True)
class Order:
    """What is to be segmented, and how.

    Attributes:
        source: a picture, or a folder of pictures.
        settings: complete.
        options: of `propagate.automatic.Config`, as written.
    """

    source: Path
    settings: Config
    options: tuple[str, ...] = ()

    def paths(self) -> list[Path]:
        """The picture, or those of a folder in natural order; VideoError where there is none."""
        return list_pictures(self.source) if self.source.is_dir() else [self.source]

    def how(self) -> automatic.Config:
        """SAM's own settings for SAM, the defaults for others, and the user's on top."""
        sam = "sam" in self.settings.segmenter["name"].split("-")
        start = automatic.SAM if sam else automatic.Config()
        values = apply_overrides(asdict(start), self.options)
        return from_mapping(automatic.Config, values, "--option")

    def request(self) -> dict[str, Any]:
        """What decides which masks are made; not which pictures are there yet."""
        settings = summary(self.settings)
        return {
            "version": propagate.__version__,
            "source": str(self.source.absolute()),
            "settings": [settings["segmenter"], settings.get("checkpoint"), asdict(self.how())],
        }


@dataclass
class _Pictures:
    """Pictures to go through; `unread` is why some were left out."""

    paths: Sequence[Path]
    out: Path
    unread: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[tuple[int, Path, ImageArray]]:
        """Those that have no masks yet and can be read, each after its number from 1."""
        for number, path in enumerate(self.paths, start=1):
            if _records_file(self.out, path).is_file():
                continue
            try:
                image = read_image(path)
            except VideoError as error:
                self.unread.append(str(error))
                continue
            yield number, path, image


def carry_out(order: Order, out: Path, *, resume: bool, quiet: bool) -> int:
    """Segment into a folder, which is made with the first masks; the exit code.

    Raises:
        PropagateError: it cannot be done, or not for all pictures; what was done is kept.
    """
    pictures = _Pictures(order.paths(), out)
    folder, request, how = RunFolder(out), order.request(), order.how()
    folder.check(request, resume=resume)
    network = load(order.settings.segmenter, quiet=quiet)
    done = masks = 0
    try:
        with bar("segmenting", len(pictures.paths), "pictures", quiet=quiet) as advance:
            for number, path, image in pictures:
                records = automatic.generate(image, network, how)
                if not done:
                    folder.begin(request)
                _write(out, path, image, records)
                done, masks = done + 1, masks + len(records)
                advance(number)
    except KeyboardInterrupt:
        kept = f"{counted(done, 'more picture')} done; add --resume to the same command to go on"
        print("propagate: interrupted;", kept, file=sys.stderr)
        return INTERRUPTED
    _require_all(pictures)
    folder.close()
    say(f"{counted(masks, 'mask')} in {counted(done, 'picture')}: {out}", quiet=quiet)
    return 0


def _require_all(pictures: _Pictures) -> None:
    """InputError where a picture could not be read."""
    count, unread = len(pictures.paths), pictures.unread
    if count == 1 and unread:
        raise InputError(unread[0])
    if unread:
        warn("propagate", unread)
        raise InputError(
            f"{len(unread)} of {count} pictures cannot be read, the others are done; mend or "
            "remove them and add --resume to the same command"
        )


def _write(out: Path, path: Path, image: ImageArray, records: Sequence[dict[str, Any]]) -> None:
    """Picture and records of one image; OutputError where they cannot be written."""
    height, width = image.shape[:2]
    entries = [{"id": number, **record} for number, record in enumerate(records, start=1)]
    values = {
        "image": {"file_name": path.name, "height": height, "width": width},
        "annotations": entries,
    }
    drawn = image
    for entry in sorted(entries, key=lambda one: -one["area"]):  # small ones on top
        drawn = with_mask(drawn, Mask(entry["id"], decode_rle(entry["segmentation"])))
    write_whole(out / f"{path.stem}.png", encode_picture(drawn))
    # The records come last: with them a picture is done.
    write_whole(_records_file(out, path), (json.dumps(values) + "\n").encode())


def _records_file(out: Path, path: Path) -> Path:
    return out / f"{path.stem}.json"
