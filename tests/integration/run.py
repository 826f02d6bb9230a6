#!/usr/bin/python3
"""Run tests under pytest for ctest.

    run.py [--lab] PYTEST-ARGUMENT…

Exit code 77 and a reason where they cannot be run (with --lab: without root); 1 where CI=true."""
import importlib.util
import os
import sys

SKIPPED = 77


def why_not(needs_lab: bool) -> str:
    if importlib.util.find_spec("pytest") is None:
        return "python3-pytest is not installed"
    if needs_lab and os.geteuid() != 0:
        return "labs need root"
    return ""


def main(words: list[str]) -> None:
    needs_lab = words[:1] == ["--lab"]
    why = why_not(needs_lab)
    if why:
        print(f"skipped: {why}")
        sys.exit(1 if os.environ.get("CI") == "true" else SKIPPED)
    os.execv(sys.executable, [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *words[needs_lab:]])


main(sys.argv[1:])
