"""Settings: YAML → frozen dataclass. An unknown key is an error that names the nearest known one.

The dataclass is the only list of keys, kinds and defaults; a preset or a user's file states what
differs from them. Nothing here knows which settings exist.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from propagate.errors import ConfigError

T = TypeVar("T")

_HERE = Path(__file__).resolve().parent
_PRESET_FOLDERS = (_HERE / "configs", _HERE.parent / "configs")
"""Where presets lie: inside an installed package, else beside it in a checkout."""


def nearest(name: str, names: Iterable[str]) -> str:
    """Say "; did you mean 'x'?" of the most similar of `names`, or "" where none is similar."""
    close = difflib.get_close_matches(str(name), list(names), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def presets() -> tuple[str, ...]:
    """The names of the presets that come with the library; sorted."""
    return tuple(sorted({path.stem for path in _preset_paths()}))


def load(source: str | Path) -> dict[str, Any]:
    """Read settings from a preset's name or a YAML file.

    Args:
        source: "default" or another preset's name, or the path of a file; a string is a path when
            it has a suffix or a folder in it.

    Returns:
        The mapping as written, for `apply_overrides` and `from_mapping`; {} for an empty file.

    Raises:
        ConfigError: no such preset or file, not YAML, not a mapping, or a key written twice.
    """
    path = Path(source)
    if isinstance(source, str) and not path.suffix and path.name == source:
        path = _preset_path(source)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"settings {path} cannot be read: {error}") from error
    mapping = _parse(text, str(path))
    if mapping is None:
        return {}
    if not isinstance(mapping, dict):
        raise ConfigError(f"{path} must hold 'key: value' lines, got {_kind(mapping)}")
    return mapping


def apply_overrides(mapping: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return `mapping` with "a.b=c" settings on top; the given mapping is not changed.

    Args:
        mapping: settings as `load` returns them.
        overrides: "key=value" or "section.key=value"; a value is read as YAML ("3", "true",
            "[1, 2]"). The last one of a key wins.

    Raises:
        ConfigError: no "=", an empty key, a value that is not YAML, or a section that is a value.
    """
    result = dict(mapping)
    for override in overrides:
        key, equals, text = override.partition("=")
        keys = [part.strip() for part in key.split(".")]
        if not equals or not all(keys):
            raise ConfigError(f"setting {override!r} must look like key=value or section.key=value")
        result = _with(result, keys, _parse(text, f"setting {override!r}"), override)
    return result


def from_mapping(cls: type[T], mapping: Mapping[str, Any], where: str = "") -> T:
    """Make the dataclass `cls` from plain values, checking every key and kind.

    Whole numbers become floats where a float is wanted, lists become tuples, strings become paths,
    mappings become nested dataclasses. Keys that are left out keep their defaults.

    Args:
        cls: a dataclass.
        mapping: field name → plain value.
        where: dotted name of this section, for messages.

    Raises:
        ConfigError: an unknown or missing key, or a value of the wrong kind.
    """
    if not isinstance(mapping, Mapping):
        raise ConfigError(f"{where or 'settings'} must be a section, got {_kind(mapping)}")
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]
    for key in mapping:
        if key not in fields:
            known = f"; there are: {', '.join(fields)}" if fields else "; it has no settings"
            hint = nearest(str(key), fields) or known
            raise ConfigError(f"unknown setting {_path(where, key)!r}{hint}")
    for name, field in fields.items():
        no_default = field.default is field.default_factory is dataclasses.MISSING
        if no_default and name not in mapping:
            raise ConfigError(f"setting {_path(where, name)!r} is missing and has no default")
    hints = get_type_hints(cls)
    return cls(
        **{key: _convert(hints[key], value, _path(where, key)) for key, value in mapping.items()}
    )


def dump(config: Any) -> str:
    """Write a dataclass as YAML text that `from_mapping` turns back into an equal one."""
    return str(yaml.dump(_plain(config), Dumper=_Dumper, sort_keys=False, allow_unicode=True))


class _Loader(yaml.SafeLoader):
    """YAML without two surprises: a repeated key is an error, and 1e-3 is a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        """Refuse a key that is written twice."""
        seen: set[str] = set()
        for key_node, _ in node.value:
            if key_node.value in seen:
                line = key_node.start_mark.line + 1
                raise ConfigError(f"line {line}: {key_node.value!r} is written twice; keep one")
            if isinstance(key_node.value, str):
                seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)


class _Dumper(yaml.SafeDumper):
    """Quotes the texts that `_Loader` would read as numbers."""


for _side in (_Loader, _Dumper):
    _side.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"),
        list("-+0123456789"),
    )


def _parse(text: str, what: str) -> Any:
    """YAML text → plain values; ConfigError names `what`."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ConfigError) as error:
        raise ConfigError(f"{what} is not valid YAML: {' '.join(str(error).split())}") from error


