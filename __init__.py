# SPDX-License-Identifier: GPL-3.0-or-later
"""Poselift: 2D keypoint tracks to an animated armature and a matching camera.

Importing this package needs neither Blender nor torch: both are imported by the parts that use them.
"""


def register() -> None:
    """Register the operators, panels, preferences and the command line with Blender, unless another copy of Poselift has."""
    from . import operators, ui

    if operators.another_is_registered():
        return
    operators.register()
    ui.register()


def unregister() -> None:
    """Undo `register`, in reverse order."""
    from . import operators, ui

    ui.unregister()
    operators.unregister()
