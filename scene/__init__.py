# SPDX-License-Identifier: GPL-3.0-or-later
"""The thin layer that touches Blender's data: armature, keyframes, camera, timing, files. It computes nothing of its own."""
