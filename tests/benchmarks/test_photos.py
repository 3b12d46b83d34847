"""How well `lite` answers clicks and boxes on photos that no training saw.

pytest -m bench tests/benchmarks/test_photos.py
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

import propagate
from propagate.evaluation.prompts import corrective_click, simulate_prompt
from propagate.logits import to_picture
from propagate.masks import iou
from propagate.training.photos import Photos
from propagate.training.questions import spoil
from propagate.types import Candidates, Prompt

pytestmark = pytest.mark.bench

LEAST_AREA = 0.002  # of the photo; smaller segments are not asked about
MOST = 6  # segments a photo


def best(candidates: Candidates) -> np.ndarray:
    return to_picture(candidates.logits[candidates.scores.argmax()], candidates.size_hw)


def measured(segmenter, image: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """IoU of one segment with the truth, by kind of question."""
    embedding = segmenter.encode(image)

    def ask(prompt: Prompt) -> Candidates:
        return segmenter.decode(embedding, [prompt])[0]

    click, box = (simulate_prompt(kind, truth, 0, 1) for kind in ("click", "box"))
    first = ask(click)
    found = [iou(to_picture(one, first.size_hw), truth) for one in first.logits]
    answer, prompt = best(first), click
    for _ in range(2):
        correction = corrective_click(answer, truth)
        if correction is None:
            break
        point, positive = correction
        prompt = replace(
            prompt,
            points_xy=np.concatenate([prompt.points_xy, point[None]]),
            labels=np.append(prompt.labels, positive),
        )
        answer = best(ask(prompt))
    return {
        "1 click": iou(best(first), truth),
        "1 click, best of 3": max(found),
        "3 clicks": iou(answer, truth),
        "box": iou(best(ask(box)), truth),
        **improved(segmenter, image, truth),
    }


def improved(segmenter, image: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """IoU of a mask that was spoilt, and of what is made of it."""
    height, width = truth.shape
    cells = (width // 4, height // 4)
    cover = cv2.resize(truth.astype(np.float32), cells, interpolation=cv2.INTER_AREA)
    spoilt = spoil(np.random.default_rng(int(truth.sum())), cover)
    rough = cv2.resize(spoilt, (width, height)) > 0.5
    if not rough.any():
        return {}
    found = propagate.segment(image, mask=rough, segmenter=segmenter)
    return {"rough": iou(rough, truth), "improved": iou(found[0].pixels, truth)}


def test_held_out_photos(shared_data, show):
    photos = Photos(shared_data / "train", held_out=True)
    segmenter = propagate.load_segmenter("lite")
    found: dict[str, list[dict[str, float]]] = {}
    for number, entry in enumerate(photos.entries):
        image, labels = photos.image(number), photos.labels(number, 0)
        ids, areas = np.unique(labels[labels > 0], return_counts=True)
        large = ids[areas > LEAST_AREA * labels.size]
        for one in np.random.default_rng(number).permutation(large)[:MOST]:
            found.setdefault(entry.source, []).append(measured(segmenter, image, labels == one))
    rows = [
        {
            "source": source,
            "segments": len(each),
            **{key: f"{np.mean([one[key] for one in each if key in one]):.3f}" for key in each[0]},
        }
        for source, each in sorted(found.items())
    ]
    show("mean IoU on held-out photos", rows)
