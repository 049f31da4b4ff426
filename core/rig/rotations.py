# SPDX-License-Identifier: GPL-3.0-or-later
"""Joint positions to local bone rotations, and back.

A bone's *deformation* is the rotation, about world axes, that takes it from rest to its pose; its local rotation is the
same seen from the parent and from its own rest axes, as Blender's pose channels hold it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import RigError
from ..interpolation import ramp
from ..rotation import (
    continuous_quaternions,
    matrix_from_axis_angle,
    matrix_from_quaternion,
    normalised,
    orthonormal_frame,
    procrustes,
    quaternion_from_matrix,
    shortest_arc,
)
from ..skeleton import Hinge, Skeleton
from .bones import Bone, bone_table
from .rest import RestPose, rest_pose
from .twist import signed_angle, solve_twist, transport_angles

Array = NDArray[np.float64]

STRAIGHT, BENT = np.sin(np.radians(10.0)), np.sin(np.radians(30.0))
"""Below the first, a hinge says nothing about the twist; above the second, all."""
TRUSTED_TWIST, IMPOSSIBLE_TWIST = np.radians(130.0), np.radians(170.0)
"""A hinge that asks for more twist than this is one that seems to bend the wrong way."""
ACROSS_WEIGHT = 25.0
"""Shoulder lines are followed closely: what little the smoothing would take is less than a degree."""
FORGOTTEN = 0.6
"""Seconds after which a bone whose end was not seen any more is at rest."""
SINGULAR = -0.7
"""Cosine from rest direction below which the shortest arc is no calm reference any more."""


@dataclass(frozen=True)
class Pose:
    """Local rotations of B bones over T frames, as Blender's pose channels hold them.

    rotations: (T, B, 4) unit quaternions wxyz, continuous in sign. location: (T, 3) metres, of the root bone, in its rest axes.
    """

    rotations: Array
    location: Array


def solve_pose(joints: Array, rest: RestPose, fps: float) -> Pose:
    """Turn joint positions into bone rotations.

    joints: (T, J, 3) world metres, with the rest pose's bone lengths. fps: frames per second, for the twist's calm.
    Every bone points exactly along its edge. The root bone takes its X axis exactly from the line across it. The others
    are twisted by hinge or body line where these tell, and follow their parent by the shortest arc where not. Optional
    joints may be NaN where they were not seen: the bone that ends there goes on evenly, or rests where long unseen.
    Raises `RigError` where joints are missing or of the wrong shape.
    """
    joints, table = np.asarray(joints, np.float64), rest.table
    if joints.ndim != 3 or joints.shape[1:] != rest.joints.shape or len(joints) == 0:
        raise RigError(f"the rig needs joints (frames, {len(rest.joints)}, 3), got an array of shape {joints.shape}.")
    needed = np.array([name not in table.optional for name in table.skeleton.joint_names])
    if not np.isfinite(joints[:, needed]).all():
        frame, joint = np.argwhere(~np.isfinite(joints).all(-1) & needed)[0]
        raise RigError(f"joint '{table.skeleton.joint_names[joint]}' has no position in frame {frame}; every joint needs one.")
    deformations: list[Array] = []
    rotations = np.empty((len(joints), len(table), 4))
    for i, (bone, parent) in enumerate(zip(table.bones, table.parents, strict=True)):
        if parent < 0:
            local = _root_rotation(joints, rest)
            deformations.append(local)
        else:
            local = _bone_rotation(joints, rest, bone, deformations[parent], fps)
            deformations.append(deformations[parent] @ local)
        axes = rest.matrices[i]
        rotations[:, i] = quaternion_from_matrix(axes.T @ local @ axes)
    root = table.skeleton.index(table.bones[0].head)
    location = (joints[:, root] - rest.heads[0]) @ rest.matrices[0]
    return Pose(continuous_quaternions(rotations), location)


def bone_turns(skeleton: Skeleton, joints: Array, lengths: Array, fps: float) -> dict[str, Array]:
    """Return how a human's bones have turned since rest (T, 3, 3), by name; joints: (T, J, 3), lengths: (J,)."""
    table = bone_table(skeleton)
    rest = rest_pose(table, lengths)
    return dict(zip(table.names, np.moveaxis(deformations(solve_pose(joints, rest, fps), rest), 1, 0), strict=True))


