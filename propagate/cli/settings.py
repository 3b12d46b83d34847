"""Which tracker: preset or file, options on top, every default filled in."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from propagate import config as files
from propagate import plugins
from propagate.errors import ConfigError
from propagate.tracker import Config

PARTS = ("segmenter", "motion", "memory")
KINDS = {
    "segmenter": "propagate.segmenters",
    "motion": "propagate.motion",
    "memory": "propagate.memory",
}
DEVICES = ("auto", "cpu", "cuda")
_MIB = 2**20


@dataclass(frozen=True)
class Choice:
    """What the command line says of the settings; None where it says nothing."""

    config: str = "default"
    overrides: Sequence[str] = ()
    segmenter: str | None = None
    checkpoint: Path | None = None
    device: str | None = None


def resolved(choice: Choice) -> Config:
    """The tracker's settings with all options of all parts.

    A part that is replaced by another one, with --segmenter or --set motion.name=…, leaves the
    options behind that the preset gave to the old one.

    Raises:
        ConfigError: an unknown preset, part, key or value.
    """
    before = files.load(choice.config)
    overrides = list(choice.overrides)
    if choice.segmenter is not None:
        overrides.append(f"segmenter.name={choice.segmenter}")
    if choice.checkpoint is not None:
        overrides.append(f"segmenter.checkpoint={_quoted(str(choice.checkpoint))}")
    mapping = files.apply_overrides(before, overrides)
    fresh = files.apply_overrides({}, overrides)
    for part in PARTS:
        if _name(mapping, part) != _name(before, part):
            mapping[part] = fresh[part]
    config = files.from_mapping(Config, mapping)
    return dataclasses.replace(
        config,
        segmenter=_with_device(_full("segmenter", config.segmenter), choice.device),
        motion=_full("motion", config.motion),
        memory=_full("memory", config.memory),
    )


def summary(config: Config) -> dict[str, Any]:
    """Settings as JSON values; a weights file of the user's own by its content as well."""
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    checkpoint = config.segmenter.get("checkpoint")
    if checkpoint is not None and Path(checkpoint).is_file():
        values["checkpoint"] = _fingerprint(Path(checkpoint))
    return values


def _name(mapping: Mapping[str, Any], part: str) -> str:
    """The plugin's name as written, or the default one."""
    section = mapping.get(part)
    default: str = getattr(Config(), part)["name"]
    return str(section.get("name", default)) if isinstance(section, Mapping) else default


def _full(part: str, section: Mapping[str, Any]) -> dict[str, Any]:
    """The section of a part with its name and all of its options."""
    options = dict(section)
    name = options.pop("name", _name({}, part))
    module = plugins.module(KINDS[part], str(name))
    filled = files.from_mapping(module.Config, options, where=part)
    return {"name": name, **dataclasses.asdict(filled)}


def _with_device(section: dict[str, Any], device: str | None) -> dict[str, Any]:
    """The segmenter's section on the device that was asked for."""
    if device is None:
        return section
    if device not in DEVICES:
        raise ConfigError(f"--device must be one of {', '.join(DEVICES)}, got {device!r}")
    if "device" in section:
        return {**section, "device": device}
    if device == "cuda":
        raise ConfigError(f"segmenter {section['name']!r} runs on the CPU only; leave --device out")
    return section


def _quoted(text: str) -> str:
    """Text that YAML reads as the same text."""
    return "'" + text.replace("'", "''") + "'"


def _fingerprint(path: Path) -> dict[str, Any]:
    """Size and checksum of the first and last MiB: weights may have gigabytes."""
    size = path.stat().st_size
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(_MIB))
        file.seek(max(0, size - _MIB))
        digest.update(file.read(_MIB))
    return {"bytes": size, "sha256_ends": digest.hexdigest()}
