#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the extension repository that Blender subscribes to for updates: a folder of files for any web server.

`index.json` offers the slim zip, `full/index.json` the full ones: in one list, Blender would have two zips of one name to
choose from. Both are written by Blender's own tool. `--archives-at URL` is for zips that lie elsewhere, as a release's files.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tomllib
import zipfile
from pathlib import Path

from blender_tool import ROOT, PackagingError, extension_tool, made

FULL = "full"
INDEX = "index.json"


def repository(zips: list[Path], output: Path, archives_at: str = "") -> list[Path]:
    """Make the repository of these zips in the folder `output`, which is made anew; return its lists.

    With `archives_at` the full zips are not copied: their list points to that address. Raises `PackagingError`.
    """
    if not zips:
        raise PackagingError("there is no zip to put into a repository; make package builds one.")
    versions = {str(_manifest(path)["version"]) for path in zips}
    if len(versions) > 1:
        raise PackagingError(f"the zips are of several versions: {', '.join(sorted(versions))}.")
    full = [path for path in zips if "platforms" in _manifest(path)]
    shutil.rmtree(output, ignore_errors=True)
    lists = [_list_zips([path for path in zips if path not in full], output, "")]
    if full:
        lists.append(_list_zips(full, output / FULL, archives_at))
    return lists


def _list_zips(zips: list[Path], folder: Path, archives_at: str) -> Path:
    """Copy zips into a folder and list them; return the list. Raises `PackagingError` where not every zip is listed once."""
    for path in zips:
        shutil.copyfile(path, made(folder) / path.name)
    page = [] if archives_at else ["--html"]
    told = extension_tool("server-generate", "--repo-dir", str(folder), *page)
    listing = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    if len(listing["data"]) != len(zips) or "duplicate" in told:
        raise PackagingError(f"Blender's tool does not list each zip once:\n{told}")
    listing["data"].sort(key=lambda item: item["archive_url"])
    if archives_at:
        for item, path in zip(listing["data"], sorted(zips, key=lambda path: path.name), strict=True):
            item["archive_url"] = f"{archives_at.rstrip('/')}/{path.name}"
            (folder / path.name).unlink()
    (folder / INDEX).write_text(json.dumps(listing, indent=2) + "\n", encoding="utf-8")
    return folder / INDEX


def _manifest(path: Path) -> dict[str, object]:
    """Return a zip's manifest, with what Blender's tool has set for its platform."""
    with zipfile.ZipFile(path) as archive:
        return tomllib.loads(archive.read("blender_manifest.toml").decode())


def main() -> int:
    """Run from the command line: a repository of the zips in dist/, or of those named."""
    parser = argparse.ArgumentParser(description="Make a static extension repository that Blender can subscribe to.")
    parser.add_argument("zips", nargs="*", type=Path, help="the zips (default: those of this version in dist/)")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "dist" / "repository", help="default: dist/repository")
    parser.add_argument("--archives-at", default="", metavar="URL", help="where the full zips are (default: beside their list)")
    options = parser.parse_args()
    version = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))["version"]
    zips = options.zips or sorted((ROOT / "dist").glob(f"poselift-{version}*.zip"))
    try:
        for path in repository(zips, options.output, options.archives_at):
            print(path)
    except (PackagingError, OSError, zipfile.BadZipFile) as error:
        print(f"repository: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
