"""What the documentation shows is read."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

import lifting
from lifting import camera as cameras
from propagate import plugins
from tests.lifting.formats.writers import write_colour, write_depth

DOCS = Path(__file__).resolve().parents[3] / "docs" / "scenes.md"


def test_the_scene_that_is_shown(tmp_path, shown):
    text = re.search(r"```json\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL).group(1)
    values = json.loads(text)
    (tmp_path / "scene.json").write_text(text)
    view, camera = values["views"][0], values["camera"]
    size = (camera["width"], camera["height"])
    large = np.asarray(cv2.resize(shown[0].image, size))
    depth = np.ones(size[::-1], np.float32)
    lens = cameras.resized(shown[0].camera, size[::-1])
    picture = replace(shown[0], camera=lens, image=large, depth=depth, labels=None)
    write_colour(tmp_path / view["image"], picture)
    write_depth(tmp_path / view["depth"], depth, 1 / values["depth_scale"])
    (found,) = lifting.open_views(tmp_path)
    assert found.name == view["image"] and found.time_s == view["time_s"]
    assert (found.depth == 1).all() and (found.image == large).all()


def test_every_format_is_in_the_table():
    text = DOCS.read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE))
    assert set(plugins.available("lifting.formats")) <= named