def _preset_paths() -> list[Path]:
    return [path for folder in _PRESET_FOLDERS for path in folder.glob("*.yaml")]


def _preset_path(name: str) -> Path:
    for path in _preset_paths():
        if path.stem == name:
            return path
    names = presets()
    hint = nearest(name, names) or f"; there are: {', '.join(names)}"
    raise ConfigError(f"no preset named {name!r}{hint} (a file needs its suffix: {name}.yaml)")


def _with(mapping: Mapping[str, Any], keys: list[str], value: Any, what: str) -> dict[str, Any]:
    """A copy of `mapping` in which the nested key is `value`."""
    first, *rest = keys
    if not rest:
        return {**mapping, first: value}
    section = mapping.get(first)
    if section is not None and not isinstance(section, Mapping):
        raise ConfigError(f"setting {what!r}: {first!r} is {_kind(section)}, not a section")
    return {**mapping, first: _with(section or {}, rest, value, what)}


def _path(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)


def _kind(value: Any) -> str:
    """A value as a person would name it: "the text 'x'", "the number 3"."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"the text {value!r}"
    if isinstance(value, int | float):
        return f"the number {value!r}"
    if isinstance(value, Mapping):
        return "a section"
    return "a list" if isinstance(value, list | tuple) else f"{type(value).__name__} {value!r}"


def _convert(kind: Any, value: Any, where: str) -> Any:
    """`value` as `kind`, or ConfigError naming `where`."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _convert_union(get_args(kind), value, where)
    if origin is Literal:
        return _convert_choice(get_args(kind), value, where)
    if origin in (tuple, list, Sequence):
        return _convert_sequence(kind, value, where)
    if origin in (dict, Mapping):
        return _convert_table(kind, value, where)
    if dataclasses.is_dataclass(kind):
        return from_mapping(kind, value, where)  # type: ignore[arg-type]
    return _convert_plain(kind, value, where)


def _convert_plain(kind: Any, value: Any, where: str) -> Any:
    if kind is Any:
        return value
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        if math.isnan(value):
            raise ConfigError(f"{where} must be a number, got not-a-number (nan)")
        return float(value)
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    wrong_bool = isinstance(value, bool) and kind is not bool
    if isinstance(value, kind) and not wrong_bool:
        return value
    names = {
        bool: "true or false", int: "a whole number", float: "a number", str: "text",
        Path: "a path", types.NoneType: "nothing (null)", dict: "a section", list: "a list",
    }  # fmt: skip
    wanted = names.get(kind, getattr(kind, "__name__", str(kind)))
    raise ConfigError(f"{where} must be {wanted}, got {_kind(value)}")


def _convert_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    """The first kind that fits; a value of exactly one of the kinds is kept as it is."""
    if type(value) in kinds:
        return _convert(type(value), value, where)
    refusals = []
    for kind in kinds:
        try:
            return _convert(kind, value, where)
        except ConfigError as error:
            refusals.append((kind, error))
    wanted = [error for kind, error in refusals if kind is not types.NoneType]
    raise wanted[0] if len(wanted) == 1 else ConfigError("; or ".join(map(str, wanted)))


def _convert_choice(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    for choice in choices:
        if type(choice) is type(value) and choice == value:
            return value
    hint = nearest(value, map(str, choices)) if isinstance(value, str) else ""
    names = ", ".join(map(str, choices))
    raise ConfigError(f"{where} must be one of {names}, got {_kind(value)}{hint}")


def _convert_sequence(kind: Any, value: Any, where: str) -> Any:
    """Lists and tuples; `tuple[X, ...]` of any length, `tuple[X, Y]` of its own."""
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{where} must be a list, got {_kind(value)}")
    kinds = get_args(kind)
    make = list if get_origin(kind) is list else tuple
    if get_origin(kind) is not tuple or kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise ConfigError(f"{where} must have {len(kinds)} values, got {len(value)}: {value}")
    parts = zip(kinds, value, strict=True)
    return make(_convert(one, item, f"{where}[{at}]") for at, (one, item) in enumerate(parts))


def _convert_table(kind: Any, value: Any, where: str) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be a section, got {_kind(value)}")
    of_key, of_value = get_args(kind) or (Any, Any)
    return {
        _convert(of_key, key, _path(where, key)): _convert(of_value, item, _path(where, key))
        for key, item in value.items()
    }


def _plain(value: Any) -> Any:
    """Dataclasses, tuples and paths → what YAML can say."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (field for field in dataclasses.fields(value) if field.init)
        return {field.name: _plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
