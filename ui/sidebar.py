# SPDX-License-Identifier: GPL-3.0-or-later
"""What Poselift's panels share: their tab, and Blender's two columns of labels and values."""

from __future__ import annotations

from typing import Any

TAB = "Poselift"


class SidebarPanel:
    """A panel in the tab Poselift of the 3D view's sidebar."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = TAB


def properties(panel: Any) -> Any:
    """Return a panel's layout, with labels and values in two columns, as Blender's own panels have them."""
    layout = panel.layout
    layout.use_property_split = True
    layout.use_property_decorate = False
    return layout
