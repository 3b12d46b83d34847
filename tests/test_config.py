"""Settings: every key and kind is checked, and messages name the nearest known key."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from propagate.config import apply_overrides, dump, from_mapping, load, nearest, presets
from propagate.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Motion:
    name: str = "still"
    window: int = 21
    rate: float = 0.5
    levels: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Settings:
    seed: int = 0
    limit: float | None = None
    size: int | tuple[int, int] = 256
    device: Literal["auto", "cpu", "cuda"] = "auto"
    half: bool = False
    weights: Path | None = None
    pair: tuple[int, float] = (1, 2.0)
    extra: dict[str, Any] = field(default_factory=dict)
    motion: Motion = field(default_factory=Motion)


@dataclass(frozen=True)
class Needs:
    points: int


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("config")


def test_nothing_given_is_the_defaults():
    assert from_mapping(Settings, {}) == Settings()


def test_nested_values_reach_their_section_and_leave_the_rest():
    made = from_mapping(Settings, {"motion": {"window": 9}, "seed": 4})
    assert made == Settings(seed=4, motion=Motion(window=9))


def test_values_take_the_kind_of_the_field():
    made = from_mapping(
        Settings,
        {"limit": 3, "weights": "a/b.pt", "pair": [2, 3], "size": [4, 5], "motion": {"levels": []}},
    )
    assert made.limit == 3.0
    assert isinstance(made.limit, float)
    assert made.weights == Path("a/b.pt")
    assert made.pair == (2, 3.0)
    assert made.size == (4, 5)
    assert made.motion.levels == ()


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"sed": 1}, ["'sed'", "'seed'"]),
        ({"motion": {"windw": 1}}, ["'motion.windw'", "'window'"]),
        ({"zzz": 1}, ["'zzz'", "there are: seed, limit"]),
        ({"seed": "x"}, ["seed must be a whole number", "the text 'x'"]),
        ({"seed": 1.5}, ["seed must be a whole number", "1.5"]),
        ({"seed": True}, ["seed must be a whole number", "true"]),
        ({"half": 1}, ["half must be true or false"]),
        ({"limit": "high"}, ["limit must be a number"]),
        ({"limit": float("nan")}, ["limit", "nan"]),
        ({"limit": False}, ["limit must be a number"]),
        ({"device": "cuba"}, ["device must be one of auto, cpu, cuda", "'cuda'?"]),
        ({"device": 1}, ["device must be one of"]),
        ({"size": "big"}, ["size must be a whole number", "size must be a list"]),
        ({"pair": [1]}, ["pair must have 2 values, got 1"]),
        ({"motion": {"levels": [1, "two"]}}, ["motion.levels[1] must be a whole number"]),
        ({"motion": {"levels": 3}}, ["motion.levels must be a list"]),
        ({"motion": "flow"}, ["motion must be a section", "'flow'"]),
        ({"motion": None}, ["motion must be a section", "nothing"]),
        ({"extra": [1]}, ["extra must be a section"]),
        ({3: 1}, ["'3'"]),
    ],
)
def test_a_wrong_key_or_kind_is_named(mapping, words):
    with pytest.raises(ConfigError) as caught:
        from_mapping(Settings, mapping)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_where_comes_first_in_messages():
    with pytest.raises(ConfigError, match=r"flow\.window must be a whole number"):
        from_mapping(Motion, {"window": None}, where="flow")


def test_a_setting_without_default_is_asked_for():
    with pytest.raises(ConfigError, match="'points' is missing"):
        from_mapping(Needs, {})


@given(
    st.builds(
        Settings,
        seed=st.integers(),
        limit=st.none() | st.floats(allow_nan=False),
        size=st.integers() | st.tuples(st.integers(), st.integers()),
        device=st.sampled_from(["auto", "cpu", "cuda"]),
        half=st.booleans(),
        weights=st.none() | st.just(Path("a b/ü.pt")),
        extra=st.dictionaries(st.text("abc", min_size=1), st.integers() | st.text("no1e:-#' ")),
        motion=st.builds(
            Motion, name=st.text("flow: #'\"0x1e-"), levels=st.lists(st.integers()).map(tuple)
        ),
    )
)
def test_dump_and_load_are_inverse(scratch, settings):
    path = scratch / "settings.yaml"
    path.write_text(dump(settings), encoding="utf-8")
    assert from_mapping(Settings, load(path)) == settings


def test_overrides_are_laid_on_top_without_touching_the_mapping():
    mapping = {"seed": 1, "motion": {"window": 3}}
    changed = apply_overrides(
        mapping, ["motion.window=5", "motion.rate=1e-3", "limit=null", "motion.levels=[3, 4]"]
    )
    assert mapping == {"seed": 1, "motion": {"window": 3}}
    made = from_mapping(Settings, changed)
    assert made.motion == Motion(window=5, rate=0.001, levels=(3, 4))
    assert apply_overrides({}, ["a.b.c=x=y", "seed=1", "seed=2"]) == {
        "a": {"b": {"c": "x=y"}},
        "seed": 2,
    }


@pytest.mark.parametrize("override", ["seed", "=1", "a..b=1", ".=1", "a=[1", "seed.x=1"])
def test_an_override_that_cannot_be_read_is_refused(override):
    with pytest.raises(ConfigError, match="setting"):
        apply_overrides({"seed": 1}, [override])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- 1\n- 2\n", "key: value"),
        ("just words", "key: value"),
        ("a: [1", "not valid YAML"),
        ("a: 1\nb: {c: 1, c: 2}\n", "line 2: 'c' is written twice"),
        ("a: !!python/object/apply:os.getcwd []\n", "not valid YAML"),
        ("a: \x00", "not valid YAML"),
    ],
)
def test_a_file_that_is_not_settings_is_refused_in_one_line(tmp_path, text, words):
    path = tmp_path / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_file_changes_nothing(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text("# nothing yet\n", encoding="utf-8")
    assert load(path) == {}


@pytest.mark.parametrize("source", ["missing.yaml", "folder/missing"])
def test_a_missing_file_is_named(source):
    with pytest.raises(ConfigError, match="missing"):
        load(source)


def test_bytes_that_are_not_text_are_refused(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(path)


def test_presets_are_found_by_name():
    assert presets() == tuple(sorted(path.stem for path in (ROOT / "configs").glob("*.yaml")))
    for name in presets():
        written = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text()) or {}
        assert load(name) == written


def test_an_unknown_preset_names_the_nearest(tmp_path, monkeypatch):
    (tmp_path / "default.yaml").write_text("seed: 3\n")
    monkeypatch.setattr("propagate.config._PRESET_FOLDERS", (tmp_path,))
    assert load("default") == {"seed": 3}
    with pytest.raises(ConfigError, match="did you mean 'default'"):
        load("defualt")
    with pytest.raises(ConfigError, match="there are: default"):
        load("zzz")


def test_nearest_is_silent_where_nothing_is_near():
    assert nearest("colour", ["flow", "still"]) == ""
    assert nearest("flw", ["flow", "still"]) == "; did you mean 'flow'?"
