# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that the interface says is said in Korean and Japanese too."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from poselift.core import errors
from poselift.core.report import Report
from poselift.operators import languages
from poselift.operators.languages import LANGUAGES, japanese_errors, translated

ROOT = Path(__file__).resolve().parent.parent
NAMES = re.compile(
    r"(human17|Names|Bones named).*|[\d.]+ fps|Y|FPS|CPU|CUDA|Metal|FBX|USD|BVH|2d-only|3d-anchored|paper|PyTorch \{\}"
)
"""What is no word of a language: names of weights, rates, file formats. Tooltips of rig families are made by template."""
PLACE = re.compile(r"\{\d*\}")


def templates(node: ast.expr) -> Iterator[str]:
    """Yield what an expression can say, with {} for values."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    elif isinstance(node, ast.IfExp):
        yield from (*templates(node.body), *templates(node.orelse))
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from templates(value)


def said_in(path: Path) -> Iterator[str]:
    """Yield what a module of the interface says: labels, reports, errors, what a poll finds missing."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Return) and node.value is not None and path.stem == "lift":
            yield from templates(node.value)
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        spoken = {"told": slice(0, 1), "poll_message_set": slice(0, 1), "tell": slice(2, 3), "lines": slice(2, 3)}.get(name)
        if spoken is None and name.endswith("Error"):
            spoken = slice(0, 1)
        for argument in node.args[spoken] if spoken else ():
            yield from templates(argument)
        for keyword in node.keywords:
            if keyword.arg in ("text", "heading"):
                yield from templates(keyword.value)


def interface() -> set[str]:
    """Return what the window's modules say: all of `ui`, and those that register operators. The command line speaks English."""
    shared = [ROOT / "operators" / name for name in ("modal.py", "reports.py")]
    files = [*shared, *(ROOT / "ui").glob("*.py"), *(ROOT / "operators").glob("*.py")]
    window = [path for path in files if path in shared or path.parent.name == "ui" or "\nCLASSES = " in path.read_text("utf-8")]
    texts = {text for path in window for text in said_in(path)}
    return {text for text in texts if re.search("[A-Za-z]{2}", PLACE.sub("", text))}


def known_to_blender(bpy) -> set[str]:
    """Return labels, descriptions and choices of every class of ours that is registered."""
    found = set()
    kinds = (bpy.types.Operator, bpy.types.Panel, bpy.types.AddonPreferences, bpy.types.PropertyGroup)
    for kind in kinds:
        inherited = {prop.identifier for prop in kind.bl_rna.properties} - {"name"}
        for part in (part for part in kind.__subclasses__() if "poselift" in part.__module__ and part.is_registered):
            if kind in kinds[:2]:
                found |= {part.bl_label, part.__doc__}
            for prop in part.bl_rna.properties:
                if prop.identifier in inherited or prop.is_hidden or prop.type in ("COLLECTION", "POINTER"):
                    continue
                if prop.identifier == "name" and kind is not bpy.types.Operator:
                    continue
                found |= {prop.name, prop.description}
                if prop.type == "ENUM" and prop.identifier not in ("layout", "file_format"):
                    found |= {text for item in prop.enum_items for text in (item.name, item.description)}
    return {text for text in found if text}


