"""What the packages promise: the list is complete, sorted, and every name resolves."""

from __future__ import annotations

import inspect
from importlib import metadata
from pathlib import Path

import pytest

import lifting
import propagate

ROOT = Path(__file__).resolve().parent.parent
PROMISED = [
    "Frame",
    "FrameResult",
    "Mask",
    "Prompt",
    "PropagateError",
    "Tracker",
    "correct",
    "generate_masks",
    "load_segmenter",
    "load_tracker",
    "open_video",
    "segment",
    "track",
]
LIFTED = [
    "Camera",
    "LabelledCloud",
    "LiftState",
    "Lifter",
    "View",
    "anchored",
    "associate",
    "label_views",
    "lift",
    "open_views",
    "prompts_for",
    "write_ply",
]


def test_the_public_list_is_the_promised_one_and_sorted():
    assert propagate.__all__ == PROMISED == sorted(PROMISED)
    assert set(PROMISED) <= set(dir(propagate))
    assert lifting.__all__ == LIFTED == sorted(LIFTED)
    assert set(LIFTED) <= set(dir(lifting))


@pytest.mark.parametrize("name", PROMISED)
def test_every_public_name_resolves_and_is_documented(name):
    thing = getattr(propagate, name)
    assert callable(thing)
    assert inspect.getdoc(thing)


@pytest.mark.parametrize("name", ["Frames", "generate", "__path", "torch"])
def test_no_other_name_does(name):
    with pytest.raises(AttributeError, match=name):
        getattr(propagate, name)


def test_the_version_is_the_distributions():
    try:
        installed = metadata.version("mask-propagate")
    except metadata.PackageNotFoundError:
        pytest.skip("mask-propagate runs from a checkout here and is not installed")
    assert propagate.__version__ == installed


def test_types_are_shipped():
    assert (ROOT / "propagate" / "py.typed").exists()
