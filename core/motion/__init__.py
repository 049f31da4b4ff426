# SPDX-License-Identifier: GPL-3.0-or-later
"""The track solve: constant bones, a metric root path, an upright world, a camera."""
