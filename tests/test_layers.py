"""Dependencies point one way, and importing the packages loads nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

PLUGIN_FOLDERS = ("segmenters", "motion", "memory", "videos", "export")

# A room may import itself, and what stands in its row.
VALUES = {"errors", "_checks", "types"}
PURE = VALUES | {"coords", "masks", "config"}
FLOOR = PURE | {"plugins"}
PROTOCOLS = {"segmenters", "motion", "memory"}
TRACKER = FLOOR | PROTOCOLS | {"beliefs", "framing", "identity", "pieces", "prompting", "selection"}
TRACKER |= {"absence", "asking", "logits", "windows", "tracker"}
ALL = TRACKER | {"videos", "export", "automatic", "evaluation", "training", "testing", "api", "cli"}
ALL |= {"ahead", "onnx_export", "text", "console"}
ALL |= {"anchors", "fusion", "shown", "corrections", "review"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "_checks": {"errors"},
    "types": {"errors", "_checks"},
    "coords": VALUES,
    "masks": VALUES | {"coords"},
    "config": VALUES,
    "plugins": PURE,
    "windows": PURE,
    "logits": PURE,
    "segmenters": FLOOR | {"windows"},
    "motion": FLOOR,
    "memory": FLOOR,
    "videos": FLOOR,
    "export": FLOOR,
    "anchors": VALUES,
    "fusion": PURE | {"absence"},
    "review": PURE | {"anchors"},
    "ahead": TRACKER,
    "shown": TRACKER,
    "corrections": TRACKER | {"anchors", "fusion", "shown", "videos"},
    "beliefs": PURE | {"windows"},
    "framing": PURE | {"windows"},
    "prompting": FLOOR | PROTOCOLS,
    "pieces": VALUES | {"coords", "masks"},
    "absence": VALUES | {"coords"},
    "selection": FLOOR | PROTOCOLS | {"absence", "logits", "pieces"},
    "identity": PURE | {"beliefs", "logits", "selection"},
    "asking": PURE | {"segmenters", "beliefs", "identity", "logits", "selection"},
    "tracker": TRACKER,
    "testing": FLOOR | PROTOCOLS | {"evaluation"},
    "evaluation": TRACKER | {"ahead", "videos", "export", "api"},
    "training": FLOOR | PROTOCOLS,
    "automatic": TRACKER | {"videos"},
    "onnx_export": FLOOR | {"segmenters", "export"},
    "text": FLOOR | {"segmenters"},
    "console": VALUES,
    "api": ALL - {"cli", "console"},
    "cli": ALL,
}
SHARED = VALUES | {"plugins", "config", "masks", "export", "videos", "console"}
"""What `lifting` may know of `propagate`, beside its public names."""
GEOMETRY = {"_checks", "types", "camera", "settings"}
LIFT = GEOMETRY | {"occlusion", "visibility", "tally", "fuse", "fragments", "instances", "lifter"}
LIFTING: dict[str, set[str]] = {
    "_checks": set(),
    "types": {"_checks"},
    "camera": {"types"},
    "settings": set(),
    "occlusion": GEOMETRY,
    "visibility": GEOMETRY | {"occlusion"},
    "tally": GEOMETRY,
    "fuse": GEOMETRY | {"visibility", "tally"},
    "fragments": GEOMETRY | {"visibility", "tally", "fuse"},
    "instances": GEOMETRY | {"visibility", "tally", "fuse", "fragments"},
    "formats": GEOMETRY,
    "export": GEOMETRY | {"_open3d"},
    "_open3d": GEOMETRY,
    "lifter": LIFT,
    "association": LIFT,
    "prompts": GEOMETRY | {"occlusion"},
    "anchors": LIFT,
    "testing": GEOMETRY | {"_open3d"},
    "cli": LIFT | {"anchors", "association", "formats", "export", "prompts", "_open3d", "testing"},
}


def imports(path):
    """The dotted names that a file imports, those for type checkers only left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            if node.module in ("propagate", "lifting"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms(package):
    """(file, its room, what it imports of the two packages) for every file but the package's."""
    for path in sorted((ROOT / package).rglob("*.py")):
        room = path.relative_to(ROOT / package).parts[0].removesuffix(".py")
        if room != "__init__":
            ours = [
                name for name in imports(path) if name.split(".")[0] in ("propagate", "lifting")
            ]
            yield path, room, ours


@pytest.mark.parametrize(("package", "allowed"), [("propagate", ALLOWED), ("lifting", LIFTING)])
def test_dependencies_point_one_way(package, allowed):
    wrong = []
    for path, room, names in rooms(package):
        assert room in allowed, f"{path}: {room} has no place in the list of layers"
        for name in names:
            first, _, rest = name.partition(".")
            other = rest.split(".")[0]
            if first == package and other and other != room and other not in allowed[room]:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_plugins_of_one_folder_do_not_import_each_other():
    wrong = []
    for path, room, names in rooms("propagate"):
        plugin = not path.stem.startswith("_") and path.parent.name == room
        if room not in PLUGIN_FOLDERS[:3] or not plugin:
            continue
        for name in names:
            parts = name.split(".")
            if parts[:2] == ["propagate", room] and len(parts) > 2:
                private = parts[2].startswith("_")
                neighbour = (path.parent / f"{parts[2]}.py").exists()
                if neighbour and not private and parts[2] != path.stem:
                    wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_the_two_packages_meet_in_data_only():
    seen = {name for _, _, names in rooms("lifting") for name in names}
    propagate = {name for name in seen if name.startswith("propagate.")}
    assert {name.split(".")[1] for name in propagate} <= SHARED
    assert not [
        (path, name)
        for path, _, names in rooms("propagate")
        for name in names
        if name.startswith("lifting")
    ]


@pytest.mark.parametrize(
    "package", ["propagate", "propagate.types", "propagate.config", "propagate.plugins", "lifting"]
)
def test_importing_loads_nothing_heavy(package):
    heavy = ("torch", "cv2", "decord", "av", "open3d", "scipy")
    code = f"import {package}, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
