#!/usr/bin/python3
"""Checks every #include against layers.txt: which folder may know which."""

import os
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|(<[^>]+>))')


class Layers:
    def __init__(self, path: str) -> None:
        self.allowed: dict[str, set[str]] = {}
        self.only: dict[str, list[str]] = {}
        self.lent: dict[str, list[str]] = {}
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                line = line.split("#", 1)[0].strip()
                if line:
                    self.add(line, f"{path}:{number}")

    def add(self, line: str, where: str) -> None:
        name, colon, rest = line.partition(":")
        if not colon:
            raise SystemExit(f'{where}: wants "folder: allowed ...", got "{line}"')
        words = rest.split()
        if name.startswith("only "):
            self.only[name[5:].strip()] = words
            return
        if name.startswith("lent "):
            self.lent[name[5:].strip()] = words
            return
        allowed = {name}
        for word in words:
            if word.startswith("+"):
                top = word[1:] + "/"
                allowed |= {n for n in self.allowed if n.startswith(top)}
            elif word in self.allowed:
                allowed.add(word)
            else:
                raise SystemExit(f"{where}: {word} has no line above this one")
        self.allowed[name] = allowed

    def layer(self, path: str) -> str | None:
        """The longest line that path lies under."""
        fits = [n for n in self.allowed if path == n or path.startswith(n + "/")]
        return max(fits, key=len, default=None)

    def fault(self, file: str, target: str) -> str | None:
        """What is wrong with file including "target", or None."""
        mine = self.layer(file)
        if mine is None:
            return "its folder has no line in layers.txt"
        if "/" not in target:
            return f'"{target}" is not a path from the root'
        theirs = self.layer(target)
        if theirs is None:
            return f'"{target}" is in no layer'
        if theirs not in self.allowed[mine]:
            return f'{mine} must not include "{target}"'
        is_lent = file in self.lent.get(target, [])
        if target.endswith("_int.h") and not is_lent and not file.startswith(os.path.dirname(target) + "/"):
            return f'"{target}" is for its own folder only'
        return None

    def library_fault(self, file: str, header: str) -> str | None:
        for start, places in self.only.items():
            at_home = any(file == p or file.startswith(p + "/") for p in places)
            if header.startswith(start) and not at_home:
                return f"{header} belongs to {' '.join(places)}"
        return None


def sources(root: str, tops: set[str]) -> list[str]:
    """Every .c and .h below the folders that layers.txt names, as paths from root."""
    found = []
    for top in sorted(tops):
        for folder, _, files in os.walk(os.path.join(root, top)):
            for name in files:
                if name.endswith((".c", ".h")):
                    found.append(os.path.relpath(os.path.join(folder, name), root))
    return sorted(found)


def check(root: str, rules: str) -> list[str]:
    layers = Layers(rules)
    faults = []
    for file in sources(root, {n.split("/")[0] for n in layers.allowed}):
        with open(os.path.join(root, file), encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                m = INCLUDE.match(line)
                if not m:
                    continue
                if m[1]:
                    fault = layers.fault(file, m[1])
                else:
                    fault = layers.library_fault(file, m[2])
                if fault:
                    faults.append(f"{file}:{number}: {fault}")
    return faults


def main() -> int:
    if len(sys.argv) > 2:
        print("usage: layers.py [ROOT]", file=sys.stderr)
        return 2
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) == 2 else os.path.dirname(here)
    rules = os.path.join(root, "tools", "layers.txt")
    faults = check(root, rules)
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
