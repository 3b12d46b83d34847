"""A file in a plugin folder is a plugin: `available(kind)` lists them, `build(...)` makes one.

A plugin module has a frozen dataclass `Config` and `build(config) -> object`. Nothing is
registered, and nothing is imported before it is asked for. A name is its file's, with hyphens:
`segmenters/mobile_sam.py` is "mobile-sam".
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from propagate.config import from_mapping, nearest
from propagate.errors import ConfigError


def available(kind: str) -> tuple[str, ...]:
    """The names of the plugins in the package `kind`, for example "propagate.motion"; sorted."""
    package = importlib.import_module(kind)
    names = (module.name for module in pkgutil.iter_modules(package.__path__))
    return tuple(sorted(name.replace("_", "-") for name in names if not name.startswith("_")))


def settings(kind: str, name: str) -> tuple[str, ...]:
    """The names of the settings of plugin `name` of package `kind`, as its Config lists them.

    Raises:
        ConfigError: no such plugin.
    """
    return tuple(field.name for field in dataclasses.fields(module(kind, name).Config))


def build(kind: str, name: str, options: Mapping[str, Any] | None = None) -> Any:
    """Make the plugin `name` of package `kind` with `options` for its Config.

    Raises:
        ConfigError: no such plugin, an unknown option, or a value of the wrong kind; the message
            names the nearest known one.
    """
    plugin = module(kind, name)
    return plugin.build(from_mapping(plugin.Config, options or {}, where=name))


def module(kind: str, name: str) -> ModuleType:
    """The module of plugin `name` of package `kind`; ConfigError where there is none."""
    names = available(kind)
    if name not in names:
        what = kind.rpartition(".")[2].removesuffix("s")
        hint = nearest(name, names)
        raise ConfigError(f"no {what} named {name!r}{hint} (there are: {', '.join(names)})")
    return importlib.import_module(f"{kind}.{name.replace('-', '_')}")


def part(kind: str, settings: Mapping[str, Any]) -> Any:
    """A part of a tracker from its mapping: `name`, and the options of the plugin of that name.

    Raises:
        ConfigError: see `build`.
    """
    options = dict(settings)
    return build(kind, options.pop("name", kind.rpartition(".")[2]), options)
