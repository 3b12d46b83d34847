"""Rendered clips in which the tracker once took something else for its object."""

from __future__ import annotations

import pytest

import propagate
from propagate.testing.stress import run_scenario, scenarios


@pytest.mark.parametrize(
    ("name", "seed", "least"),
    [
        pytest.param("exit-return", 202, 0.9, id="a stone that it had passed before it left"),
        pytest.param("occlusion-5", 202, 0.9, id="a stone, from afar where there is none near"),
        pytest.param("occlusion-20", 210, 0.93, id="something of its colours, far away"),
        pytest.param("fast", 204, 0.75, id="a spot that it had passed"),
        pytest.param("scale-up", 202, 0.93, id="of what came near only what the first frame shows"),
    ],
)
def test_the_object_and_nothing_else_is_followed(name, seed, least):
    (scenario,) = scenarios(seed, [name])
    found = run_scenario(propagate.load_tracker(), scenario).figures
    assert found.j_and_f > least
    assert not found.false_positives > 0  # nan where it is always in sight
