# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores of lifters against motion capture, the way users meet them: as tracks in pixels, through real cameras."""
