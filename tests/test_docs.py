# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation says what is: options from the parsers, code that runs, links that lead somewhere, commands that parse."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import write_docs
from make_clip import write_clip
from rigs import SIDED, human_rig, middle, sided

from poselift.core.readers import formats, read
from poselift.core.rig import families, mapping
from poselift.operators.command_line import build_parser

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
EXTENDING = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
PHONE = (ROOT / "docs" / "phone-to-character.md").read_text(encoding="utf-8")
DETECTORS = dict(re.findall(r"<!-- (\S+\.py) -->\n```python\n(.*?)```", PHONE, re.S))
BLOCKS = dict(re.findall(r"<!-- (\S+\.py) -->\n```python\n(.*?)```", EXTENDING, re.S))


def module(path: Path, name: str, package: str = ""):
    """Import a block of the page as a module of a package."""
    path.write_text(BLOCKS[name], encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"{package}.{path.stem}".lstrip("."), path)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_the_options_are_the_parsers():
    text = write_docs.PAGE.read_text(encoding="utf-8")
    assert text == write_docs.page(text), "run make docs"
    assert all(f"## poselift {name}\n" in text for name in ("lift", "inspect", "train", "evaluate", "retarget"))


def test_all_blocks_are_tested_and_short():
    assert set(BLOCKS) == {
        "core/readers/plain.py", "core/readers/formats.py", "core/rig/families/german.py", "my_lifter.py", "my_script.py"
    }  # fmt: skip
    assert EXTENDING.count("```python") == len(BLOCKS)
    assert all(len(block.splitlines()) < 50 for block in BLOCKS.values())


def test_the_reader_of_the_page_reads(tmp_path, monkeypatch):
    plain = module(tmp_path / "plain.py", "core/readers/plain.py", "poselift.core.readers")
    monkeypatch.setitem(sys.modules, plain.__name__, plain)
    known = eval(BLOCKS["core/readers/formats.py"], {"Format": formats.Format})
    monkeypatch.setitem(formats.FORMATS, known.name, known)
    rows = np.random.default_rng(0).uniform(0.1, 900, (6, 17, 3))
    rows[..., 2] = 0.9
    file = tmp_path / "walk.txt"
    lines = [" ".join(f"{value:.3f}" for value in (frame, *row.ravel())) for frame, row in enumerate(rows)]
    file.write_text("#plain keypoints\n" + "\n".join(lines) + "\n")
    assert formats.detect_format(file) == "plain"
    [track] = read(file, layout="coco_17")
    np.testing.assert_allclose(track.keypoints, rows[..., :2], atol=1e-3)
    file.write_text("#plain keypoints\n1 2\n")
    with pytest.raises(plain.ReadError, match="no frame and triples"):
        read(file, layout="coco_17")


def test_the_family_of_the_page_maps_its_rigs(tmp_path, monkeypatch):
    family = module(tmp_path / "german.py", "core/rig/families/german.py", "poselift.core.rig.families").FAMILY
    monkeypatch.setitem(families.FAMILIES, family.name, family)
    parts = ("Schluesselbein", "Oberarm", "Unterarm", "Hand", "Oberschenkel", "Unterschenkel", "Fuss", "Zehen")
    names = middle("Becken", "Wirbel", "Brust", "Hals", "Kopf") | sided("{n}.{s}", "L", "R", parts)
    found = mapping.auto_map(human_rig(names))
    assert found.source == "german" and not found.notes
    assert found.bones["upper_arm.L"] == "Oberarm.L" and found.bones["spine.2"] == "Brust"
    assert len([role for role in found.bones if role.endswith(".R")]) == len(SIDED)


