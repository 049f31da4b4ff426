# SPDX-License-Identifier: GPL-3.0-or-later
"""What Poselift's panels share: their tab, and Blender's two columns of labels and values."""

from __future__ import annotations

from typing import Any

import bpy

TAB = "Poselift"


class SidebarPanel:
    """A panel in the tab Poselift of the 3D view's sidebar."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = TAB


class RowList:
    """A list whose items are drawn by `draw_row`."""

    def draw_row(self, context: bpy.types.Context, layout: Any, item: Any) -> None:
        """Draw one item."""
        raise NotImplementedError

    def draw_item(
        self,
        context: bpy.types.Context,
        layout: bpy.types.UILayout,
        _data: Any,
        item: Any,
        _icon: int | None,
        _active_data: Any,
        _active_property: str | None,
        _index: int | None = 0,
        _flag: int | None = 0,
    ) -> None:
        """Draw one item; Blender counts the arguments."""
        self.draw_row(context, layout, item)


def properties(panel: Any) -> Any:
    """Return a panel's layout, with labels and values in two columns, as Blender's own panels have them."""
    layout = panel.layout
    layout.use_property_split = True
    layout.use_property_decorate = False
    return layout
