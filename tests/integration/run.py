#!/usr/bin/python3
"""Run tests under pytest for ctest.

    run.py [--slow] [--lab] PYTEST-ARGUMENT…

Exit code 77 and a reason where they cannot be run (with --lab: without root); 1 where CI=true.
With --slow they are run only where DROVER_SLOW=1, and that is no failure anywhere."""
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
    if words[:1] == ["--slow"]:
        words = words[1:]
        if os.environ.get("DROVER_SLOW") != "1":
            print("skipped: slow; DROVER_SLOW=1 runs it")
            sys.exit(SKIPPED)
    needs_lab = words[:1] == ["--lab"]
    why = why_not(needs_lab)
    if why:
        print(f"skipped: {why}")
        sys.exit(1 if os.environ.get("CI") == "true" else SKIPPED)
    os.execv(sys.executable, [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *words[needs_lab:]])


main(sys.argv[1:])
