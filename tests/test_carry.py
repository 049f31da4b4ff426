# SPDX-License-Identifier: GPL-3.0-or-later
"""Joints that a track misses for a while keep to their bones' own way."""

from __future__ import annotations

import numpy as np
from motions import walking

from poselift.core.lifter.carry import CARRY_SECONDS, carried
from poselift.core.rotation import matrix_from_axis_angle
from poselift.core.skeleton import HUMAN17

WRIST, ELBOW = HUMAN17.index("l_wrist"), HUMAN17.index("l_elbow")


def poses(frames=90):
    """A rigid standing pose that turns about the vertical once in the clip."""
    pose = walking(frames)[0]
    pose = pose - pose[HUMAN17.root]
    angle = np.linspace(0, 2 * np.pi, frames, endpoint=False)
    turn = matrix_from_axis_angle(np.array([0.0, 0.0, 1.0]), angle)
    return np.einsum("tij,kj->tki", turn, pose)


def seen(frames, joint, gone):
    observed = np.ones((frames, len(HUMAN17)), bool)
    observed[gone, joint] = False
    return observed


def test_a_bone_that_is_still_on_its_body_is_brought_back_however_the_body_turns():
    truth = poses()
    wrong = truth.copy()
    wrong[30:45, WRIST] += [0.2, 0.1, 0.0]
    mended = carried(wrong, seen(90, WRIST, slice(30, 45)), HUMAN17, 30.0)
    before, after = (np.linalg.norm((x - truth)[30:45, WRIST], axis=-1) for x in (wrong, mended))
    assert after[0] < 0.05 * before[0] and after.mean() < 0.3 * before.mean()
    others = np.arange(len(HUMAN17)) != WRIST
    assert np.array_equal(mended[:, others], wrong[:, others])
    assert np.array_equal(mended[:30], wrong[:30]) and np.array_equal(mended[45:], wrong[45:])


def test_what_hangs_on_a_carried_joint_goes_with_it_where_it_is_missing_too():
    truth = poses()
    wrong = truth.copy()
    wrong[40, [ELBOW, WRIST]] += [0.0, 0.3, 0.0]
    observed = seen(90, ELBOW, [40]) & seen(90, WRIST, [40])
    mended = carried(wrong, observed, HUMAN17, 30.0)
    assert np.linalg.norm((mended - truth)[40, [ELBOW, WRIST]], axis=-1).max() < 0.03


def test_what_was_never_seen_or_long_ago_is_the_networks():
    truth = poses(300)
    never = carried(truth, seen(300, WRIST, slice(None)), HUMAN17, 30.0)
    assert np.abs(never - truth).max() < 1e-9
    wrong = truth.copy()
    wrong[1:, WRIST] += [0.2, 0.0, 0.0]
    late = carried(wrong, seen(300, WRIST, slice(1, None)), HUMAN17, 30.0)
    left = np.linalg.norm((late - wrong)[:, WRIST], axis=-1)
    assert left[1] > 0.15 and left[-1] < 0.01 and left[-1] < left[1] * np.exp(-8 / CARRY_SECONDS) * 3
    assert carried(truth, np.ones((300, len(HUMAN17)), bool), HUMAN17, 30.0) is truth
