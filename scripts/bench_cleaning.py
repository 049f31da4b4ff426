#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what cleaning repairs, and what it breaks, on motion capture that random cameras see.

    python scripts/bench_cleaning.py ARCHIVE.npz [--noise 4] [--views 2] [--seed 0]

Prints false alarms on exact and on noisy tracks at several frame rates, the error of broken tracks after cleaning as a
ratio to that of the noise alone, how filled gaps of each length fare, and the time for 100,000 frames. Without the
archive, it measures the sample maker's walking figure.
"""
