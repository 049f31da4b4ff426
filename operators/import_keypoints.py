# SPDX-License-Identifier: GPL-3.0-or-later
"""File > Import > Keypoints: read a clip's tracks and show in the sidebar what was found."""

# No postponed annotations here: Blender reads the properties from the classes' annotations.
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from bpy_extras.io_utils import ImportHelper

from ..core import readers
from ..core.errors import ImageSizeNeededError, PoseliftError
from ..core.layouts import LAYOUTS
from ..core.readers.source import numbered_files
from ..scene.jobs import Progress
from .languages import told
from .modal import JobOperator
from .reports import cancelled
from .settings import settings_of
from .source import Found, found_in, remember

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
LAYOUT_ITEMS = (("auto", "By Content", "Tell the layout by names and geometry"), *((name, name, "") for name in LAYOUTS))


class POSELIFT_OT_import_keypoints(bpy.types.Operator, ImportHelper):
    """Read 2D keypoints of people: files and folders of pose detectors, tables, or a Poselift track"""

    bl_idname = "poselift.import_keypoints"
    bl_label = "Import Keypoints"
    bl_options = {"REGISTER", "UNDO"}

    if TYPE_CHECKING:
        filepath: str

    filename_ext = ".json"
    filter_glob: bpy.props.StringProperty(default=";".join(f"*{e}" for e in readers.ENDINGS), options={"HIDDEN"})
    directory: bpy.props.StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
    files: bpy.props.CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})
    extent: bpy.props.EnumProperty(name="Read", description="What belongs to the clip", items=EXTENTS, default="AUTO")
    file_format: bpy.props.EnumProperty(name="Format", description="Format of the files", items=FORMATS, default="auto")
    layout: bpy.props.EnumProperty(name="Layout", description="What the keypoints are", items=LAYOUT_ITEMS, default="auto")
    image_width: bpy.props.IntProperty(
        name="Image Width",
        description="Width of the footage in pixels, for files that need it to be told; 0: the file's",
        min=0,
        max=65536,
        options={"SKIP_SAVE"},
    )
    image_height: bpy.props.IntProperty(
        name="Height",
        description="Height of the footage in pixels, for files that need it to be told; 0: the file's",
        min=0,
        max=65536,
        options={"SKIP_SAVE"},
    )

    _in_window = False

    def invoke(  # type: ignore[override] # the stubs say that it returns nothing
        self, context: bpy.types.Context, event: bpy.types.Event
    ) -> "set[OperatorReturnItems]":
        """Open the file browser; what was dropped is read at once."""
        self._in_window = not bpy.app.background and context.window is not None
        if self.directory and any(item.name for item in self.files):
            return self.execute(context)
        browse: Any = ImportHelper.invoke
        return browse(self, context, event)

    def execute(self, _context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Read: beside the window where the user chose the files there, else before returning."""
        chosen, extent = chosen_path(self.filepath, self.directory, [item.name for item in self.files], self.extent)
        names = ("file_format", "layout", "image_width", "image_height")
        options = {"filepath": str(chosen), "extent": extent} | {name: getattr(self, name) for name in names}
        ops: Any = bpy.ops
        if self._in_window:
            ops.poselift.read_keypoints("INVOKE_DEFAULT", **options)
            return {"CANCELLED"}  # the step that can be undone is that of the reading
        return read_now(self, options)


def read_now(operator: Any, options: dict[str, Any]) -> "set[OperatorReturnItems]":
    """Read before returning, and tell by an operator what the reading tells."""
    ops: Any = bpy.ops
    try:
        return ops.poselift.read_keypoints("EXEC_DEFAULT", **options)
    except RuntimeError as error:  # that is how Blender hands on the error that was told
        for line in str(error).removeprefix("Error: ").strip().splitlines():
            operator.report({"ERROR"}, line)
            break
        return {"CANCELLED"}


class POSELIFT_OT_read_keypoints(JobOperator, bpy.types.Operator):
    """Read keypoints and note in the scene what they are"""

    bl_idname = "poselift.read_keypoints"
    bl_label = "Read Keypoints"
    bl_options = {"UNDO", "INTERNAL"}

    filepath: bpy.props.StringProperty(options={"HIDDEN"})
    extent: bpy.props.EnumProperty(items=EXTENTS, default="AUTO", options={"HIDDEN"})
    file_format: bpy.props.StringProperty(default="auto", options={"HIDDEN"})
    layout: bpy.props.StringProperty(default="auto", options={"HIDDEN"})
    image_width: bpy.props.IntProperty(options={"HIDDEN"})
    image_height: bpy.props.IntProperty(options={"HIDDEN"})

    def prepare(self, _context: bpy.types.Context) -> Callable[[Progress], Found]:
        """Return the work: find out what belongs to the clip, read it, and sum up who is in it."""
        chosen, extent = Path(self.filepath), self.extent
        size = (self.image_width, self.image_height)
        options = {"file_format": self.file_format, "layout": self.layout, "image_size": size if all(size) else None}

        def work(progress: Progress) -> Found:
            path = clip_of(chosen, extent)
            tracks = readers.read(path, **options, progress=lambda share: progress(0.95 * share, "read"))
            progress(0.95, "read")
            return found_in(path, tracks, options)

        return work

    def take(self, context: bpy.types.Context, result: Found) -> str:
        """Note what was found."""
        settings = settings_of(context)
        remember(settings, result)
        people = f"{len(result.tracks)} people" if len(result.tracks) > 1 else "1 person"
        return f"{result.path.name}: {people}, {settings.detected}"

    def failed(self, context: bpy.types.Context, error: Exception) -> "set[OperatorReturnItems]":
        """Tell what went wrong, or ask for what is missing."""
        if isinstance(error, ImageSizeNeededError):
            return self._ask_for_size(context, Path(self.filepath), error)
        return super().failed(context, error)

    def _ask_for_size(self, context: bpy.types.Context, path: Path, error: PoseliftError) -> "set[OperatorReturnItems]":
        """Open a dialog where there is a window; without one, say what to give."""
        if bpy.app.background or context.window is None:
            return cancelled(self, error)
        options = {"filepath": str(path), "file_format": self.file_format, "layout": self.layout, "extent": self.extent}
        ops: Any = bpy.ops
        ops.poselift.give_image_size("INVOKE_DEFAULT", **options)
        return {"CANCELLED"}


class POSELIFT_OT_give_image_size(bpy.types.Operator):
    """Read keypoints that are shares of the image, whose size only you know"""

    bl_idname = "poselift.give_image_size"
    bl_label = "Image Size of the Footage"
    bl_options = {"INTERNAL"}

    filepath: bpy.props.StringProperty(options={"HIDDEN"})
    extent: bpy.props.EnumProperty(items=EXTENTS, default="AUTO", options={"HIDDEN"})
    file_format: bpy.props.StringProperty(default="auto", options={"HIDDEN"})
    layout: bpy.props.StringProperty(default="auto", options={"HIDDEN"})
    image_width: bpy.props.IntProperty(
        name="Width", description="Width of the footage in pixels", default=1920, min=4, max=65536
    )
    image_height: bpy.props.IntProperty(
        name="Height", description="Height of the footage in pixels", default=1080, min=4, max=65536
    )

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> "set[OperatorReturnItems]":
        """Ask."""
        return context.window_manager.invoke_props_dialog(self)

    def draw(self, _context: bpy.types.Context) -> None:
        """Draw why, and the two fields."""
        layout = self.layout
        layout.label(text=told(f"{Path(self.filepath).name} has shares of the image, not pixels"))
        layout.use_property_split = True
        column = layout.column(align=True)
        column.prop(self, "image_width")
        column.prop(self, "image_height")

    def execute(self, _context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Read again, with the size."""
        names = ("filepath", "extent", "file_format", "layout", "image_width", "image_height")
        ops: Any = bpy.ops
        ops.poselift.read_keypoints("INVOKE_DEFAULT", **{name: getattr(self, name) for name in names})
        return {"FINISHED"}


def chosen_path(filepath: str, directory: str, files: list[str], extent: str) -> tuple[Path, str]:
    """Return the file or folder that the file browser names, and how much of it is meant: one of `EXTENTS`.

    Several files mean their folder. Nothing is looked up on the disk but whether a folder was chosen.
    """
    names = [name for name in files if name]
    folder = Path(bpy.path.abspath(directory)) if directory else None
    chosen = Path(bpy.path.abspath(filepath)) if filepath else folder / names[0] if folder and names else folder or Path()
    if chosen.is_dir() and not names:
        return chosen, "FILE"
    return chosen, "FOLDER" if extent == "AUTO" and len(names) > 1 else extent


def clip_of(chosen: Path, extent: str) -> Path:
    """Return the clip that a file belongs to: itself, or its folder where it is one of many frames. Needs no Blender."""
    if extent == "FOLDER" or (extent == "AUTO" and _is_one_of_many(chosen)):
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


class POSELIFT_FH_keypoints(bpy.types.FileHandler):
    """Keypoint files that are dropped onto a 3D viewport"""

    bl_idname = "POSELIFT_FH_keypoints"
    bl_label = "Keypoints"
    bl_import_operator = POSELIFT_OT_import_keypoints.bl_idname
    bl_file_extensions = ";".join(readers.ENDINGS)

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        """Take files in 3D viewports only."""
        return context.area is not None and context.area.type == "VIEW_3D"


CLASSES = (POSELIFT_OT_import_keypoints, POSELIFT_OT_read_keypoints, POSELIFT_OT_give_image_size, POSELIFT_FH_keypoints)
