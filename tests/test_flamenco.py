# SPDX-License-Identifier: GPL-3.0-or-later
"""The job type for Flamenco: what it compiles to, and that its tasks together lift every clip once."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from make_clip import write_clip

from poselift.operators.command_line import build_parser, main

SCRIPT = Path(__file__).resolve().parent.parent / "docs" / "flamenco" / "poselift-lift.js"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")

# What Flamenco's manager gives to a job type, as strict as it is: names and types of tasks, parameters that its worker reads.
MANAGER = """
const fs = require("fs");
const vm = require("vm");
const [script, settings] = process.argv.slice(2);
const tasks = [];
const author = {
  Task(name, type) {
    if (!name.trim() || !type.trim()) throw new Error("a task needs a name and a type");
    const made = { name: name.trim(), type, commands: [] };
    made.addCommand = (command) => { made.commands.push(command); };
    return made;
  },
  Command(name, parameters) { return { name, parameters }; },
};
const globals = { author, print() {}, alert() {} };
vm.createContext(globals);
vm.runInContext(fs.readFileSync(script, "utf8"), globals);
const type = vm.runInContext("JOB_TYPE", globals);
const filled = {};
for (const setting of type.settings) if ("default" in setting) filled[setting.key] = setting.default;
globals.compileJob({ settings: Object.assign(filled, JSON.parse(settings)), addTask(task) { tasks.push(task); } });
console.log(JSON.stringify({ type, tasks }));
"""


def compiled(folder: Path, **settings) -> dict:
    manager = folder / "manager.js"
    manager.write_text(MANAGER)
    command = [str(NODE), str(manager), str(SCRIPT), json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_settings_are_what_flamenco_knows(tmp_path):
    job = compiled(tmp_path, clips="/clips", output="/out")["type"]
    assert job["label"].startswith("Poselift")
    for setting in job["settings"]:
        assert setting["type"] in ("string", "int32", "float", "bool") and setting["description"]
        assert setting.get("subtype", "file_path") in ("file_path", "dir_path", "file_name", "hashed_file_path")
        assert setting.get("visible", "visible") in ("visible", "hidden", "submission", "web")
        assert setting.get("required") or "default" in setting
    assert len({setting["key"] for setting in job["settings"]}) == len(job["settings"]) == 6


def test_each_task_is_a_command_that_the_command_line_takes(tmp_path):
    options = "--fps 30  --name '{name} take' --joints \"my joints.json\""
    tasks = compiled(tmp_path, clips="/my clips", output="/out", tasks=3, rig="/hero.blend", formats="fbx,npz", options=options)
    assert [task["name"] for task in tasks["tasks"]] == ["lift-1-of-3", "lift-2-of-3", "lift-3-of-3"]
    for number, task in enumerate(tasks["tasks"], 1):
        [command] = task["commands"]
        assert task["type"] == "blender" and command["name"] == "exec" and command["parameters"]["exe"] == "{blender}"
        arguments = command["parameters"]["args"]
        assert arguments[:3] == ["-b", "-c", "poselift"] and all(isinstance(word, str) for word in arguments)
        parsed = build_parser().parse_args(arguments[3:])
        assert (parsed.inputs, parsed.output, parsed.part, parsed.resume) == (["/my clips"], ["/out"], (number, 3), True)
        assert (parsed.to, parsed.onto, parsed.name) == (("fbx", "npz"), "/hero.blend", "{name} take")
        assert (float(parsed.fps), parsed.joints) == (30.0, "my joints.json")


def test_the_tasks_together_lift_every_clip_once_and_a_repeated_one_nothing(tmp_path, capsys):
    pytest.importorskip("torch")
    clips, out = tmp_path / "clips", tmp_path / "out"
    for number in range(5):
        write_clip(clips / f"clip{number}", frames=12, seed=number).truth.unlink()
    options = "--fps 30 --size 1920x1080 --fov 50"
    tasks = compiled(tmp_path, clips=str(clips), output=str(out), tasks=8, formats="npz", options=options)["tasks"]
    for task in tasks:
        assert main(task["commands"][0]["parameters"]["args"][3:]) == 0
    reports = [json.loads(line)["source"] for path in out.glob("*.jsonl") for line in path.read_text().splitlines()]
    assert sorted(reports) == sorted(str(clips / f"clip{number}") for number in range(5))
    assert (out / "poselift-report-5-of-8.jsonl").is_file() and len(list(out.glob("clip*.npz"))) == 5
    capsys.readouterr()
    assert main(tasks[0]["commands"][0]["parameters"]["args"][3:]) == 0
    assert "1 clips are done already, 0 are left" in capsys.readouterr().err
    assert main(["lift", str(clips), "-o", str(out), "--to", "npz", *options.split(), "--resume"]) == 0
    assert "5 clips are done already, 0 are left" in capsys.readouterr().err
