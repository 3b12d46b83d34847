"""Our SAM against the one in `transformers`, on random weights copied key by key."""

from __future__ import annotations

import pytest
import torch

from propagate.segmenters._sam.image_encoder import VIT_B, VitSize
from propagate.segmenters._sam.network import Question
from propagate.segmenters._sam.prompt_encoder import FIRST_CORNER, LAST_CORNER, NOTHING
from tests.propagate.segmenters.sam_twins import both

TINY = VitSize(32, 3, 2, (1,))


@pytest.mark.parametrize(
    ("size", "side"), [(TINY, 256), pytest.param(VIT_B, 1024, marks=pytest.mark.slow)]
)
def test_the_same_weights_give_the_same_answers(size: VitSize, side: int) -> None:
    theirs, network = both(size, side)
    image = torch.randn(1, 3, side, side)
    points = side * torch.rand(1, 3, 2, 2)
    signs = torch.tensor([[[1, 0], [1, 1], [0, 1]]])
    boxes = torch.tensor([[[10.0, 20, 90, 120], [30, 5, 200, 77], [1, 2, 60, 50]]])
    corners = torch.tensor([FIRST_CORNER, LAST_CORNER]).expand(3, 2)
    with torch.inference_mode():
        embedding = network.image_encoder(image)
        wanted = theirs.get_image_embeddings(image)
        torch.testing.assert_close(embedding, wanted, atol=1e-4, rtol=1e-4)
        for box in (None, boxes):
            answer = theirs(
                image_embeddings=wanted,
                input_points=points,
                input_labels=signs,
                input_boxes=box,
                multimask_output=True,
            )
            rest = torch.zeros(3, 1, 2) if box is None else box[0].view(3, 2, 2)
            kinds = torch.full((3, 1), NOTHING) if box is None else corners
            question = Question(
                # half a pixel, as `coords.sam_points` adds it
                torch.cat([points[0] + 0.5, rest + 0.5], 1),
                torch.cat([signs[0], kinds], 1),
            )
            logits, scores = network.decode(embedding, question)
            torch.testing.assert_close(logits[:, 1:], answer.pred_masks[0], atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(scores[:, 1:], answer.iou_scores[0], atol=1e-4, rtol=1e-4)
