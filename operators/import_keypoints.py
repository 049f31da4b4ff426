# SPDX-License-Identifier: GPL-3.0-or-later
"""File > Import > Keypoints: read a clip's tracks and show in the sidebar what was found."""

# No postponed annotations here: Blender reads the properties from the classes' annotations.
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from bpy_extras.io_utils import ImportHelper

from ..core import readers
from ..core.errors import PoseliftError
from ..core.layouts import LAYOUTS
from ..core.readers.source import numbered_files
from . import session
from .settings import remember, settings_of

if TYPE_CHECKING:
    from bpy.stub_internal.rna_enums import OperatorReturnItems

EXTENTS = (
    ("AUTO", "Automatic", "A file that is one frame of many stands for its folder"),
    ("FILE", "File", "The chosen file alone"),
    ("FOLDER", "Folder", "The whole folder, one file per frame"),
)
FORMATS = (
    ("auto", "By Content", "Look at the content to tell the format"),
    *((form.name, form.label, "") for form in readers.FORMATS.values()),
)
LAYOUT_ITEMS = (("auto", "By Content", "Tell the layout by the number of keypoints"), *((name, name, "") for name in LAYOUTS))


class POSELIFT_OT_import_keypoints(bpy.types.Operator, ImportHelper):
    """Read 2D keypoints of people, in whatever their detector wrote: a file, or a folder with one file per frame"""

    bl_idname = "poselift.import_keypoints"
    bl_label = "Import Keypoints"
    bl_options = {"REGISTER", "UNDO"}

    if TYPE_CHECKING:
        filepath: str

    filename_ext = ".json"
    filter_glob: bpy.props.StringProperty(default=";".join(f"*{ending}" for ending in readers.ENDINGS), options={"HIDDEN"})
    directory: bpy.props.StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
    files: bpy.props.CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})
    extent: bpy.props.EnumProperty(name="Read", description="What belongs to the clip", items=EXTENTS, default="AUTO")
    file_format: bpy.props.EnumProperty(name="Format", description="Format of the files", items=FORMATS, default="auto")
    layout: bpy.props.EnumProperty(name="Layout", description="What the keypoints are", items=LAYOUT_ITEMS, default="auto")

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Read, keep the tracks for the session, and note in the scene what they are."""
        manager: Any = context.window_manager
        manager.progress_begin(0, 1)
        try:
            path = clip_path(self.filepath, self.directory, [item.name for item in self.files], self.extent)
            tracks = readers.read(path, file_format=self.file_format, layout=self.layout, progress=manager.progress_update)
        except PoseliftError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        finally:
            manager.progress_end()
        settings = settings_of(context)
        settings.file_format, settings.layout = self.file_format, self.layout
        remember(settings, path, tracks, session.keep(path, tracks))
        people = f"{len(tracks)} people" if len(tracks) > 1 else "1 person"
        self.report({"INFO"}, f"{path.name}: {people}, {settings.detected}")
        return {"FINISHED"}


def clip_path(filepath: str, directory: str, files: list[str], extent: str) -> Path:
    """Return the file or folder that the user meant by what the file browser says.

    Choosing a folder, several files, or one of many frames of OpenPose means the folder, unless `extent` says otherwise.
    """
    names = [name for name in files if name]
    folder = Path(bpy.path.abspath(directory)) if directory else None
    chosen = Path(bpy.path.abspath(filepath)) if filepath else folder / names[0] if folder and names else folder or Path()
    if extent == "FILE" or (chosen.is_dir() and not names):
        return chosen
    if extent == "FOLDER" or len(names) > 1 or _is_one_of_many(chosen):
        return chosen.parent
    return chosen


def draw_menu(menu: bpy.types.Menu, _context: bpy.types.Context) -> None:
    """Draw the entry of File > Import."""
    assert menu.layout is not None
    menu.layout.operator(POSELIFT_OT_import_keypoints.bl_idname, text="Keypoints (Poselift)")


def _is_one_of_many(path: Path) -> bool:
    """Whether a file is one frame of a folder of frames."""
    try:
        frames = path.is_file() and all(readers.FORMATS[readers.detect_format(p)].frames for p in (path, path.parent))
        return frames and len(numbered_files(path.parent, path.suffix)) > 1
    except PoseliftError:
        return False


CLASSES = (POSELIFT_OT_import_keypoints,)
