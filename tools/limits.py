#!/usr/bin/python3
"""Checks the size of files and functions; limits.txt lists the exceptions.

Relies on the formatter: a definition's name and its braces stand in the first column.
"""

import os
import re
import sys

MAX_LINES, MAX_PARAMS, MAX_NESTING = 80, 6, 4
MAX_FILE, MAX_HEADER = 800, 250
TOPS = ("base", "loop", "proto", "scheduler", "server", "host-agent", "shell", "bench", "tests")
SKIP = os.path.join("tests", "tools")

NOT_CODE = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)
NAME = re.compile(r"^(\w+)\(", re.M)
CONTROL = re.compile(r"\b(?:if|for|while|switch|do|else|[A-Z_]*EACH[A-Z_]*)$")

# What was measured: (file, function or "-", "lines" | "params" | "nesting").
Key = tuple[str, str, str]


def blank(code: str) -> str:
    """The code with comments and literals emptied, line for line."""
    return NOT_CODE.sub(lambda m: " " + "\n" * m[0].count("\n"), code)


def closing(code: str, start: int) -> int:
    """Where the bracket that opens at start is closed."""
    depth = 0
    for i in range(start, len(code)):
        depth += (code[i] in "({[") - (code[i] in ")}]")
        if depth == 0:
            return i
    return len(code) - 1


def count_params(text: str) -> int:
    depth, commas = 0, 0
    for c in text:
        depth += (c == "(") - (c == ")")
        commas += c == "," and depth == 0
    return 0 if text.strip() in ("", "void") else commas + 1


def is_control(before: str) -> bool:
    """Is the { after this text the block of an if, a loop or a switch?"""
    head = before.rstrip()
    if head.endswith(")"):
        depth, i = 1, len(head) - 1
        while depth and i > 0:
            i -= 1
            depth += (head[i] == ")") - (head[i] == "(")
        head = head[:i].rstrip()
    return bool(CONTROL.search(head))


def nesting(body: str) -> int:
    """The deepest block of control flow in a function's { … }."""
    deepest, open_blocks = 0, []
    for i, c in enumerate(body):
        if c == "{":
            open_blocks.append(is_control(body[:i]))
            deepest = max(deepest, sum(open_blocks))
        elif c == "}" and open_blocks:
            open_blocks.pop()
    return deepest


def measure_functions(file: str, code: str) -> dict[Key, int]:
    found: dict[Key, int] = {}
    for m in NAME.finditer(code):
        end = closing(code, m.end() - 1)
        opens = re.match(r"\)\s*\{", code[end : end + 80])
        if not opens:
            continue
        start = end + opens.end() - 1
        body = code[start : closing(code, start) + 1]
        found[file, m[1], "lines"] = code[m.start() : start].count("\n") + body.count("\n") + 1
        found[file, m[1], "params"] = count_params(code[m.end() : end])
        found[file, m[1], "nesting"] = nesting(body)
    return found


def limit(key: Key) -> int:
    if key[1] == "-":
        return MAX_HEADER if key[0].endswith(".h") else MAX_FILE
    return {"lines": MAX_LINES, "params": MAX_PARAMS, "nesting": MAX_NESTING}[key[2]]


def measure(root: str) -> dict[Key, int]:
    found: dict[Key, int] = {}
    for top in TOPS:
        for folder, _, files in os.walk(os.path.join(root, top)):
            for name in sorted(files):
                path = os.path.join(folder, name)
                file = os.path.relpath(path, root)
                if not name.endswith((".c", ".h")) or file.startswith(SKIP):
                    continue
                with open(path, encoding="utf-8") as f:
                    code = f.read()
                found[file, "-", "lines"] = code.count("\n")
                found |= measure_functions(file, blank(code))
    return found


def read_exceptions(path: str) -> dict[Key, int]:
    allowed: dict[Key, int] = {}
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            words = line.split("#", 1)[0].split()
            if not words:
                continue
            if len(words) != 4 or not words[3].isdigit():
                raise SystemExit(f"{path}:{number}: wants FILE FUNCTION WHAT NUMBER")
            allowed[words[0], words[1], words[2]] = int(words[3])
    return allowed


def check(root: str, exceptions: str) -> list[str]:
    found, allowed = measure(root), read_exceptions(exceptions)
    faults = []
    for key, value in sorted(found.items()):
        if value > max(limit(key), allowed.get(key, 0)):
            thing = key[0] if key[1] == "-" else f"{key[0]}: {key[1]}"
            faults.append(f"{thing}: {value} {key[2]}, at most {limit(key)}")
    for key, value in sorted(allowed.items()):
        now = found.get(key, 0)
        if now <= limit(key):
            faults.append(f"limits.txt: {' '.join(key)}: is no exception any more")
        elif now < value:
            faults.append(f"limits.txt: {' '.join(key)}: is {now} now, not {value}")
    return faults


def main() -> int:
    if len(sys.argv) > 2:
        print("usage: limits.py [ROOT]", file=sys.stderr)
        return 2
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) == 2 else os.path.dirname(here)
    faults = check(root, os.path.join(root, "tools", "limits.txt"))
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
