# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain Python, NumPy and (in `lifter` and `motion` only) torch. Nothing here imports bpy."""