OF_BLENDER = {"Name", "Name of the preset, used to make the path name", "File Path", "Filepath used for exporting the file"}
OF_BLENDER |= {"Filepath used for importing the file", "Check Existing", "Check and warn on overwriting existing files"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_label_tooltip_choice_report_and_error_of_the_interface_is_translated(addon, language):
    messages = LANGUAGES[language]
    wanted = interface() | known_to_blender(addon) - OF_BLENDER
    labels = {family.label for family in languages.FAMILIES.values()}
    missing = {text for text in wanted if text not in messages and not NAMES.fullmatch(text) and text not in labels}
    assert sorted(missing) == []


COMMAND_LINE = {
    "core/lifter/evaluation/evaluate.py": "`poselift evaluate` alone measures against motion capture",
    "core/lifter/evaluation/table.py": "the legend of its table",
    "core/lifter/distributed.py": "only torchrun starts several processes",
    "core/lifter/logs.py": "only `train --log-dir` writes TensorBoard logs",
    "core/skeleton_file.py": "only `train --skeleton` reads skeletons",
    "core/rig/motion_file.py": "only `poselift retarget` reads motions from files",
    "scene/files.py": "only the command line opens a Blender file; in the window one is open",
    "scene/retarget_files.py": "only `poselift retarget` reads characters and sources from files",
    "operators/__init__.py": "said while Poselift is being enabled: its translations are not registered yet",
    "operators/batch.py": "many clips at once, in processes",
    "operators/journal.py": "what a batch keeps for going on",
    "operators/character_options.py": "options, which the window has buttons for",
    "operators/lift_outputs.py": "the files of `poselift lift`",
    "operators/command_line.py": "the command line itself",
    "operators/evaluate_command.py": "a command",
    "operators/lift_command.py": "a command",
    "operators/retarget_command.py": "a command",
    "operators/train_command.py": "a command; what stops a run that the window starts is raised in the core",
}
"""What the window cannot say, and why: the only modules that may speak English alone."""
COMPOSED = {
    "cannot be written: {} ({} MB are free there)",
    "Training stopped",
    "column {}",
    "Training stopped in the {}'s step {} of {}; {} is kept, to go on from.",
} | {
    f"it is no humanoid: its trunk does not stand on its legs; {what}"
    for what in ("correct the mapping.", "choose another family, or set the bones in the mapping.")
}
"""Messages whose parts are in several places of the source."""


def written_in(path: Path) -> tuple[set[str], set[str]]:
    """Return what a module may say to people, which is every error and every sentence but docstrings; and all its texts."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    ours = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, errors.PoseliftError)}
    silent = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    silent |= {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    said, texts = set(), set()
    for node in nodes:
        if isinstance(node, (ast.Constant, ast.JoinedStr)) and id(node) not in silent:
            texts |= set(templates(node))
        if isinstance(node, ast.Call) and node.args and getattr(node.func, "id", "") in ours:
            said |= set(templates(node.args[0]))
    return {text for text in said | {text for text in texts if text.endswith(".")} if " " in text}, texts


def without_place(message: str) -> str:
    """Return a message without the '{}: ' that names what is wrong: it is translated apart from that."""
    return message.removeprefix("{}: ")


def modules() -> dict[str, Path]:
    paths = [*(ROOT / "core").rglob("*.py"), *(ROOT / "scene").rglob("*.py"), *(ROOT / "operators").glob("*.py")]
    return {path.relative_to(ROOT).as_posix(): path for path in sorted(paths)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_error_and_note_that_the_window_can_tell_is_translated(language):
    messages = LANGUAGES[language]
    missing = {
        f"{name}: {text}"
        for name, path in modules().items()
        if name not in COMMAND_LINE
        for text in written_in(path)[0]
        if text not in messages and without_place(text) not in messages and re.search("[A-Za-z]{2}", PLACE.sub("", text))
        if not text.startswith("--")  # options contradict each other on the command line alone
    }
    assert sorted(missing) == []


def test_what_speaks_english_alone_exists_and_says_something():
    assert [name for name in COMMAND_LINE if name not in modules() or not written_in(modules()[name])[0]] == []


def test_no_translation_is_of_an_error_that_is_gone():
    texts = {form for path in modules().values() for text in written_in(path)[1] for form in (text, without_place(text))}
    assert sorted(set(japanese_errors.MESSAGES) - texts - COMPOSED) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_is_taken_for_itself_and_for_no_other(language):
    for message, text in LANGUAGES[language].items():
        values = [str(11 + n) for n in range(len(PLACE.findall(message)))]
        assert translated(message.format(*values), language) == text.format(*values)


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_error_is_translated_behind_the_file_and_the_place_it_names(language):
    for message in japanese_errors.MESSAGES:
        values = [str(11 + n) for n in range(len(PLACE.findall(message)))]
        error = errors.ReadError(message.format(*values), "C:\\walks, cut\\it's no walk.json", "frame 3, person 2, left_eye")
        place = {"ja_JP": "フレーム 3, 人物 2, left_eye", "ko_KR": "프레임 3, 인물 2, left_eye"}[language]
        expected = errors.ReadError(LANGUAGES[language][message].format(*values), error.path, place)
        assert translated(str(error), language) == str(expected)


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_have_the_values_of_their_messages_and_are_in_the_script_of_the_language(language):
    script = {"ja_JP": "[\u3040-\u30ff\u4e00-\u9fff]", "ko_KR": "[\uac00-\ud7a3]"}[language]
    for message, text in LANGUAGES[language].items():
        count = len(PLACE.findall(message))
        places = PLACE.findall(text)
        assert len(places) == count, message
        assert set(places) <= {"{}"} or sorted(places) == [f"{{{n}}}" for n in range(count)], message
        assert re.search(script, text) or NAMES.fullmatch(message), message
        text.format(*range(count))


def test_both_languages_have_the_same_messages():
    assert list(LANGUAGES["ja_JP"]) == list(LANGUAGES["ko_KR"])


def test_a_sentence_with_values_is_taken_apart_and_put_together_again():
    assert translated("Mapped 3 of 17 keypoints", "ja_JP") == "17 個中 3 個のキーポイントを割り当てました"
    assert translated("Import keypoints first", "ko_KR") == "먼저 키포인트를 가져오세요"
    assert translated("walk: 2 people, body_25, 300 frames, 29.97 fps", "ko_KR") == "walk: 2명, body_25, 300 프레임, 29.97 fps"
    assert translated("a sentence that nobody has translated", "ja_JP") == "a sentence that nobody has translated"


def test_every_line_of_a_report_is_translated():
    report = Report(
        source="walk", person="1", frames=10, fps="30", camera_mode="static", camera="640 x 480, focal length 500 px, field of "
        "view 60.0 degrees (given field of view)", foot_slide=0.2, frames_in_contact=4, cleaned={"low scores": 3},
        frames_without_person=2, spans_without_evidence=[[1, 2]], mirrored_frames=1, worst_frames=[3],
    )  # fmt: skip
    for language in LANGUAGES:
        for line in report.lines():
            assert translated(line, language) != line


def test_blender_gets_every_message_in_the_contexts_in_which_it_looks(addon):
    table = languages.table()
    for language in LANGUAGES:
        assert table[language]["Operator", "Lift to 3D"] == LANGUAGES[language]["Lift to 3D"]
        assert table[language]["*", "Names as in Mixamo"] != "Names as in Mixamo"
    translations = addon.app.translations
    if addon.app.build_options.international:  # the module bpy is not
        assert translations.pgettext_iface("Lift to 3D", "Operator") == translated("Lift to 3D", translations.locale)
