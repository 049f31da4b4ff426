# SPDX-License-Identifier: GPL-3.0-or-later
"""The teacher/student network: models, losses, training, inference, weights."""
