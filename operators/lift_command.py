# SPDX-License-Identifier: GPL-3.0-or-later
"""`poselift lift`: keypoint files to .npz, .blend and what other programs read, one or many."""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

from ..core.errors import OutputError, PoseliftError, SettingsError
from ..core.motion.motion import Motion
from ..core.pipeline import LiftSettings, lift
from ..core.readers import find_clips, read
from ..core.track import KeypointTrack
from .terminal import DONE, FAILED, progress_bar, say, show

ENDINGS = (".blend", ".bvh", ".fbx", ".glb", ".usd", ".npz")


def lift_inputs(options: argparse.Namespace) -> int:
    """Lift every input and write the outputs; return the exit status. Raises `PoseliftError` for bad usage alone."""
    settings = LiftSettings(
        camera_mode=options.camera,
        actor_height=options.height,
        device=options.device,
        weights=options.weights,
        fps=options.fps,
        image_size=options.size,
        fov=options.fov,
        smoothing=options.smoothing,
    )
    clips, reports = _clips(options.inputs)
    outputs = _outputs([clip for clip in clips if clip is not None], Path(options.output), f".{options.to}")
    needs_blender = bool(options.preview) or any(output.suffix != ".npz" for output in outputs.values())
    if needs_blender and not importlib.util.find_spec("bpy"):
        raise OutputError(
            "only .npz can be written without Blender; run this in Blender, or install its module: pip install bpy."
        )
    for clip, output in outputs.items():
        try:
            for motion in _lift_clip(clip, options, settings):
                target = _target(output, motion, options.person)
                _write(motion, target, Path(options.preview) if options.preview else None, options)
                reports.append({"output": str(target), **motion.report.to_dict()})
                if not options.quiet:
                    say("\n".join([*motion.report.lines(), f"wrote {target}"]))
        except PoseliftError as error:
            reports.append({"source": str(clip), "error": str(error)})
            say(f"poselift: {error}")
    if options.json:
        show(json.dumps(reports, indent=1))
    return FAILED if any("error" in report for report in reports) else DONE


def _clips(names: list[str]) -> tuple[list[Path], list[dict]]:
    """Find the clips of all inputs; inputs that hold none are reported, not raised."""
    clips: list[Path] = []
    reports: list[dict] = []
    for name in names:
        try:
            clips += find_clips(Path(name))
        except PoseliftError as error:
            reports.append({"source": name, "error": str(error)})
            say(f"poselift: {error}")
    return clips, reports


def _outputs(clips: list[Path], output: Path, ending: str) -> dict[Path, Path]:
    """Say which file each clip becomes. Raises `OutputError` where that cannot be."""
    if output.suffix in ENDINGS and not output.is_dir():
        if len(clips) > 1:
            raise OutputError(f"{len(clips)} clips cannot become the one file {output}; give a folder.")
        if not output.parent.is_dir():
            raise OutputError(f"{output}: the folder {output.parent} does not exist; create it first.")
        return dict.fromkeys(clips, output)
    if output.suffix and not output.is_dir():
        raise OutputError(f"{output}: '{output.suffix}' is not one of {', '.join(ENDINGS)}.")
    if clips:
        output.mkdir(parents=True, exist_ok=True)
    named = {clip: output / f"{clip.name if clip.is_dir() else clip.stem}{ending}" for clip in clips}
    if len(set(named.values())) < len(named):
        raise OutputError("two clips have the same name; lift them into different folders.")
    return named


def _lift_clip(clip: Path, options: argparse.Namespace, settings: LiftSettings) -> Iterator[Motion]:
    with progress_bar(clip.name, 1.0, "clip", options.quiet) as bar:
        shown = 0.0

        def show(share: float, stage: str) -> None:
            nonlocal shown
            bar.set_postfix_str(stage, refresh=False)
            bar.update(share - shown)
            shown = share

        tracks = read(clip, file_format=options.format, layout=options.layout, progress=lambda share: show(0.1 * share, "read"))
        for track in _chosen(tracks, options.person):
            shown = 0.0
            yield lift(track, settings, show)


def _chosen(tracks: list[KeypointTrack], person: str) -> list[KeypointTrack]:
    if person == "all":
        return tracks
    if person == "best":
        return tracks[:1]
    chosen = [track for track in tracks if track.person == person]
    if not chosen:
        people = ", ".join(track.person for track in tracks)
        raise SettingsError(f"{tracks[0].source}: there is no person '{person}'; people are {people}.")
    return chosen


def _target(output: Path, motion: Motion, person: str) -> Path:
    return output.with_stem(f"{output.stem}_{motion.person}") if person == "all" else output


def _write(motion: Motion, target: Path, preview: Path | None, options: argparse.Namespace) -> None:
    """Write one motion in its output's format, and a still of it where asked for."""
    if target.suffix == ".npz":
        motion.save(target)
    if target.suffix == ".npz" and preview is None:
        return
    from ..scene import build, export, files, render

    files.new_file()
    built = build.apply(motion, build.BuildSettings(rest=options.rest, names=options.bone_names, tolerance=options.thin))
    if target.suffix != ".npz":
        export.save(target, built.armature)
    if preview is not None:
        frame = build.BuildSettings().frame_start + len(motion) // 2
        render.save_still(preview, built, frame)
