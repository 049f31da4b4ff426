# SPDX-License-Identifier: GPL-3.0-or-later
"""Joint positions to bone rotations: rest poses and bone tables."""
