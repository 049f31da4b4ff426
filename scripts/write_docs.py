#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write every command's options into docs/command-line.md, between its marks, from the parsers themselves."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from poselift.operators.command_line import build_parser

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "command-line.md"
START, END = "<!-- Written by make docs, from here -->", "<!-- to here -->"
HIDDEN = ("lift-worker",)
"""Commands that Poselift starts itself."""


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of a parser's commands by name."""
    [found] = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return {name: command for name, command in found.choices.items() if name not in HIDDEN}


def options(parser: argparse.ArgumentParser) -> str:
    """Return all commands and their options as Markdown."""
    return "\n\n".join(part for name, command in commands(parser).items() for part in _command(name, command))


def _command(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f"## poselift {name}"
    yield str(parser.description)
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if action.help != argparse.SUPPRESS and action.dest != "help"]
        if not actions:
            continue
        if group.title not in ("positional arguments", "options"):
            yield f"**{str(group.title).capitalize()}**{f' ({group.description})' if group.description else ''}"
        yield "\n".join(["| | |", "|---|---|", *(f"| {_written(action)} | {_help(action, parser)} |" for action in actions)])


def _written(action: argparse.Action) -> str:
    """Return how an option is written, with its value."""
    value = "" if action.nargs == 0 else _value(action)
    if not action.option_strings:
        return f"`{value}`"
    return ", ".join(f"`{option}{' ' * bool(value)}{value}`" for option in action.option_strings)


def _value(action: argparse.Action) -> str:
    name = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    name = "{…}" if action.choices is not None and action.metavar is None else name
    return f"{name} …" if action.nargs in ("+", "*") else name


def _help(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    """Return an option's help, filled in, with what may be chosen."""
    text = parser._get_formatter()._expand_help(action) if action.help else ""
    if action.choices is not None:
        text = f"{text}{': ' * bool(text)}{', '.join(f'`{choice}`' for choice in action.choices)}"
    if action.required and action.option_strings:
        text += " (needed)"
    return text.replace("|", "\\|").replace("<", "&lt;")


def page(text: str) -> str:
    """Return the page with its generated part made anew."""
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n\n{options(build_parser())}\n\n{END}{after}"


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
