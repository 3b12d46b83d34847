"""What the values refuse when they are made."""

from __future__ import annotations

import numpy as np
import pytest

from propagate.errors import InputError, PromptError
from propagate.types import FrameResult, Mask, Prompt


@pytest.mark.parametrize("labels", [[1, 0], [True, False], [1.0, 0.0], np.array([1, 0], np.uint8)])
def test_labels_are_on_or_off(labels):
    assert Prompt(0, 1, [[1, 2], [3, 4]], labels).labels.tolist() == [True, False]


@pytest.mark.parametrize("labels", [[1, -1], [2, 3], [1, np.nan], ["1", "0"], [1], [[1, 0]]])
def test_labels_that_mean_something_else(labels):
    """SAM pads with -1 and gives a box's corners as 2 and 3: none of that is a click on it."""
    with pytest.raises(PromptError, match="label"):
        Prompt(0, 1, [[1, 2], [3, 4]], labels)


@pytest.mark.parametrize("wrong", [0, -1, 1.0, "1", 2**31, None])
def test_object_ids(wrong):
    with pytest.raises(PromptError, match="object ids"):
        Prompt(0, wrong, [[1, 2]])
    with pytest.raises(InputError, match="object ids"):
        Mask(wrong, np.ones((2, 2), bool))


def test_ids_of_numpy_become_plain_and_fit_a_label_map():
    mask = Mask(np.int64(2**31 - 1), np.ones((2, 2), bool))
    assert type(mask.object_id) is int
    assert type(Prompt(0, np.uint8(7), [[1, 2]]).object_id) is int
    assert FrameResult(0, None, (2, 2), (mask,)).label_map().max() == 2**31 - 1


@pytest.mark.parametrize("score", [2, -0.1, np.nan])
def test_scores_are_shares(score):
    with pytest.raises(InputError, match="score"):
        Mask(1, np.ones((2, 2), bool), score)
