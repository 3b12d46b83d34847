"""A scene from one click an object: tracked through a walk round a table, lifted to 3D.

The scene is rendered, so that the truth is known. Needs Open3D (pip install mask-propagate[lift]).
"""

from __future__ import annotations

from pathlib import Path

import lifting
import propagate
from lifting import testing
from lifting.export import write_objects, write_picture, write_shapes
from lifting.settings import Settings

OUT = Path("demo-out") / "lift_scene"


def main() -> None:
    """Render, click, track, lift; compare with the truth and leave a cloud, boxes and a picture."""
    scene = testing.table_top(seed=3, things=5)
    way = testing.around(scene, 20, size_hw=(240, 320), arc_degrees=150)
    views = list(scene.views(way, detail=1))
    views = views[testing.clearest(views) :]  # begin where everything can be clicked
    clicks = testing.clicks(views[0])
    masks = []
    for view, result in zip(views, propagate.track(testing.frames(views), clicks), strict=True):
        scores = {mask.object_id: mask.score for mask in result.masks}
        masks.append(view.with_labels(result.label_map(), scores))
    cloud = lifting.lift(masks, settings=Settings(voxel_m=0.01, stride=1))
    cloud = lifting.anchored(cloud, masks[0])  # only what was clicked, nothing that is alike
    truth, _ = scene.truth(cloud.points)
    for key in cloud.object_ids:
        mine, true = cloud.labels == key, truth == key
        overlap = (mine & true).sum() / (mine | true).sum()
        print(f"{scene.names[key]:8} {mine.sum():5} points, IoU with the truth {overlap:.2f}")
    OUT.mkdir(parents=True, exist_ok=True)
    lifting.write_ply(OUT / "cloud.ply", cloud)
    write_objects(OUT / "objects", cloud)
    write_shapes(OUT / "boxes.json", cloud)
    write_picture(OUT / "cloud.png", cloud)
    print(f"cloud, objects, boxes and picture are in {OUT}")


if __name__ == "__main__":
    main()
