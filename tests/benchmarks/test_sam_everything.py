"""Segment everything: SAM against the published algorithm, and what `lite` finds on photos.

pytest -m bench tests/benchmarks/test_sam_everything.py
"""

from __future__ import annotations

import json
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

import propagate
from propagate import automatic
from propagate.automatic import Config, box_iou
from propagate.cli.sheet import contact_sheet, with_mask
from propagate.masks import box_of, decode_rle, iou
from propagate.segmenters._sam.segmenter import Sam
from propagate.training.photos import Photos
from propagate.types import Mask
from tests.benchmarks import sam_reference as reference
from tests.propagate.segmenters.conftest import weights

pytestmark = pytest.mark.bench

SIDE = 32
LONG_SIDE = 1024
MOST = 300  # masks that are looked for among thousands, evenly chosen
PHOTOS = 8
LEAST_AREA = 0.002  # of the photo; smaller segments are not asked about


@pytest.fixture(autouse=True)
def _two_threads():
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def test_against_the_published_algorithm(shared_data, show):
    """The same weights, thresholds and points; how many of its masks are found, and how fast."""
    from tests.propagate.segmenters.sam_twins import their_decoder

    photo = Photos(shared_data / "train", held_out=True).image(0)
    scale = LONG_SIDE / max(photo.shape[:2])
    image = np.ascontiguousarray(cv2.resize(photo, None, fx=scale, fy=scale))
    keys = json.loads((shared_data / "golden" / "keys_mobile_sam.json").read_text())
    network = reference.blobs(weights(keys, 11), image)
    theirs = their_decoder(network)
    segmenter = Sam(network, torch.device("cpu"))
    config, rows = Config(SIDE, 0, "grid", 0.5, 0.7, 0.3), []
    began = time.perf_counter()
    passed = reference.everything(image, network, theirs, config)
    reference.suppressed(passed, config.most_overlap)
    their_seconds = time.perf_counter() - began
    for overlap in (config.most_overlap, 1.0):  # with and without dropping what repeats
        began = time.perf_counter()
        records = automatic.generate(image, segmenter, replace(config, most_overlap=overlap))
        seconds = time.perf_counter() - began
        wanted = reference.suppressed(passed, overlap)
        found = [decode_rle(record["segmentation"]) for record in records]
        others = [(mask, box_of(mask)) for mask in found]
        best = [best_iou(one, others) for one in wanted[:: max(1, len(wanted) // MOST)]]
        rows.append(
            {
                "repeats": "dropped" if overlap < 1 else "kept",
                "theirs s": round(their_seconds, 1),
                "ours s": round(seconds, 1),
                "times faster": round(their_seconds / seconds, 2),
                "their masks": len(wanted),
                "our masks": len(found),
                "found at IoU 0.9": f"{np.mean(np.array(best) >= 0.9):.1%}",
                "mean IoU": f"{np.mean(best):.4f}",
            }
        )
    show(f"segment everything, {SIDE}x{SIDE} points, {image.shape[1]}x{image.shape[0]}", rows)


def best_iou(one: reference.Kept, others: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Of a mask with the most similar other; those of quite another box are not looked at."""
    boxes = np.array([box for _, box in others]).reshape(-1, 4)
    near = np.flatnonzero(box_iou(one.box, boxes) > 0.6)
    return max((iou(one.mask, others[number][0]) for number in near), default=0.0)


def test_adaptive_on_photos(shared_data, show, tmp_path_factory):
    """What `lite` finds of labelled segments, on a grid and adaptively; and a sheet to look at."""
    photos = Photos(shared_data / "train", held_out=True)
    segmenter = propagate.load_segmenter("lite")
    numbers = np.linspace(0, len(photos) - 1, PHOTOS).astype(int)
    rows, cells = [], []
    for sampling in ("grid", "adaptive"):
        config = replace(Config(), sampling=sampling)
        best, counts, seconds = [], [], []
        for number in numbers:
            image, labels = photos.image(number), photos.labels(number, 0)
            began = time.perf_counter()
            records = automatic.generate(image, segmenter, config)
            seconds.append(time.perf_counter() - began)
            found = [decode_rle(record["segmentation"]) for record in records]
            counts.append(len(found))
            ids, areas = np.unique(labels[labels > 0], return_counts=True)
            for one in ids[areas > LEAST_AREA * labels.size]:
                truth = labels == one
                best.append(max((iou(truth, mask) for mask in found), default=0.0))
            if number in numbers[::2]:
                cells.append(
                    (drawn(image, found), f"{sampling}: {len(found)}, {seconds[-1]:.1f} s")
                )
        rows.append(
            {
                "sampling": sampling,
                "photos": len(numbers),
                "seconds a photo": round(np.mean(seconds), 2),
                "masks a photo": round(np.mean(counts), 1),
                "segments": len(best),
                "recall at 0.5": f"{np.mean(np.array(best) >= 0.5):.3f}",
                "recall at 0.75": f"{np.mean(np.array(best) >= 0.75):.3f}",
                "mean best IoU": f"{np.mean(best):.3f}",
            }
        )
    sheet = tmp_path_factory.mktemp("everything") / "sheet.png"
    half = len(cells) // 2
    pairs = [cell for both in zip(cells[:half], cells[half:], strict=True) for cell in both]
    cv2.imwrite(str(sheet), contact_sheet(pairs, columns=4)[:, :, ::-1])
    show(f"lite, everything in held-out photos; {sheet}", rows)


def drawn(image: np.ndarray, found: list[np.ndarray]) -> np.ndarray:
    for number, mask in enumerate(sorted(found, key=lambda one: -one.sum()), start=1):
        image = with_mask(image, Mask(number, mask))
    return image
