# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors as the user is told them: one sentence, and the operator is cancelled."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from ..core.errors import CancelledError, PoseliftError
from .languages import told

if TYPE_CHECKING:
    from bpy.stub_internal.rna_enums import OperatorReturnItems


def tell(operator: Any, level: str, text: str) -> None:
    """Tell the user something in the user's language; level: 'INFO', 'WARNING' or 'ERROR'."""
    operator.report({level}, told(text))


def allowed(operator: Any, reason: str) -> bool:
    """Return whether an operator's class can run now; where it cannot, its button tells the reason."""
    if reason:
        operator.poll_message_set(told(reason))
    return not reason


def cancelled(operator: Any, error: Exception) -> set[OperatorReturnItems]:
    """Tell what went wrong, and return that the operator is cancelled.

    An error that was not made for users is told by its name, with the traceback on the console.
    """
    if isinstance(error, CancelledError):
        tell(operator, "INFO", str(error))
    elif isinstance(error, PoseliftError):
        tell(operator, "ERROR", str(error))
    else:
        traceback.print_exception(error)
        tell(operator, "ERROR", f"Poselift failed: {type(error).__name__}: {error} (details are on the console).")
    return {"CANCELLED"}
