# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lift has to say about itself: numbers, warnings and repairs, as text and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Report:
    """Facts about one lift, filled stage by stage.

    Reprojection errors are pixels (`by_joint` has medians). `focal_uncertainty` is a standard deviation in percent, None where
    the focal length was known; `camera_scale` by how much a scene camera's path would have to be stretched for feet to stand
    still, None where it fits; `jitter` the mean jerk of the joints, m/s3; `foot_slide` the median speed of feet in contact,
    cm/s, None without contacts; `spans_without_evidence` the first and last source frames of spans that show nobody. `seconds`
    maps stage names to durations; `cleaned` counts changed keypoints by kind; `worst_frames` are source frame numbers to look
    at. `warnings` ask for something; `notes` only say how it was read.
    """

    source: str = ""
    person: str = ""
    frames: int = 0
    fps: str = ""
    weights: str = ""
    device: str = ""
    camera: str = ""
    camera_mode: str = ""
    actor_height: float = 0.0
    camera_scale: float | None = None
    reprojection_median: float = 0.0
    reprojection_95: float = 0.0
    reprojection_by_joint: dict[str, float] = field(default_factory=dict)
    focal_uncertainty: float | None = None
    jitter: float = 0.0
    foot_slide: float | None = None
    frames_in_contact: int = 0
    spans_without_evidence: list[list[int]] = field(default_factory=list)
    frames_without_person: int = 0
    mirrored_frames: int = 0
    worst_frames: list[int] = field(default_factory=list)
    cleaned: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return the report as short lines of text."""
        total = sum(self.seconds.values())
        stages = ", ".join(f"{name} {value:.2f}" for name, value in self.seconds.items())
        lines = [
            f"{self.source}, person {self.person}: {self.frames} frames at {self.fps} fps, {self.camera_mode} camera",
            f"reprojection error: median {self.reprojection_median:.1f} px, 95 % within {self.reprojection_95:.1f} px",
            f"camera: {self.camera}",
            f"weights {self.weights} on {self.device}; {total:.2f} s ({stages})",
        ]
        if self.foot_slide is not None:
            lines.append(
                f"feet stand in {self.frames_in_contact} frames, where they slide by {self.foot_slide:.1f} cm/s in the median"
            )
        if self.cleaned:
            lines.append("cleaned: " + ", ".join(f"{count} {kind}" for kind, count in self.cleaned.items()))
        if self.frames_without_person:
            spans = ", ".join(
                f"{first} to {last}" if last > first else str(first) for first, last in self.spans_without_evidence
            )
            lines.append(f"{self.frames_without_person} frames show nobody ({spans}); the pose there is carried over time")
        if self.mirrored_frames:
            lines.append(f"{self.mirrored_frames} frames were mirrored in depth, so that knees and elbows bend the right way")
        if self.worst_frames:
            lines.append("frames to look at: " + ", ".join(map(str, self.worst_frames)))
        return lines + [f"note: {text}" for text in self.notes] + [f"warning: {text}" for text in self.warnings]
