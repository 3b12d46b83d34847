"""SAM's image encoder and decoder against `transformers.SamModel` on the same random weights.

pytest -m bench tests/benchmarks/test_sam_speed.py
"""

from __future__ import annotations

import copy
import time

import numpy as np
import pytest
import torch

from propagate import coords
from propagate.segmenters._sam.image_encoder import VIT_B, VitSize
from propagate.segmenters._sam.int8 import to_int8
from propagate.segmenters._sam.network import Question, prepare
from propagate.segmenters._sam.prompt_encoder import NOTHING
from propagate.training.photos import Photos

pytestmark = pytest.mark.bench

REPEATS = 4


@pytest.fixture(autouse=True)
def _two_threads():
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def alternately(functions):
    """Seconds of each, the best of some rounds in which they take turns; and what they gave."""
    best, given = dict.fromkeys(functions, np.inf), {}
    with torch.inference_mode():
        for _ in range(REPEATS):
            for name, function in functions.items():
                began = time.perf_counter()
                given[name] = function()
                best[name] = min(best[name], time.perf_counter() - began)
    return best, given


def clicks(count: int, width: int, height: int) -> Question:
    points = torch.rand(count, 1, 2) * torch.tensor([width, height])
    both = torch.cat([points, torch.zeros(count, 1, 2)], 1)
    return Question(both, torch.tensor([[1, NOTHING]]).expand(count, 2))


def test_image_encoder(shared_data, show):
    """On three photos; masks of 32 clicks each are compared over the photo, not the padding."""
    from tests.propagate.segmenters.sam_twins import both

    theirs, exact = both(VIT_B, 1024)
    rough = copy.deepcopy(exact)
    to_int8(rough.image_encoder)
    photos = Photos(shared_data / "train", held_out=True)
    rows = []
    for number in np.linspace(0, len(photos) - 1, 3).astype(int):
        photo = photos.image(number)
        pixels = prepare(torch.from_numpy(photo).permute(2, 0, 1))
        seconds, embeddings = alternately(
            {
                "transformers": lambda x=pixels: theirs.get_image_embeddings(x),
                "float32": lambda x=pixels: exact.image_encoder(x),
                "int8": lambda x=pixels: rough.image_encoder(x),
            }
        )
        height, width = coords.fit_long_side(photo.shape[:2], 1024)
        question = clicks(32, width, height)
        masks = {
            name: exact.decode(one, question)[0][:, :, : height // 4, : width // 4] > 0
            for name, one in embeddings.items()
        }
        for name in ("float32", "int8"):
            same = (masks[name] & masks["transformers"]).sum((2, 3))
            either = (masks[name] | masks["transformers"]).sum((2, 3))
            apart = (embeddings[name] - embeddings["transformers"]).abs().max()
            rows.append(
                {
                    "photo": f"{photo.shape[1]}x{photo.shape[0]}",
                    "encoder": name,
                    "theirs s": round(seconds["transformers"], 2),
                    "ours s": round(seconds[name], 2),
                    "times faster": round(seconds["transformers"] / seconds[name], 2),
                    "mean mask IoU": f"{(same / either.clamp(min=1)).mean():.4f}",
                    "embedding apart": f"{apart:.1e}",
                }
            )
    show(f"image encoder ViT-B, {torch.get_num_threads()} threads, best of {REPEATS}", rows)


def test_decoder(show):
    """One embedding, 1 and 64 clicks; multimask."""
    from tests.propagate.segmenters.sam_twins import both

    theirs, exact = both(VitSize(32, 1, 2, (0,)), 1024)
    embedding = torch.randn(1, 256, 64, 64)
    rows = []
    for count in (1, 64):
        question = clicks(count, 1024, 1024)
        points = question.points_xy[None, :, :1] - 0.5  # they add half a pixel themselves
        seconds, answers = alternately(
            {
                "theirs": lambda p=points, n=count: theirs(
                    image_embeddings=embedding,
                    input_points=p,
                    input_labels=torch.ones(1, n, 1, dtype=torch.int64),
                    multimask_output=True,
                ).pred_masks[0],
                "ours": lambda q=question: exact.decode(embedding, q)[0][:, 1:],
            }
        )
        rows.append(
            {
                "clicks": count,
                "theirs ms a click": round(1e3 * seconds["theirs"] / count, 1),
                "ours ms a click": round(1e3 * seconds["ours"] / count, 1),
                "times faster": round(seconds["theirs"] / seconds["ours"], 2),
                "logits apart": f"{(answers['theirs'] - answers['ours']).abs().max():.1e}",
            }
        )
    show(f"decoder, {torch.get_num_threads()} threads, best of {REPEATS}", rows)
