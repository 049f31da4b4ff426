# SPDX-License-Identifier: GPL-3.0-or-later
"""The exceptions that users read. Each message is one sentence that says what is wrong, where, and what to do."""

from __future__ import annotations

from pathlib import Path


class PoseliftError(Exception):
    """Base of all errors that a user is shown as they are."""


class ReadError(PoseliftError):
    """A file cannot be read as keypoints.

    `path` is the file at fault and `place` where in it (a frame, a person, a key), for the message and for programs.
    """

    def __init__(self, message: str, path: str | Path | None = None, place: str = "") -> None:
        self.path = None if path is None else Path(path)
        self.place = place
        where = ", ".join(str(part) for part in (self.path, place) if part)
        super().__init__(f"{where}: {message}" if where else message)


class ImageSizeNeededError(ReadError):
    """A file has shares of an image whose size it does not say; whoever asks the user can read it again with the size."""


class TrackError(PoseliftError):
    """A keypoint track has the wrong shape, no usable keypoints, or lacks what is needed to go on."""


class SkeletonError(PoseliftError):
    """A skeleton is not a tree, or does not fit the data it is used with."""


class CameraError(PoseliftError):
    """Intrinsics or extrinsics are impossible (no focal length, no image size, not a rotation)."""


class WeightsError(PoseliftError):
    """A weights file is missing, damaged, or made for something else."""


class TorchMissingError(PoseliftError):
    """PyTorch cannot be imported, so nothing can be lifted."""


class DeviceError(PoseliftError):
    """The requested device does not exist on this machine."""


class SettingsError(PoseliftError):
    """A setting is out of range or contradicts another."""


class OutputError(PoseliftError):
    """A result cannot be written (unknown ending, no such folder, no space)."""


class RigError(PoseliftError):
    """An armature cannot take the motion (a bone is missing, nothing could be keyed)."""


class CancelledError(PoseliftError):
    """The user stopped the work; nothing was written."""
