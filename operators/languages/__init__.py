# SPDX-License-Identifier: GPL-3.0-or-later
"""What Poselift says, in the user's language, by Blender's own translations.

Labels and tooltips are looked up by Blender. A sentence with numbers or names in it is looked up as its template, in which
`{}` stands for each of them: English is composed everywhere as Python composes text, and taken apart here, so that neither
the core nor the command line has to know of languages.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from ...core.rig.families import FAMILIES
from . import japanese, japanese_errors, korean, korean_errors

LANGUAGES: dict[str, dict[str, str]] = {
    "ja_JP": japanese.MESSAGES | japanese_errors.MESSAGES,
    "ko_KR": korean.MESSAGES | korean_errors.MESSAGES,
}
"""By Blender's name of the language: English message -> its translation. Both have as many `{}`."""
OF_RIGS = ("Bones named as in {}", "Names as in {}")
"""Tooltips of choices, which Blender looks up whole, for every family of rigs."""
OWN = "Poselift"
"""Context of labels that Blender's own translations take for something else: its Feet are a unit, its Lift is a colour's."""
CONTEXTS = ("*", "Operator", OWN)
"""Blender looks for operators' labels in a context of their own."""
DEPTH = 3
"""How deep a value in a sentence is a sentence itself."""


def table() -> dict[str, dict[tuple[str, str], str]]:
    """Return the translations as Blender takes them: language -> (context, message) -> translation."""
    return {
        language: {
            (context, message): text for message, text in (messages | _rig_lines(messages)).items() for context in CONTEXTS
        }
        for language, messages in LANGUAGES.items()
    }


def _rig_lines(messages: dict[str, str]) -> dict[str, str]:
    """Return the tooltips of rigs with their translations, without `translated`: its patterns take 20 ms to compile."""
    labels = [family.label for family in FAMILIES.values()]
    named = [messages.get(label, label) if " " in label else label for label in labels]  # as `_value`
    return {line.format(a): messages[line].format(b) for line in OF_RIGS for a, b in zip(labels, named, strict=True)}


def told(text: str) -> str:
    """Return an English sentence of ours in the language of Blender's interface; itself where there is no translation."""
    import bpy

    translations: Any = bpy.app.translations
    view: Any = bpy.context.preferences.view if bpy.context.preferences else None
    if view is None or not view.use_translate_interface or translations.locale not in LANGUAGES:
        return text
    return translated(text, translations.locale)


@lru_cache(4096)
def translated(text: str, language: str, depth: int = 0) -> str:
    """Return a sentence in a language that we have; itself where it has no translation."""
    messages = LANGUAGES.get(language, {})
    if text in messages:
        return messages[text]
    if depth > DEPTH:
        return text
    for template, pattern in _templates(language):
        found = pattern.fullmatch(text)
        if found:
            values = [_value(value, language, depth) for value in found.groups()]
            return messages[template].format(*values)
    where, colon, rest = text.partition(": ")  # "file, place: what is wrong"
    if colon:
        told_rest = translated(rest, language, depth + 1)
        if told_rest != rest:
            return f"{_told_place(where, language)}: {told_rest}"
    if ", " in text:
        return ", ".join(translated(part, language, depth + 1) for part in text.split(", "))
    return text


def _told_place(where: str, language: str) -> str:
    """Translate 'file, frame 3, person 2' but for the file's name, which may be a word of ours."""
    file, *places = where.split(", ")
    return ", ".join([file, *(translated(place, language) if _COUNTER.fullmatch(place) else place for place in places)])


def _value(value: str, language: str, depth: int) -> str:
    """Translate a value that is a sentence of its own; names and numbers stay as they are."""
    return translated(value, language, depth + 1) if " " in value else value


@lru_cache(8)
def _templates(language: str) -> list[tuple[str, re.Pattern[str]]]:
    """Return the messages that have values in them: those that begin with a word of their own first, then by their length."""
    templates = [message for message in LANGUAGES[language] if _PLACE.search(message)]
    templates.sort(key=lambda message: (message.startswith("{"), -len(_PLACE.sub("", message))))
    return [(message, _pattern(message)) for message in templates]


def _pattern(template: str) -> re.Pattern[str]:
    if _COUNTED.fullmatch(template):
        first = value = r"([\d.]+)"
    else:
        first, value = (_NO_PLACE if template.startswith("{") else "(.*?)"), "(.*?)"
    start, *rest = (re.escape(part) for part in _PLACE.split(template))
    return re.compile(first.join((start, value.join(rest))), re.DOTALL)


_COUNTED = re.compile(r"\{\} [a-z ]+|[a-z ]+ \{\}")
"""Messages of a few words, such as '{} frames', whose value is a number: else they would be found in whole sentences."""
_COUNTER = re.compile(r"[a-z]+ \d+")
_NO_PLACE = "((?:(?!: ).)*?)"
"""A value that begins a sentence: not what is before it, as in 'file, place: 3 scores for 4 keypoints.'"""
_PLACE = re.compile(r"\{\d*\}")
