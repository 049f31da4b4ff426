// SPDX-License-Identifier: GPL-3.0-or-later
// A job type for Flamenco: lifts a folder of keypoint clips on all workers. See docs/flamenco.md.

const JOB_TYPE = {
    label: "Poselift: lift a folder of clips",
    settings: [
        { key: "clips", type: "string", subtype: "dir_path", required: true, visible: "submission",
          description: "Folder of keypoint clips, as every worker sees it" },
        { key: "output", type: "string", subtype: "dir_path", required: true,
          description: "Folder for the results, as every worker sees it" },
        { key: "formats", type: "string", default: "blend",
          description: "What to write, separated by commas: blend, bvh, fbx, glb, usd, npz" },
        { key: "rig", type: "string", subtype: "file_path", default: "", visible: "submission",
          description: "A character to put the motions onto (.blend, .glb, .fbx, .vrm); empty for Poselift's own armature" },
        { key: "options", type: "string", default: "", visible: "submission",
          description: "Further options of 'poselift lift', such as: --fps 30 --size 1920x1080 --person all" },
        { key: "tasks", type: "int32", default: 16, visible: "submission",
          description: "Into how many tasks the clips are split; several for each worker" },
    ],
};

function compileJob(job) {
    const settings = job.settings;
    const count = Math.max(1, settings.tasks || 1);
    const shared = [
        "-b", "-c", "poselift", "lift", settings.clips, "-o", settings.output, "--to", settings.formats || "blend", "--resume",
    ];
    if (settings.rig) {
        shared.push("--onto", settings.rig);
    }
    const rest = words(settings.options || "");
    for (let number = 1; number <= count; number++) {
        const task = author.Task("lift-" + number + "-of-" + count, "blender");
        const args = shared.concat(["--part", number + "/" + count], rest);
        task.addCommand(author.Command("exec", { exe: "{blender}", args: args }));
        job.addTask(task);
    }
}

// Split options as a shell does: at spaces, but not inside quotes.
function words(text) {
    const found = [];
    let word = null;
    let quote = "";
    for (const letter of text) {
        if (quote) {
            if (letter === quote) {
                quote = "";
            } else {
                word += letter;
            }
        } else if (letter === '"' || letter === "'") {
            quote = letter;
            word = word || "";
        } else if (letter.trim() === "") {
            if (word !== null) {
                found.push(word);
            }
            word = null;
        } else {
            word = (word || "") + letter;
        }
    }
    if (quote) {
        throw new Error("a quotation mark in the options is not closed");
    }
    if (word !== null) {
        found.push(word);
    }
    return found;
}
