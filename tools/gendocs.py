#!/usr/bin/python3
"""Pages of documentation that are made from the tables of the program.

    gendocs.py config DROVERD AGENT [--check]    docs/config.md from --print-config=markdown
    gendocs.py events [--check]                  docs/events.md from server/event/event.def
    gendocs.py cmdlets DROVER [--check]          docs/cmdlets.md from Get-Help of every cmdlet
    gendocs.py metrics [--check]                 docs/metrics.md from its heading "Families" on, from server/export/export.def and
                                                 base/metric.def

With --check nothing is written: exit code 1 tells that the page is out of date."""
import difflib
import re
import subprocess
import sys
from pathlib import Path

from genboards import families

ROOT = Path(__file__).resolve().parents[1]
UNIT = re.compile(r'^METRIC_UNIT\((\w+), "(\w+)", "([^"]+)"\)$')
METRIC = re.compile(r'^METRIC\((\w+), \d+, "([^"]+)", (\w+), (\w+), \w+, (\d), ([A-Z |]+), "([^"]+)"\)$')
INSTANCE = re.compile(r'^METRIC_INSTANCE\((\w+), ([A-Z |]+)\)$', re.M)
EVENT = re.compile(r'^EVENT\((\w+), "(\w+)", (INFO|WARNING|ERROR)\)$')

CONFIG = """\
# Settings

Made by `tools/gendocs.py` from the tables in `server/server_conf.c` and `host-agent/agent_conf.c`.

A settings file has sections: `[listen]` with `port = 8443` in it is the key `listen.port`. An unknown key, a value of the wrong
type or out of range is an error that names the file and the line. `--set KEY=VALUE` on the command line wins over the file, and
`--check` says what is wrong without starting anything. What takes effect at a reload is read again on SIGHUP; of what takes a
restart the log says that it was changed. `deploy/conf/` has both files with every key, as `--print-config` writes them.

Durations are in the unit that the key ends in.
"""

EVENTS = """\
# Events

Made by `tools/gendocs.py` from `server/event/event.def`.

`GET /api/v1/events`, the watch's `events` and the shell's `Get-VIEvent` give them with `id`, `type`, `severity`, `time`, `entity`,
`entity_name`, `task`, `user` and a `message` that says what happened and why. They are kept for `event.keep_days`, then deleted some at
a time, so that nothing waits for it; an event that belongs to a change of the inventory is stored in the same transaction.

With each event is stored what its object was in at that moment: folders, datacenter, pools, host, cluster. `entity=cluster-1`
(`Get-Cluster c1 | Get-VIEvent`) finds what happened to the cluster, its hosts, pools and guests, also of those that are gone or
elsewhere now; it can be narrowed by `types` (patterns and severities), `user`, `start` and `end`.

| Type | Severity | Concerns |
|---|---|---|
"""

FAMILIES = """\
## Families

Made by `tools/gendocs.py` from `server/export/export.def`.

| Name | Type | Collector | Of | Meaning |
|---|---|---|---|---|
"""

METRICS = """\

## Counters

Made by `tools/gendocs.py` from `base/metric.def`; `docs/stats.md` tells where they come from and how they are asked for. A *rate* is a
share or an amount per time over the sample, a *delta* a sum over it, *absolute* is as it was at its end. *Instances*: whose cores,
cards or disks it is known of by themselves, from `base/metric_instance.def`.

| Counter | Unit | Kind | Level | Of | Instances | Meaning |
|---|---|---|---|---|---|---|
"""
OBJECTS = {
    "HOST": "hosts", "MACHINE": "machines", "CONTAINER": "containers", "GUEST": "machines, containers", "DATASTORE": "datastores",
    "POOL": "pools", "CLUSTER": "clusters", "SERVER": "servers",
}

CMDLETS = """\
# Cmdlets

Made by `tools/gendocs.py` from what `Get-Help` says, which is `shell/cmd.def`. `docs/shell.md` has them by subject, and the language.

All of them take `-ErrorAction`, `-ErrorVariable`, `-OutVariable`, `-WarningAction` and `-Verbose`; those marked *changes* also `-WhatIf` and `-Confirm`.
"""
SECTION = re.compile(r"^([A-Z]+)\n", re.M)

CONCERNS = {
    "VM": "a virtual machine",
    "HA": "a cluster",
    "HOST": "a host",
    "CLUSTER": "a cluster",
    "DATASTORE": "a datastore",
    "TEMPLATE": "a template",
    "OBJECT": "any other object of the inventory",
    "USER": "who logs in",
    "RULE": "a rule of a cluster",
    "TAG": "whatever has the tag",
    "TASK": "a task",
    "SERVER": "droverd",
    "DATABASE": "PostgreSQL",
    "STATS": "the files of statistics",
    "ALARM": "what an alarm is about",
}