def deformations(pose: Pose, rest: RestPose) -> Array:
    """Return the rotations (T, B, 3, 3), about world axes, that take the bones from rest to a pose."""
    turned = np.empty((len(pose.location), len(rest.table), 3, 3))
    for i, parent in enumerate(rest.table.parents):
        axes = rest.matrices[i]
        local = axes @ matrix_from_quaternion(pose.rotations[:, i]) @ axes.T
        turned[:, i] = local if parent < 0 else turned[:, parent] @ local
    return turned


def forward_kinematics(pose: Pose, rest: RestPose) -> Array:
    """Return the joints (T, J, 3) that a pose puts the skeleton's joints at: the inverse of `solve_pose`."""
    skeleton = rest.table.skeleton
    joints = np.zeros((len(pose.location), len(skeleton), 3))
    turned = deformations(pose, rest)
    for i, bone in enumerate(rest.table.bones):
        head = skeleton.index(bone.head)
        if bone.tail is None:
            joints[:, head] = rest.heads[i] + pose.location @ rest.matrices[i].T
        else:
            joints[:, skeleton.index(bone.tail)] = joints[:, head] + turned[:, i] @ (rest.tails[i] - rest.heads[i])
    for name, carrier, _ in rest.table.carried:
        i, joint = rest.table.index(carrier), skeleton.index(name)
        start = skeleton.index(rest.table.bones[i].head)
        joints[:, joint] = joints[:, start] + turned[:, i] @ (rest.joints[joint] - rest.heads[i])
    joints[:, [skeleton.index(name) for name in rest.table.unseen]] = np.nan
    return joints


def _root_rotation(joints: Array, rest: RestPose) -> Array:
    """Return the root bone's deformation (T, 3, 3)."""
    table, skeleton = rest.table, rest.table.skeleton
    root = skeleton.index(table.bones[0].head)

    def line(points: Array, start: int, end: int) -> Array:
        return points[..., end, :] - points[..., start, :]

    if table.root_line and table.root_up:
        right, left = (skeleton.index(name) for name in table.root_line)
        up = skeleton.index(table.root_up)
        across, along = line(joints, right, left), line(joints, root, up)
        _hold_where_parallel(across, along)
        return (
            orthonormal_frame(across, along) @ orthonormal_frame(line(rest.joints, right, left), line(rest.joints, root, up)).T
        )
    children = [child for parent, child in skeleton.edges if parent == root]
    if len(children) == 1:
        return shortest_arc(line(rest.joints, root, children[0]), line(joints, root, children[0]))
    if not children:
        return np.broadcast_to(np.eye(3), (len(joints), 3, 3))
    here = joints[:, children] - joints[:, [root]]
    there = np.broadcast_to(rest.joints[children] - rest.joints[root], here.shape)
    # Mirrored through the root, the points' mean is the root: the fit turns about it.
    fit_there, fit_here = (np.concatenate([side, -side], 1) for side in (there, here))
    return procrustes(fit_there, fit_here, scale=False)[1]


def _hold_where_parallel(across: Array, along: Array) -> None:
    """Replace `along` (T, 3), in place, where it is parallel to `across`, by that of the nearest frame where it is not."""
    sine = np.linalg.norm(np.cross(normalised(across), normalised(along)), axis=-1)
    good = np.flatnonzero(sine > 1e-2)
    bad = np.flatnonzero(sine <= 1e-2)
    if len(bad) and len(good):
        along[bad] = along[good[np.abs(bad[:, None] - good).argmin(1)]]


