#!/usr/bin/python3
"""Runs the checkers of tools/ over trees that break their rules on purpose."""

import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOOLS = os.path.join(os.path.dirname(os.path.dirname(HERE)), "tools")

WANT_LAYERS = """\
base/str.c:2: base must not include "loop/loop.h"
loop/loop.c:1: <jansson.h> belongs to base/json.c
loop/loop.c:3: "loop.h" is not a path from the root
server/api/api.c:3: server/api must not include "loop/loop.h"
server/api/api.c:4: "nowhere/x.h" is in no layer
server/db/db.c:1: "loop/loop_int.h" is for its own folder only
server/db/db.c:2: server/db must not include "server/fault.h"
server/main.c:1: its folder has no line in layers.txt
"""

WANT_LIMITS = """\
base/large.c: 801 lines, at most 800
base/large.h: 251 lines, at most 250
base/shapes.c: deep: 5 nesting, at most 4
base/shapes.c: long_one: 82 lines, at most 80
base/shapes.c: many: 7 params, at most 6
limits.txt: base/gone.c gone params: is no exception any more
limits.txt: base/shapes.c shrunk lines: is 88 now, not 95
limits.txt: base/shapes.c small lines: is no exception any more
"""


# Files that are only long are made here: path in the tree, lines.
LONG_FILES = {
    "base/large.c": 801,
    "base/large.h": 251,
    "base/excused.h": 260,
    "base/fits.h": 250,
}


def run(tool: str, *args: str) -> tuple[int, str, str]:
    done = subprocess.run(
        ["/usr/bin/python3", os.path.join(TOOLS, tool), *args],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def same(got: object, want: object) -> None:
    assert got == want, f"got:\n{got}\nwant:\n{want}"


def breaches_are_named(tool: str, tree: str, want: str, long_files: dict[str, int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = os.path.join(folder, tree)
        shutil.copytree(os.path.join(HERE, "fixture", tree), root)
        for path, lines in long_files.items():
            with open(os.path.join(root, path), "w", encoding="utf-8") as f:
                f.write("int x;\n" * lines)
        code, out, err = run(tool, root)
    same(out, want)
    same((code, err), (1, ""))


def a_clean_tree_passes(tool: str, rules: str) -> None:
    with tempfile.TemporaryDirectory() as root:
        for folder in ("tools", "base"):
            os.mkdir(os.path.join(root, folder))
        with open(os.path.join(root, "tools", rules), "w", encoding="utf-8") as f:
            f.write("base:\n" if rules == "layers.txt" else "# none\n")
        with open(os.path.join(root, "base", "str.c"), "w", encoding="utf-8") as f:
            f.write('#include "base/str.h"\n')
        same(run(tool, root), (0, "", ""))


def bad_rules_are_refused(tool: str, rules: str, text: str, want: str) -> None:
    with tempfile.TemporaryDirectory() as root:
        os.mkdir(os.path.join(root, "tools"))
        path = os.path.join(root, "tools", rules)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        same(run(tool, root), (1, "", f"{path}{want}\n"))


def main() -> int:
    breaches_are_named("layers.py", "layers", WANT_LAYERS, {})
    breaches_are_named("limits.py", "limits", WANT_LIMITS, LONG_FILES)
    a_clean_tree_passes("layers.py", "layers.txt")
    a_clean_tree_passes("limits.py", "limits.txt")
    bad_rules_are_refused(
        "layers.py", "layers.txt", "loop: base\nbase:\n", ":1: base has no line above this one"
    )
    bad_rules_are_refused(
        "layers.py", "layers.txt", "base\n", ':1: wants "folder: allowed ...", got "base"'
    )
    bad_rules_are_refused(
        "limits.py", "limits.txt", "\nx.c f lines\n", ":2: wants FILE FUNCTION WHAT NUMBER"
    )
    for tool in ("layers.py", "limits.py"):
        same(run(tool, "a", "b")[0], 2)
    print("tools: all checks hold")
    return 0


if __name__ == "__main__":
    sys.exit(main())