def config(programs: list[str]) -> str:
    page = CONFIG
    for program in programs:
        ran = subprocess.run([program, "--print-config=markdown"], check=True, capture_output=True, text=True)
        page += f"\n## {Path(program).name}\n\n{ran.stdout}"
    return page


def events() -> str:
    rows = []
    for line in (ROOT / "server/event/event.def").read_text().splitlines():
        found = EVENT.match(line)
        if found:
            code, type_name, severity = found.groups()
            rows.append(f"| `{type_name}` | {severity.lower()} | {CONCERNS[code.split('_')[0]]} |\n")
        elif line.startswith("EVENT"):
            raise SystemExit(f"event.def: cannot read {line}")
    return EVENTS + "".join(rows)


def cmdlet(text: str) -> str:
    """One cmdlet's part of the page, from its help."""
    _, *parts = SECTION.split(text)
    said = {head: [line[4:] for line in body.strip("\n").splitlines()] for head, body in zip(parts[::2], parts[1::2])}
    changes = any("-WhatIf" in line for line in said["PARAMETERS"])
    page = f"\n## {said['NAME'][0]}\n{said['SYNOPSIS'][0]}.{' *Changes.*' if changes else ''}"
    page += f" Gives {said['OUTPUT'][0]}.\n" if "OUTPUT" in said else "\n"
    page += "\n```\n" + "\n".join(said["SYNTAX"]) + "\n```\n"
    rows = [line.split(None, 1) for line in said["PARAMETERS"] if line.startswith("-")]
    if rows:
        page += "\n| | |\n|---|---|\n" + "".join(f"| `{name}` | {what.replace('|', '&#124;')} |\n" for name, what in rows)
    lines = said.get("EXAMPLES", [])
    if lines:
        page += "\n" + "".join(f"- `{line}`: {what.strip()}\n" for line, what in zip(lines[::2], lines[1::2]))
    if "ALIASES" in said:
        page += f"\nAlso {said['ALIASES'][0]}.\n"
    return page


def cmdlets(drover: str) -> str:
    program = "Get-Command | Where-Object CommandType -eq Cmdlet | Sort-Object Name | ForEach-Object { Get-Help $_.Name; \"\\f\" }"
    ran = subprocess.run([drover, "-c", program.replace("\\f", "`f")], check=True, capture_output=True, text=True)
    return CMDLETS + "".join(cmdlet(text) for text in ran.stdout.split("\f") if text.strip())


def exported() -> list[str]:
    """What /metrics tells, a row a family; of those that a function writes, its labels are in the text around it."""
    of = {"NONE": ""} | {kind: f"`{kind.lower()}`" for kind in ("CLUSTER", "HOST", "POOL", "DATASTORE", "VM")}
    return [f"| `{f.sample}` | {f.kind.lower()} | {f.collector.lower()} | {of[f.of]} | {f.help} |\n" for f in families()]


def objects(words: str) -> str:
    return ", ".join(OBJECTS[o] for o in words.split(" | ") if o)


def metrics() -> str:
    units, rows = {}, []
    instances = dict(INSTANCE.findall((ROOT / "base/metric_instance.def").read_text()))
    for line in (ROOT / "base/metric.def").read_text().splitlines():
        if found := UNIT.match(line):
            units[found[1]] = found[3]
        elif found := METRIC.match(line):
            enum, name, unit, kind, level, of, text = found.groups()
            if level == "4":  # METRIC_LEVEL_TOTAL: nobody asks for it
                continue
            each = objects(instances.get(enum, ""))
            rows.append(f"| `{name}` | {units[unit]} | {kind.lower()} | {level} | {objects(of)} | {each} | {text} |\n")
        elif line.startswith("METRIC"):
            raise SystemExit(f"metric.def: cannot read {line}")
    page = (ROOT / "docs/metrics.md").read_text()
    return page.partition("## Families\n")[0] + FAMILIES + "".join(exported()) + METRICS + "".join(rows)


def main(words: list[str]) -> int:
    check = "--check" in words
    words = [w for w in words if w != "--check"]
    if words[:1] == ["config"] and len(words) == 3:
        path, page = ROOT / "docs/config.md", config(words[1:])
    elif words[:1] == ["cmdlets"] and len(words) == 2:
        path, page = ROOT / "docs/cmdlets.md", cmdlets(words[1])
    elif words == ["metrics"]:
        path, page = ROOT / "docs/metrics.md", metrics()
    elif words == ["events"]:
        path, page = ROOT / "docs/events.md", events()
    else:
        print(__doc__, file=sys.stderr)
        return 2
    if not check:
        path.write_text(page)
        return 0
    old = path.read_text() if path.exists() else ""
    diff = list(difflib.unified_diff(old.splitlines(), page.splitlines(), str(path), "made now", lineterm=""))
    print("\n".join(diff))
    return 1 if diff else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
