# SPDX-License-Identifier: GPL-3.0-or-later
"""One file per user action: settings -> core -> scene -> report. Importing this needs no Blender; `register` does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# What unregister() calls, in the order of registration. Not empty: registered.
_undo: list[Callable[[], object]] = []


def another_is_registered() -> bool:
    """Say whether Poselift is enabled from another of Blender's repositories too, and if so, say it on the console.

    Two would take each other's names, and the one that is disabled first would leave the other in pieces.
    """
    import bpy

    found = not _undo and hasattr(bpy.types.Scene, "poselift")
    if found:
        from .terminal import say

        say("Poselift is enabled already, from another repository; disable that one, then enable this one.")
    return found


def register() -> None:
    """Register properties, operators, the import menu's entry and Blender's command `poselift`. Twice is once."""
    if _undo:
        return
    import bpy

    from . import (
        export,
        footage,
        go_to_frame,
        import_clip,
        import_keypoints,
        joints,
        languages,
        lift,
        own_weights,
        people,
        presets,
        preview,
        retarget,
        retarget_settings,
        settings,
        torch_hint,
        torch_install,
        torch_state,
        train,
        training_settings,
        weights_place,
    )
    from .torch_place import activate

    blender: Any = bpy  # its type stubs know neither added properties nor what these functions return
    try:
        blender.app.translations.register(__name__, languages.table())
        _undo.append(lambda: blender.app.translations.unregister(__name__))
        modules: tuple[Any, ...] = (
            settings,
            footage,
            go_to_frame,
            import_keypoints,
            import_clip,
            people,
            joints,
            lift,
            preview,
            retarget_settings,
            retarget,
            presets,
            export,
        )
        modules += (torch_hint, torch_install, torch_state, training_settings, own_weights, train)
        for part in (part for module in modules for part in module.CLASSES):
            blender.utils.register_class(part)
            _undo.append(lambda part=part: blender.utils.unregister_class(part))
        blender.types.Scene.poselift = blender.props.PointerProperty(type=settings.PoseliftSettings)
        _undo.append(lambda: delattr(blender.types.Scene, "poselift"))
        blender.types.Scene.poselift_retarget = blender.props.PointerProperty(type=retarget_settings.PoseliftRetargetSettings)
        _undo.append(lambda: delattr(blender.types.Scene, "poselift_retarget"))
        blender.types.Scene.poselift_training = blender.props.PointerProperty(type=training_settings.PoseliftTrainingSettings)
        _undo.append(lambda: delattr(blender.types.Scene, "poselift_training"))
        menu = blender.types.TOPBAR_MT_file_import
        menu.append(import_keypoints.draw_menu)
        _undo.append(lambda: menu.remove(import_keypoints.draw_menu))
        activate()
        weights_place.activate()
        command = blender.utils.register_cli_command("poselift", _run_command)
        _undo.append(lambda: blender.utils.unregister_cli_command(command))
    except BaseException:
        unregister()
        raise


def unregister() -> None:
    """Undo `register`, last things first, and stop what still runs."""
    if not _undo:
        return
    from . import session

    session.end()
    while _undo:
        _undo.pop()()


def _run_command(arguments: list[str]) -> int:
    from .command_line import run_in_blender

    return run_in_blender(arguments)
