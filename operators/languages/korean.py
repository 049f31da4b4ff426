# SPDX-License-Identifier: GPL-3.0-or-later
"""Korean."""

MESSAGES: dict[str, str] = {}
