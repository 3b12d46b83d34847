"""Masks of many views, lifted into one labelled cloud of 3D points. Not built yet.

It will take posed images with depth and the masks that `propagate` (or anything else) made of them,
and return points in metres with the object's id and a confidence each. It will meet `propagate` in
data only. Until then this package holds its place and promises no name.
"""

from __future__ import annotations

__all__: list[str] = []
