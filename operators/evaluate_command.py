# SPDX-License-Identifier: GPL-3.0-or-later
"""`poselift evaluate`: scores of weights against 3D motion capture."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from ..core.lifter.device import resolve_device
from ..core.lifter.weights import find, load
from .terminal import DONE, progress_bar, show


def evaluate_weights(options: argparse.Namespace) -> int:
    """Print one table per weights; return the exit status."""
    device = resolve_device(options.device)
    from ..core.lifter.evaluation import CONDITIONS, evaluate  # these two import torch
    from ..core.lifter.inference import Lifter

    found = {}
    for name in options.weights:
        lifter = Lifter(load(find(name)), device)
        with progress_bar(name, len(CONDITIONS), "condition") as bar:
            done = 0.0

            def advance(share: float) -> None:
                nonlocal done
                bar.update(share - done)
                done = share

            found[lifter.weights.name] = evaluate(lifter, Path(options.data), options.samples, progress=advance)
    if options.json:
        show(json.dumps({name: [asdict(score) for score in scores] for name, scores in found.items()}, indent=1))
        return DONE
    for name, scores in found.items():
        show(f"{name}: {options.samples} poses of {Path(options.data).name} per row; errors in millimetres")
        show("| condition | network | P-MPJPE | N-MPJPE | PCK@150 | mirrored | P-MPJPE, oracle |")
        show("|---|---|---|---|---|---|---|")
        for s in scores:
            values = f"{s.p_mpjpe:.1f} | {s.n_mpjpe:.1f} | {100 * s.pck:.1f} % | {100 * s.mirrored:.1f} % | {s.oracle:.1f}"
            show(f"| {s.condition} | {s.network} | {values} |")
    return DONE
