"""How to lift: every number that may be turned, with its unit and why it has the value it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from propagate.errors import ConfigError


@dataclass(frozen=True)
class Settings:
    """How views become a cloud.

    Attributes:
        voxel_m: metres; points closer than this become one. The cloud, the memory and the time at
            the end follow from it; finer than the depth's noise it only shows the noise.
        stride: every how many pixels depth is read; 0 reads as few as still meet every voxel.
        farthest_m: depth beyond it is not used, metres.
        edge_px: votes count fully from so far inside a mask, in pixels of a picture 640 wide;
            nearer to the edge they count less, as masks end some pixels off.
        smoothing: depth is averaged with that of the four pixels around it where theirs differs by
            less than this share; against the noise of single pixels. 0 takes depth as it is.
        least_cosine: surfaces seen at a flatter angle than this are not used: at jumps of the
            depth sensors invent points between the surfaces.
        near_m: votes from farther away count less, with the square of the distance: sensors'
            noise grows so.
        depth_tolerance_m: a point of a given cloud is seen where the view's depth differs from
            its own by less than this and `depth_tolerance_share` of the depth, together.
        depth_tolerance_share: a part of the depth.
        unlabelled: what a pixel without an object says: "background" votes against every object,
            as it should where each object is in the masks; "unknown" says nothing.
        least_support: a voxel is noise where the cloud around it has less than this share of the
            best density two steps away; 0 keeps all.
        least_fragment: a piece of an object smaller than this share of its largest piece gets the
            next best label; 0 keeps all.
        least_floater: pieces of the cloud with fewer voxels than this, touching nothing, are
            dropped; 0 keeps all.
        least_views: voxels that, with their neighbours, were seen in fewer views on average are
            noise; not asked before there are 8 views. 1 keeps all.
    """

    voxel_m: float = 0.02
    stride: int = 0
    farthest_m: float = 8.0
    edge_px: float = 8.0
    smoothing: float = 0.03
    least_cosine: float = 0.1
    near_m: float = 2.0
    depth_tolerance_m: float = 0.03
    depth_tolerance_share: float = 0.02
    unlabelled: Literal["background", "unknown"] = "background"
    least_support: float = 0.35
    least_fragment: float = 0.1
    least_floater: int = 30
    least_views: float = 1.5

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if not self.voxel_m > 0 or not self.farthest_m > 0 or not self.near_m > 0:
            raise ConfigError("voxel_m, farthest_m and near_m must be above 0 metres")
        if self.stride < 0 or self.least_views < 1:
            raise ConfigError("stride must be 0 or more, least_views 1 or more")
        if self.unlabelled not in ("background", "unknown"):
            raise ConfigError(
                f'unlabelled must be "background" or "unknown", got {self.unlabelled!r}'
            )
        shares = {
            "smoothing": self.smoothing,
            "least_cosine": self.least_cosine,
            "least_support": self.least_support,
            "least_fragment": self.least_fragment,
        }
        for name, share in shares.items():
            if not 0 <= share < 1:
                raise ConfigError(f"{name} must be 0 or more and below 1, got {share}")
