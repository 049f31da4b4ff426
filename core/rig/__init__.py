# SPDX-License-Identifier: GPL-3.0-or-later
"""Joint positions to bone rotations: bone tables, rest poses, twist. Plain NumPy, no Blender.

The way through: `bones.bone_table` -> `rest.rest_pose` -> `rotations.solve_pose`.
"""
