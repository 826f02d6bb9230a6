#!/usr/bin/python3
"""Runs spec files of the shell: run_spec.py DROVER FILE.test.sh …

A file is a row of cases:

    #### title
    program
    ## STDOUT:
    what it prints, to the byte
    ## END
    ## STDERR-has: a part of what it says on stderr
    ## status: 1
    ## args: -o json
    ## env: COLUMNS=40
    ## fixture: {"fail": 2}          what the server shall do wrong
    ## changes: 3 of 5               different operations, of so many requests
    ## files: upload/a.raw           what lies in the datastores afterwards

"## STDOUT-json: …" compares as JSON.  A file whose first line has "fixture" gets a server
with a fixed inventory as its default one; it is reset before each case.  Where that line has
"two servers" there is another at FIXTURE_PORT2, saved as "other" (World.second).
"""

import dataclasses
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fixture_server  # noqa: E402

TIMEOUT_S = 60


@dataclasses.dataclass
class Case:
    title: str
    line: int
    program: str = ""
    stdout: str | None = None
    stdout_json: object = None
    stderr_has: list[str] = dataclasses.field(default_factory=list)
    status: int = 0
    args: list[str] = dataclasses.field(default_factory=list)
    env: dict[str, str] = dataclasses.field(default_factory=dict)
    fixture: dict[str, int] = dataclasses.field(default_factory=dict)
    changes: str | None = None
    files: str | None = None


def parse(path: str) -> tuple[int, list[Case]]:
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")
    cases: list[Case] = []
    part: list[str] | None = None
    for number, line in enumerate(lines, 1):
        key, _, value = line.removeprefix("## ").partition(":")
        value = value.strip()
        if line.startswith("#### "):
            cases.append(Case(line[5:], number))
            part = []
            continue
        if not cases:
            continue
        case = cases[-1]
        if not line.startswith("## "):
            if part is not None:
                part.append(line + "\n")
                if case.stdout is None:
                    case.program = "".join(part)
                else:
                    case.stdout = "".join(part)
            continue
        if key == "STDOUT":
            case.stdout, part = "", []
        elif key == "END":
            part = None
        elif key == "STDOUT-json":
            case.stdout_json = json.loads(value)
        elif key == "STDERR-has":
            case.stderr_has.append(value)
        elif key == "status":
            case.status = int(value)
        elif key == "args":
            case.args = shlex.split(value)
        elif key == "fixture":
            case.fixture = json.loads(value)
        elif key == "changes":
            case.changes = value
        elif key == "files":
            case.files = value
        elif key == "env":
            name, _, text = value.partition("=")
            case.env[name] = text
        else:
            raise SystemExit(f"{path}:{number}: what is \"{line}\"?")
    return 2 if "two servers" in lines[0] else int("fixture" in lines[0]), cases


def saved(folder: str, port: int) -> dict:
    return {"address": "127.0.0.1", "port": port, "ca": os.path.join(folder, "ca.pem"), "user": "admin", "token": "secret-token"}


def judge(case: Case, done: subprocess.CompletedProcess) -> list[str]:
    faults = []
    if case.stdout is not None and done.stdout != case.stdout:
        faults.append(f"stdout is\n{done.stdout!r}\nnot\n{case.stdout!r}")
    if case.stdout_json is not None:
        try:
            got = json.loads(done.stdout)
        except ValueError:
            got = done.stdout
        if got != case.stdout_json:
            faults.append(f"stdout is {got!r}, not {case.stdout_json!r}")
    for part in case.stderr_has:
        if part not in done.stderr:
            faults.append(f"stderr has no {part!r}")
    if done.returncode != case.status:
        faults.append(f"status is {done.returncode}, not {case.status}")
    if "Sanitizer" in done.stderr or "runtime error" in done.stderr:
        faults.append("a sanitizer complains")
    return faults


class Routes:
    """What the shell's table says that cmdlets ask for."""

    def __init__(self) -> None:
        table = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "shell", "cmd.def")
        with open(table, encoding="utf-8") as f:
            rows = re.findall(r'^\tROUTE\((\w+), "([^"]+)",((?:\s*"[^"]*")+)\)', f.read(), re.M)
        self.rows = [(method, re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), set("".join(re.findall('"([^"]*)"', fields)).split()))
                     for method, path, fields in rows]

    def unlisted(self, requests: set[tuple[str, str, tuple[str, ...]]]) -> list[str]:
        return [f"no ROUTE has {method} {path} {' '.join(fields)}" for method, path, fields in sorted(requests)
                if not any(method == m and p.fullmatch(path) and known.issuperset(fields) for m, p, known in self.rows)]


def run_file(drover: str, path: str, folder: str) -> tuple[int, int]:
    needs_server, cases = parse(path)
    env = {"HOME": folder, "PATH": os.environ["PATH"], "TZ": "UTC", "LC_ALL": "C.UTF-8",
           "DROVER_SERVERS": os.path.join(folder, "servers.json"), "TERM": "dumb", "FIXTURE_FOLDER": folder}
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
        if name in os.environ:
            env[name] = os.environ[name]
    world, routes = None, Routes()
    running = [fixture_server.start(folder) for _ in range(needs_server)]
    if running:
        world = running[0][1]
        ports = [server.server_address[1] for server, _ in running]
        env |= {name: str(port) for name, port in zip(("FIXTURE_PORT", "FIXTURE_PORT2"), ports)}
        settings = json.dumps({"default": "lab", "servers": {
            name: saved(folder, port) for name, port in zip(("lab", "other"), ports)}})
    bad = 0
    for case in cases:
        if needs_server:
            world.reset()
            for _, other in running[1:]:
                other.reset()
                other.second()
            for name, value in case.fixture.items():
                setattr(world, name, value)
            with open(os.open(env["DROVER_SERVERS"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w",
                      encoding="utf-8") as f:
                f.write(settings)
            os.chmod(env["DROVER_SERVERS"], 0o600)
        done = subprocess.run([drover, *case.args, "-c", case.program.rstrip("\n")], env={**env, **case.env}, cwd=folder,
                              capture_output=True, encoding="utf-8", errors="replace", timeout=TIMEOUT_S,
                              stdin=subprocess.DEVNULL, check=False)
        faults = judge(case, done)
        if world and "no such route" not in done.stderr:
            faults += routes.unlisted(world.requests)
        if case.changes and case.changes != (got := f"{len(set(world.ops))} of {len(world.ops)}"):
            faults.append(f"changes are {got}, not {case.changes}")
        if case.files is not None and case.files != (got := ", ".join(sorted(world.files))):
            faults.append(f'the files are "{got}", not "{case.files}"')
        if faults:
            bad += 1
            print(f"{path}:{case.line}: {case.title}")
            for fault in faults:
                print("  " + fault.replace("\n", "\n  "))
            if done.stderr:
                print("  stderr: " + done.stderr[:600].replace("\n", "\n  "))
    for server, _ in running:
        server.shutdown()
        server.server_close()
    return len(cases), bad


def main() -> int:
    if len(sys.argv) < 3:
        print("usage: run_spec.py DROVER FILE ...", file=sys.stderr)
        return 2
    total = bad = 0
    for path in sys.argv[2:]:
        with tempfile.TemporaryDirectory(prefix="drover-spec-") as folder:
            n, failed = run_file(os.path.abspath(sys.argv[1]), path, folder)
        total += n
        bad += failed
    print(f"{total} cases, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