def _bone_rotation(joints: Array, rest: RestPose, bone: Bone, parent: Array, fps: float) -> Array:
    """Return a bone's rotation (T, 3, 3) on top of its parent's deformation, about world axes at rest."""
    skeleton = rest.table.skeleton
    head, tail = skeleton.index(bone.head), skeleton.index(bone.tail or bone.head)
    at_rest = normalised(rest.joints[tail] - rest.joints[head])
    # Everything below is seen from the parent, so that only the bone's own motion counts.
    direction = normalised(_seen_from(parent, joints[:, tail] - joints[:, head]))
    if bone.tail in rest.table.optional:
        direction = _filled(direction, at_rest, fps)
    arc = shortest_arc(at_rest, direction)
    if bone.hinge:
        angles, weights = _hinge_twist(joints, rest, bone.hinge, parent, direction, arc)
    elif bone.across:
        angles, weights = _across_twist(joints, rest, bone, parent, direction, arc)
    else:
        angles = weights = np.zeros(len(joints))
    cosine = direction @ at_rest
    if not weights.any() and cosine.min() > SINGULAR:
        return arc
    calm = ramp(cosine, -1.0, SINGULAR)
    x_axis = normalised(np.cross(at_rest, np.eye(3)[np.abs(at_rest).argmin()]))
    twist = solve_twist(angles, weights, calm, transport_angles(direction, arc @ x_axis), fps)
    if bone.share < 1:
        # Of an angle a share can be taken only where it is known how many turns it has: few, about the usual one.
        told = twist[weights > 0] if weights.any() else twist
        twist = bone.share * (twist - 2 * np.pi * np.round((np.median(told) - bone.usual_twist) / (2 * np.pi)))
    return matrix_from_axis_angle(direction, twist) @ arc


def _hinge_twist(
    joints: Array, rest: RestPose, hinge: Hinge, parent: Array, direction: Array, arc: Array
) -> tuple[Array, Array]:
    """Return the twist (T,) that the plane of a bent hinge asks for, and its weight (T,)."""
    skeleton = rest.table.skeleton
    joint, after = skeleton.index(hinge.joint), skeleton.index(hinge.after)
    beyond = normalised(_seen_from(parent, joints[:, after] - joints[:, joint]))
    normal = np.cross(direction, beyond)
    index = next(i for i, bone in enumerate(rest.table.bones) if bone.tail == hinge.joint)
    angles = signed_angle(arc @ rest.matrices[index][:, 0], normal, direction)
    bend = np.linalg.norm(normal, axis=-1)
    return angles, ramp(bend, STRAIGHT, BENT) * (1 - ramp(np.abs(angles), TRUSTED_TWIST, IMPOSSIBLE_TWIST))


def _across_twist(
    joints: Array, rest: RestPose, bone: Bone, parent: Array, direction: Array, arc: Array
) -> tuple[Array, Array]:
    """Return the twist (T,) that the lines across the body ask for, and its weight (T,)."""
    skeleton = rest.table.skeleton
    line, line_at_rest = np.zeros_like(direction), np.zeros_like(direction)
    for across in bone.across:
        right, left = skeleton.index(across.right), skeleton.index(across.left)
        seen = normalised(_seen_from(parent, joints[:, left] - joints[:, right]))
        known = np.isfinite(seen).all(-1, keepdims=True)
        line += across.weight * np.where(known, seen, 0.0)
        line_at_rest += across.weight * known * normalised(rest.joints[left] - rest.joints[right])
    angles = signed_angle((arc @ line_at_rest[..., None])[..., 0], line, direction)
    sine = np.linalg.norm(np.cross(direction, line), axis=-1)
    return angles, ACROSS_WEIGHT * ramp(sine, STRAIGHT, BENT)


def _filled(directions: Array, at_rest: Array, fps: float) -> Array:
    """Return (T, 3) unit directions with those that are NaN filled in: even between seen ones, at rest far from any."""
    known = np.flatnonzero(np.isfinite(directions).all(-1))
    frames = np.arange(len(directions))
    if len(known) == len(frames):
        return directions
    if not len(known):
        return np.tile(at_rest, (len(frames), 1))
    even = np.stack([np.interp(frames, known, directions[known, axis]) for axis in range(3)], -1)
    after = known[np.minimum(np.searchsorted(known, frames), len(known) - 1)]
    before = known[np.maximum(np.searchsorted(known, frames, side="right") - 1, 0)]
    away = np.minimum(np.abs(frames - before), np.abs(after - frames)) / fps
    far = ramp(away, 0.5 * FORGOTTEN, FORGOTTEN)[:, None]
    return normalised((1 - far) * normalised(even, fallback=tuple(at_rest)) + far * at_rest, fallback=tuple(at_rest))


def _seen_from(deformation: Array, vectors: Array) -> Array:
    """Turn (T, 3) world vectors into the frame that a deformation (T, 3, 3) carries along."""
    return (np.swapaxes(deformation, -1, -2) @ vectors[..., None])[..., 0]