def test_the_lifter_of_the_page_lifts(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    write_clip(tmp_path / "clip", frames=24)
    monkeypatch.chdir(tmp_path)
    lifter = module(tmp_path / "my_lifter.py", "my_lifter.py")
    monkeypatch.setitem(sys.modules, "my_lifter", lifter)
    script = module(tmp_path / "my_script.py", "my_script.py")
    motion = script.motion
    assert (tmp_path / "clip.npz").is_file() and motion.joints_world.shape == (24, 17, 3)
    plane = np.random.default_rng(0).normal(0, 0.1, (5, 17, 2))
    plane -= plane[:, :1]
    pose = script.lifter.lift(plane).pose
    away = script.lifter.weights.config.distance
    np.testing.assert_allclose(pose[..., :2] / (away + pose[..., 2:]), plane, atol=1e-5)
    assert np.abs(pose - super(type(script.lifter), script.lifter).lift(plane).pose).max() > 1e-3


class Found:
    """What detectors' libraries give, for one person: the points of a clip, frame by frame."""

    def __init__(self, points):
        self.points, self.frame = points, -1

    def read(self):
        self.frame += 1
        return self.frame < len(self.points), np.zeros((1080, 1920, 3), np.uint8)


def detect(name: str, monkeypatch, arguments: list[str], **modules) -> None:
    for module_name, fake in modules.items():
        monkeypatch.setitem(sys.modules, module_name, fake)
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    exec(compile(DETECTORS[name], name, "exec"), {"__name__": "__main__"})


def test_what_the_detectors_lines_write_is_read(tmp_path, monkeypatch):
    """The detectors themselves are played: their models are large, and come from the network."""
    rng = np.random.default_rng(1)
    halpe, blaze = (rng.uniform(300, 800, (5, count, 2)) for count in (26, 33))
    source = Found(halpe)
    cv2 = SimpleNamespace(VideoCapture=lambda path: source, CAP_PROP_FPS=5, COLOR_BGR2RGB=4, cvtColor=lambda image, code: image)
    rtmlib = SimpleNamespace(
        BodyWithFeet=object, PoseTracker=lambda *_, **__: lambda image: (halpe[source.frame][None], np.full((1, 26), 0.8))
    )
    output = tmp_path / "walk.json"
    detect("detect_rtmlib.py", monkeypatch, ["walk.mp4", str(output)], cv2=cv2, rtmlib=rtmlib)
    [track] = read(output, layout="halpe_26")
    np.testing.assert_allclose(track.keypoints, halpe)
    assert formats.detect_format(output) == "mmpose" and (track.scores == 0.8).all()

    source = Found(blaze)
    source.get = lambda key: 25.0
    stamps = []

    def landmarks(image, stamp):
        stamps.append(stamp)
        shares = blaze[source.frame] / (1920, 1080)
        return SimpleNamespace(pose_landmarks=[[SimpleNamespace(x=x, y=y, z=0.1, visibility=0.7) for x, y in shares]])

    landmarker = SimpleNamespace(create_from_options=lambda options: nullcontext(SimpleNamespace(detect_for_video=landmarks)))
    mediapipe = SimpleNamespace(
        Image=lambda **_: None,
        ImageFormat=SimpleNamespace(SRGB=1),
        tasks=SimpleNamespace(
            BaseOptions=lambda **_: None,
            vision=SimpleNamespace(
                PoseLandmarker=landmarker, PoseLandmarkerOptions=lambda **_: None, RunningMode=SimpleNamespace(VIDEO="VIDEO")
            ),
        ),
    )
    detect("detect_mediapipe.py", monkeypatch, ["walk.mp4", "model.task", str(output)], cv2=cv2, mediapipe=mediapipe)
    [track] = read(output, image_size=(1920, 1080))
    np.testing.assert_allclose(track.keypoints, blaze)
    assert formats.detect_format(output) == "mediapipe" and stamps == [0, 40, 80, 120, 160]
    np.testing.assert_allclose(track.frame_times(), np.arange(5) / 25)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert not [link for link in links if link and not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_pages_are_commands(page):
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.S) + re.findall(r"\n\n((?:    \S.*\n)+)", text)
    parser = build_parser()
    for line in (line.strip() for block in blocks for line in block.splitlines()):
        found = re.match(r"(?:blender -b -c )?poselift (.*)", line)
        if found and "…" not in line and not line.endswith("--help"):
            words = shlex.split(found[1].replace("$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT", "1/2"), comments=True)
            try:
                parser.parse_args(words)
            except SystemExit:
                pytest.fail(f"{page.name}: {line}")
