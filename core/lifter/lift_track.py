# SPDX-License-Identifier: GPL-3.0-or-later
"""From a track to poses: the one place that feeds the networks and decides between each pose and its mirror image.

`pipeline.lift` and `evaluation` both come through here, so that what is scored is what users get.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..camera import Intrinsics, project, unproject
from ..track import KeypointTrack
from .anatomy import hinge_evidence, mirrored_frames
from .carry import carried
from .inference import Lifted, Lifter, mirror
from .prepare import prepare

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LiftedTrack:
    """What the networks say about a track's T frames, each frame the right way round.

    lifted: in the axes of each frame's virtual camera, body units. look: (T, 3, 3) rotations from the camera's axes to the
    virtual camera's. plane: (T, J, 2) the 2D poses that the networks saw, complete, root at the origin. distance: (T,) of the
    virtual camera from the root; t: that to which every body's size is brought. flipped: (T,) frames in which the student's
    pose was mirrored. empty: (T,) frames that show nothing, and whose pose is carried over time.
    """

    lifted: Lifted
    look: Array
    plane: Array
    distance: Array
    t: float
    flipped: NDArray[np.bool_]
    empty: NDArray[np.bool_]

    @property
    def pose(self) -> Array:
        """(T, J, 3) the student's poses in the camera's axes, root at the origin, body units."""
        return self.lifted.pose @ self.look

    @property
    def canonical(self) -> Array:
        """(T, J, 3) the teacher's canonical poses, body units."""
        return self.lifted.canonical

    @property
    def rotation(self) -> Array:
        """(T, 3, 3) the teacher's rotations from the canonical frame to the camera's axes."""
        return np.swapaxes(self.look, -1, -2) @ self.lifted.rotation

    @property
    def teacher_pose(self) -> Array:
        """(T, J, 3) the teacher's poses in the camera's axes, body units."""
        return self.lifted.teacher_pose() @ self.look

    @property
    def flat(self) -> Array:
        """(T, J, 3) what the networks saw with every depth zero, in the camera's axes: the pose of no lifter at all."""
        return np.concatenate([self.plane, np.zeros_like(self.plane[..., :1])], -1) @ self.look

    def twin(self) -> LiftedTrack:
        """Return the mirror image in depth of every frame, the student's and the teacher's."""
        everything = np.ones(len(self.plane), bool)
        return replace(self, lifted=mirror(self.lifted, everything, everything, self.distance), flipped=~self.flipped)

    def reprojected(self, keypoints: Array, camera: Intrinsics) -> Array:
        """Project the student's poses back into the image: (T, J, 2) pixels; NaN in frames without a keypoint.

        keypoints: (T, J, 2) those that were lifted, pixels, NaN where missing. The virtual camera sees every body at the
        same size; how much it enlarged a frame is read off the keypoints and `plane`, not off the pose.
        """
        turned = unproject(keypoints, camera) @ np.swapaxes(self.look, -1, -2)
        seen = turned[..., :2] / turned[..., 2:]
        plane = np.where(np.isfinite(seen), self.plane, 0.0)
        square = (plane * plane).sum((-1, -2))
        size = (plane * np.nan_to_num(seen)).sum((-1, -2)) / np.where(square > 0, square, np.nan)
        depth = 1 + self.lifted.pose[..., 2:] / self.distance[:, None, None]
        place = self.lifted.pose[..., :2] / depth / self.t * size[:, None, None]
        return project(np.concatenate([place, np.ones_like(place[..., :1])], -1) @ self.look, camera)


def lift_track(
    track: KeypointTrack, lifter: Lifter, fps: float, progress: Callable[[float], None] | None = None
) -> LiftedTrack:
    """Lift a track on the lifter's skeleton, with intrinsics without distortion, frame by frame.

    Anatomy decides, consistently over time, between each pose and its mirror image: for the student and for the teacher
    apart. fps: frames per second as they lie in time. progress: gets the share done; may raise to stop.
    Raises `TrackError` where no frame shows two joints that share a bone.
    """
    skeleton, weights = track.skeleton, lifter.weights
    t = weights.config.distance
    inputs = prepare(track, weights.part("statistics"), t, fps)
    distance = inputs.distance if weights.config.aware else np.full(len(track), t)
    lifted = lifter.lift(inputs.plane, distance, inputs.observed, progress)
    flipped, turned = (mirrored_frames(hinge_evidence(x, skeleton), fps) for x in (lifted.pose, lifted.teacher_pose()))
    lifted = mirror(lifted, flipped, turned, distance)
    lifted = replace(lifted, pose=carried(lifted.pose, inputs.observed, skeleton, fps))
    return LiftedTrack(lifted, inputs.look, inputs.plane, distance, t, flipped, inputs.empty)
