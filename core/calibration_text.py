# SPDX-License-Identifier: GPL-3.0-or-later
"""Calibration files' text as plain trees of dicts, lists, numbers and strings: JSON, TOML, and OpenCV's YAML and XML.

YAML and XML are read as far as OpenCV's FileStorage writes them (and ROS's camera_info, which is plain YAML): nothing is
executed, nothing is fetched, no tag makes an object. Every error is a `ReadError` that names the file and the line.
"""

from __future__ import annotations

import json
import re
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from .errors import ReadError

Tree = Any
"""A dict, list, float, bool or string."""

DEEPEST = 32
"""No calibration nests deeper; hostile files do."""
_KEY = re.compile(r"""("(?:[^"\\]|\\.)*"|'[^']*'|[^\s:#\[\]{},"'][^:#\[\]{},]*?)\s*:(?:\s+|$)""")
_SCALAR_END = re.compile(r"[,\[\]{}]")
_FLOW_KEY = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'[^']*'|[^\s:,\[\]{}"']+)\s*:""")


def parse(text: str, path: Path) -> Tree:
    """Return the tree of a text whose kind its first characters tell. Raises `ReadError`."""
    start = text.lstrip("\ufeff \t\r\n")
    if start.startswith("<"):
        return _xml(start, path)
    if start.startswith("%YAML") or path.suffix.lower() in (".yaml", ".yml"):
        return _Yaml(start, path).parse()
    if path.suffix.lower() == ".toml":
        return _toml(start, path)
    if start.startswith("{") or path.suffix.lower() == ".json":
        return _json(start, path)
    return _toml(start, path)


def _json(text: str, path: Path) -> Tree:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ReadError(f"not complete JSON ({error.msg}); write the file again.", path, place) from error
    except (RecursionError, ValueError) as error:
        raise ReadError("nested too deeply, or with numbers too long, to be a calibration.", path) from error


def _toml(text: str, path: Path) -> Tree:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        reason = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "nested too deeply"
        raise ReadError(f"no calibration that can be read (as TOML: {reason}).", path) from error


def _xml(text: str, path: Path) -> Tree:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ReadError("declares a document type, which no calibration needs and which can do harm: refused.", path)
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise ReadError(f"not complete XML ({error}); write the file again.", path) from error
    return _element(root, path, 0)


def _element(element: ElementTree.Element, path: Path, depth: int) -> Tree:
    if depth > DEEPEST:
        raise ReadError("nested too deeply to be a calibration.", path, element.tag)
    children = list(element)
    if children and all(child.tag == "_" for child in children):
        return [_element(child, path, depth + 1) for child in children]
    if children:
        return {child.tag: _element(child, path, depth + 1) for child in children}
    words = (element.text or "").split()
    values = [scalar(word) for word in words]
    if len(values) > 1 and all(isinstance(value, float) for value in values):
        return values
    return values[0] if len(values) == 1 else " ".join(words).strip('"')


def scalar(word: str) -> float | bool | str:
    """Return a number, a truth value or text, as YAML would."""
    word = word.strip()
    if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'":
        return word[1:-1]
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    try:
        # YAML writes .Nan and .Inf, and Python takes 1_000 for a number.
        return float(word.replace(".Nan", "nan").replace(".Inf", "inf")) if "_" not in word else word
    except ValueError:
        return word


class _Yaml:
    """The block structure by indentation, and flow collections ([..], {..}), which may run over several lines."""

    def __init__(self, text: str, path: Path) -> None:
        self.path = path
        self.lines: list[tuple[int, int, str]] = []  # number, indentation, content
        for number, line in enumerate(text.splitlines(), 1):
            content = _without_comment(line)
            if content.strip() and not content.startswith(("%", "---", "...")):
                spaces = len(content) - len(content.lstrip(" "))
                self.lines.append((number, spaces, content.strip()))
        self.at = 0

    def fail(self, message: str) -> ReadError:
        """Return an error at the current line."""
        number = self.lines[min(self.at, len(self.lines) - 1)][0] if self.lines else 1
        return ReadError(message, self.path, f"line {number}")

    def parse(self) -> Tree:
        if not self.lines:
            raise ReadError("is empty.", self.path)
        tree = self._block(self.lines[0][1], 0)
        if self.at < len(self.lines):
            raise self.fail("the indentation fits nothing above; write the file again.")
        return tree

    def _block(self, indent: int, depth: int) -> Tree:
        if depth > DEEPEST:
            raise self.fail("nested too deeply to be a calibration.")
        if self.lines[self.at][2].startswith(("[", "{")):
            return self._value(self.lines[self.at][2], indent, depth)
        if _is_item(self.lines[self.at][2]):
            return self._sequence(indent, depth)
        return self._mapping(indent, depth)

    def _sequence(self, indent: int, depth: int) -> list[Tree]:
        items: list[Tree] = []
        while self.at < len(self.lines) and self.lines[self.at][1] == indent and _is_item(self.lines[self.at][2]):
            number, _, content = self.lines[self.at]
            rest = content[1:].lstrip()
            if rest and (_KEY.match(rest) or _is_item(rest)):
                inner = indent + len(content) - len(rest)
                self.lines[self.at] = (number, inner, rest)
                items.append(self._block(inner, depth + 1))
            else:
                items.append(self._value(rest, indent, depth))
        return items

    def _mapping(self, indent: int, depth: int) -> dict[str, Tree]:
        entries: dict[str, Tree] = {}
        while self.at < len(self.lines) and self.lines[self.at][1] == indent:
            content = self.lines[self.at][2]
            match = _KEY.match(content)
            if match is None:
                raise self.fail("'key: value' was expected here; the file is damaged or no calibration.")
            entries[match[1].strip("\"'")] = self._value(content[match.end() :], indent, depth)
        return entries

    def _value(self, text: str, indent: int, depth: int) -> Tree:
        """Return the value that starts with `text` on the current line, and go to the line after it."""
        text = re.sub(r"^![^\s\[{]*\s*", "", text)
        if text.startswith(("[", "{")):
            return self._flow(text)
        self.at += 1
        if text:
            return scalar(text)
        if self.at < len(self.lines):
            _, inner, content = self.lines[self.at]
            if inner > indent or (inner == indent and _is_item(content)):
                return self._block(inner, depth + 1)
        return ""

    def _flow(self, text: str) -> Tree:
        parts, level = [text], _balance(text)
        while level > 0:
            self.at += 1
            if self.at >= len(self.lines):
                raise self.fail("a list is not closed: the file is cut off; write it again.")
            parts.append(self.lines[self.at][2])
            level += _balance(parts[-1])
        whole = " ".join(parts)
        value, end = self._flow_value(whole, 0, 0)
        if whole[end:].strip():
            raise self.fail("something follows the end of a list; write the file again.")
        self.at += 1
        return value

    def _flow_value(self, text: str, at: int, depth: int) -> tuple[Tree, int]:
        if depth > DEEPEST:
            raise self.fail("nested too deeply to be a calibration.")
        at += len(text[at:]) - len(text[at:].lstrip()) if text[at : at + 1].isspace() else 0
        if text[at : at + 1] in ("[", "{"):
            return self._flow_collection(text, at, depth)
        if text[at : at + 1] in ('"', "'"):
            end = text.find(text[at], at + 1)
            if end < 0:
                raise self.fail("a quotation mark is not closed; write the file again.")
            return text[at + 1 : end], end + 1
        found = _SCALAR_END.search(text, at)
        end = found.start() if found else len(text)
        return scalar(text[at:end]), end

    def _flow_collection(self, text: str, at: int, depth: int) -> tuple[Tree, int]:
        closing = "]" if text[at] == "[" else "}"
        items: list[Tree] = []
        entries: dict[str, Tree] = {}
        at += 1
        while True:
            while text[at : at + 1].isspace():
                at += 1
            if text[at : at + 1] == closing:
                return (items if closing == "]" else entries), at + 1
            if closing == "}":
                match = _FLOW_KEY.match(text, at)
                if match is None:
                    raise self.fail("'key: value' was expected inside of braces; write the file again.")
                entries[match[1].strip("\"'")], at = self._flow_value(text, match.end(), depth + 1)
            else:
                value, at = self._flow_value(text, at, depth + 1)
                items.append(value)
            while text[at : at + 1].isspace():
                at += 1
            if text[at : at + 1] == ",":
                at += 1
            elif text[at : at + 1] != closing:
                raise self.fail(f"'{closing}' or ',' was expected in a list; write the file again.")


def _is_item(content: str) -> bool:
    return content == "-" or content.startswith("- ")


def _without_comment(line: str) -> str:
    """Return a line up to its comment: a # at its start or after a space, outside of quotation marks."""
    if "#" not in line:
        return line.rstrip()
    quote = ""
    for at, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "#" and (at == 0 or line[at - 1].isspace()):
            return line[:at].rstrip()
    return line.rstrip()


def _balance(text: str) -> int:
    """Return by how many brackets more are opened than closed, outside of quotation marks."""
    plain = re.sub(r""""[^"]*"|'[^']*'""", "", text)
    return sum(plain.count(c) for c in "[{") - sum(plain.count(c) for c in "]}")
