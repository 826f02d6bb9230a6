"""A running container moves while somebody dies, is cut off or refuses at each step: one copy is left, with its memory, disk and connection.

DROVER_THOROUGH=1 takes every place of the tables, each with a shared datastore and with the hosts' own.
"""
import fcntl
import os
import re
import signal
import struct
import subprocess
import time
from pathlib import Path
from typing import Any, Iterator, NamedTuple, Optional

import pytest
from conftest import Lab, alive, wait_for
from lab_client import ApiError
from test_containers import bring_in, need_ability, run, tar_of
from test_guests import act, agent_of, make, remove, vm
from test_kill_moves import (
    ALL,
    CUTS,
    SERVER,
    SOURCE,
    TARGET,
    Case,
    Cut,
    Move,
    Mover,
    beat_faster,
    check_one_copy,
    cut_the_network,
    kill_an_agent,
    kill_the_server,
    links,
    name_of,
    number_of,
    renew_agent,
    tell,
    traces,
)
from test_migrate import disk_files, local_store

# Of its memory; at the speeds below a move of it can be seen.
MEMORY_MB = 8
LOOP_GET_STATUS64, LOOP_INFO_BYTES = 0x4C05, 232
WAYS = ["shared", "own"]

# Places within the engine, as host-agent/engine/oci/oci_move_*.c name them.
SOURCE_ENGINE = [
    Case("oci.move_out.freeze", ""),
    Case("oci.save.dump", ""),
    Case("oci.move_out.saved", ""),
    Case("oci.move_out.given", ""),
]
TARGET_ENGINE = [Case("oci.load", ""), Case("oci.loaded", "")]

# What is taken without DROVER_THOROUGH: (way, victim, place).
USUAL = {
    "shared": {
        "server": ["prepare-start", "copy-start", "switch-start", "copy-undo-cancelled"],
        "source": [
            "leave.leaving-before", "oci.move_out.freeze", "oci.save.dump", "oci.move_out.saved",
            "oci.move_out.given", "leave.give-after", "release.over-before", "take_back.back-before-again",
        ],
        "target": ["arrive.claim-after", "oci.load", "oci.loaded", "arrival.arrived-before", "arrival.refuse-before-cancelled"],
        "network": ["everything-target-copy-1s", "hosts-source-copy-1s"],
        "child": ["restore-runtime"],
    },
    "own": {
        "server": ["copy-finish"],
        "source": ["oci.move_out.saved", "oci.move_out.given"],
        "target": ["oci.load", "oci.loaded"],
        "network": [],
        "child": ["checkpoint-runtime"],
    },
}


class Child(NamedTuple):
    """Who is killed at his work: the runtime, or the CRIU that it has started."""

    verb: str
    what: str


CHILDREN = [Child(verb, what) for verb in ("checkpoint", "restore") for what in ("runtime", "criu")]


def title(case: Any) -> str:
    return "-".join(case) if isinstance(case, Child) else name_of(case)


def rows(victim: str, cases: list[Any]) -> Any:
    """The cases of a victim, each with both kinds of datastores."""
    chosen = [(way, c) for way in WAYS for c in cases if ALL or title(c) in USUAL[way][victim]]
    return pytest.mark.parametrize("way,case", chosen, ids=[f"{way}-{title(c)}" for way, c in chosen])


def first_processes(lab: Lab, vm_id: str) -> list[int]:
    """Those that are 1 in the container's own count, by the kernel's word."""
    group = lab.setting_of("lab_cgroup")
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            groups = Path(f"/proc/{pid}/cgroup").read_text()
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        inside = re.search(rf"/{re.escape(group)}/h\d+/{vm_id}/ct\b", groups)
        if inside and re.search(r"^NSpid:.*\t1$", status, re.M) and alive(int(pid)):
            found.append(int(pid))
    return found


def loops(lab: Lab, vm_id: str) -> list[str]:
    """The container's own image under loop devices; a path of theirs is as the one says who set them up."""
    images = {(os.stat(p).st_dev, os.stat(p).st_ino): str(p) for p in (lab.dir / "ds").glob(f"*/vms/{vm_id}/disk*")}
    found = []
    for device in Path("/dev").glob("loop[0-9]*"):
        info = bytearray(LOOP_INFO_BYTES)
        try:
            with device.open("rb") as f:
                fcntl.ioctl(f, LOOP_GET_STATUS64, info)
        except OSError:
            continue  # nothing is under it
        image = images.get(struct.unpack_from("QQ", info))
        if image:
            found.append(image)
    return found


class Carried(Mover):
    """A container with something in its memory and on its disk."""

    template = "busybox"
    slowly, very_slowly = 4, 1

    def __init__(self, lab: Lab, name: str) -> None:
        super().__init__(lab, name)
        run(lab, self.id, f"head -c {MEMORY_MB << 20} /dev/urandom > /dev/shm/fill; head -c 3000000 /dev/urandom > /root/fill")
        self.sums = self.content()

    def content(self) -> str:
        return run(self.lab, self.id, "cat /dev/shm/fill | sha256sum; sha256sum < /root/fill; echo more >> /root/note")

    def processes(self) -> list[int]:
        return first_processes(self.lab, self.id)

    def wires(self, number: str) -> int:
        return links(self.lab, number, "veth") - 1  # the host's own

    def traces(self, number: str) -> list[str]:
        record = self.lab.dir / "hosts" / number / "run/oci/runtime" / self.id
        return traces(self.lab, self.id, number) + [str(record)] * record.exists()


class Own(Carried):
    """Its disk goes along, to the datastore of each host alone."""

    def __init__(self, lab: Lab, name: str) -> None:
        super().__init__(lab, name)
        lab.api().do("POST", f"/vms/{self.id}/migrate", self.place(self.next_host()))

    def place(self, host: str) -> dict[str, Any]:
        return {"host": host, "datastore": local_store(self.lab, host)["id"]}


class Trip(Move):
    """One move of a container, and what it must be like afterwards."""

    def __init__(self, mover: Carried, **body: Any) -> None:
        super().__init__(mover, **body)
        if isinstance(mover, Own):
            self.body = {**mover.place(self.target), **body}

    def settle(self, row: str) -> str:
        mover = self.mover
        assert isinstance(mover, Carried)
        outcome = super().settle(f"{'own' if isinstance(mover, Own) else 'shared':7}{row}")
        assert mover.content() == mover.sums, "its memory or its disk"
        wait_for(f"one image: {disk_files(self.lab, mover.id)}", lambda: len(disk_files(self.lab, mover.id)) == 1)
        assert len(loops(self.lab, mover.id)) == 1, loops(self.lab, mover.id)
        return outcome


@pytest.fixture(scope="module")
def movers(lab: Lab) -> Iterator[dict[str, Carried]]:
    need_ability(lab, "live_migration")
    beat_faster(lab)
    busybox = lab.find("templates", "busybox")
    for host in lab.all("hosts"):
        lab.api().do("POST", f"/templates/{busybox['id']}/copy", {"datastore": local_store(lab, host["id"])["id"]})
    made: dict[str, Carried] = {"shared": Carried(lab, "carried"), "own": Own(lab, "nomad")}
    made["own"].rows = made["shared"].rows
    began = time.monotonic()
    yield made
    tell(made["shared"], time.monotonic() - began)
    print(f"{made['own'].counter.answers} answers of the one with its disk: {made['own'].tally()}")
    for m in made.values():
        m.end()


@rows("server", SERVER)
def test_the_server_is_killed(movers: dict[str, Carried], way: str, case: Case) -> None:
    kill_the_server(movers[way], case, Trip)


@rows("source", SOURCE_ENGINE + SOURCE)
def test_the_source_is_killed(movers: dict[str, Carried], way: str, case: Case) -> None:
    kill_an_agent(movers[way], "source", case, Trip)


@rows("target", TARGET_ENGINE + TARGET)
def test_the_target_is_killed(movers: dict[str, Carried], way: str, case: Case) -> None:
    kill_an_agent(movers[way], "target", case, Trip)


@rows("network", CUTS)
def test_the_network_is_cut(movers: dict[str, Carried], way: str, case: Cut) -> None:
    cut_the_network(movers[way], case, Trip)


def at_work(lab: Lab, vm_id: str, number: str, child: Child) -> Optional[int]:
    """The runtime that saves or restores the container on a host, or its CRIU."""
    root = f"/hosts/{number}/run/oci/runtime".encode()
    words: dict[int, list[bytes]] = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words[int(pid)] = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
    for pid, said in words.items():
        if child.verb.encode() not in said or vm_id.encode() not in said or not any(w.endswith(root) for w in said):
            continue
        # The guard that brings it in, and the stage that becomes the runtime.
        if said[0].endswith(b"/drover-guard") or b"run" in said:
            continue
        if child.what == "runtime":
            return pid
        # Before that it is asked for its version.
        if not any((lab.dir / "hosts" / number / "run" / vm_id / "work").glob("*.log")):
            return None
        for other, its in words.items():
            if b"swrk" in its and parent(other) == pid:
                return other
    return None


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


@rows("child", CHILDREN)
def test_a_program_is_killed_at_its_work(movers: dict[str, Carried], way: str, case: Child) -> None:
    end = time.monotonic() + 60
    pid = None
    # It lives for some tenths of a second: on a busy machine that may be between two looks, and the move is over.
    while not pid:
        assert time.monotonic() < end, f"no {case.what} was seen"
        m = Trip(movers[way])
        number = number_of(m.lab, m.source if case.verb == "checkpoint" else m.target)
        task = m.ordered()
        while not (pid := at_work(m.lab, m.mover.id, number, case)) and not m.is_over(task):
            pass
    os.kill(pid, signal.SIGKILL)
    assert m.settle(f"{case.what:8} {'killed in ' + case.verb:34}") == "stayed"


# ---- what goes along ----


def rounds(lab: Lab, vm_id: str) -> int:
    """How often many_kinds.c has gone round all that it has; it says so when something is not as it was."""
    said = run(lab, vm_id, "/bin/busybox cat /state/rounds")
    assert said.isdigit(), said
    return int(said)


def test_whatever_processes_have_goes_along(lab: Lab, tmp_path: Path) -> None:
    need_ability(lab, "live_migration")
    program = tmp_path / "init"
    source = Path(__file__).parent / "many_kinds.c"
    subprocess.run(["cc", "-D_GNU_SOURCE", "-O1", "-static", "-pthread", "-o", str(program), str(source)], check=True)
    folders: dict[str, Optional[str]] = {f: None for f in ("bin", "etc", "dev", "proc", "sys", "state")}
    shell = Path("/bin/busybox").read_bytes().decode("latin-1")
    data = tar_of({**folders, "bin/busybox": shell, "bin/sh": shell, "bin/init": program.read_bytes().decode("latin-1")})
    tpl = bring_in(lab, data, "kinds", "tar", args=["/bin/init"])
    made = make(lab, "kinds", template=tpl["id"])
    for _ in range(lab.hosts):
        before = wait_for("it to go round", lambda: rounds(lab, made["id"]))
        to = next(h["id"] for h in lab.all("hosts") if h["id"] != vm(lab, made["id"])["host"])
        lab.api().do("POST", f"/vms/{made['id']}/migrate", {"host": to})
        wait_for("it to go on", lambda: rounds(lab, made["id"]) > before + 10)
    act(lab, made["id"], "suspend")
    act(lab, made["id"], "start")
    wait_for("it to go on", lambda: rounds(lab, made["id"]) > before + 30)
    remove(lab, made["id"])
    lab.api().do("DELETE", f"/templates/{tpl['id']}")


# ---- what refuses ----


def refused_move(m: Trip, what: str, words: str) -> None:
    """It does not take place, and the container has not noticed anything, or stood still for a moment."""
    with pytest.raises(ApiError) as caught:
        m.lab.api().do("POST", f"/vms/{m.mover.id}/migrate", m.body)
    assert re.search(words, caught.value.message), caught.value.message
    m.mover.rows.append(f"{'shared':7}{'fault':8} {what:34} stayed  {caught.value.message[:110]}")
    assert m.mover.answers()
    assert m.mover.now()["power_state"] == "powered_on" and m.mover.now()["host"] == m.source
    check_one_copy(m.mover, m.source)
    assert isinstance(m.mover, Carried) and m.mover.content() == m.mover.sums


class Conf:
    """A line in the configuration of a host's agent, for a while."""

    def __init__(self, lab: Lab, host: str, section: str, line: str) -> None:
        self.lab, self.host = lab, host
        self.path = lab.dir / f"etc/agent-{number_of(lab, host)}.conf"
        self.before = self.path.read_text()
        self.after = f"{self.before}\n[{section}]\n{line}\n"

    def __enter__(self) -> None:
        self.path.write_text(self.after)
        renew_agent(self.lab, self.host)

    def __exit__(self, *_: object) -> None:
        self.path.write_text(self.before)
        renew_agent(self.lab, self.host)


def criu_that(lab: Lab, name: str, does: str) -> Path:
    """A CRIU of the lab's that does something else when it is asked by the runtime."""
    path, real = lab.dir / name, lab.dir / "criu/criu"
    path.write_text(f'#!/bin/sh\n[ "$1" != swrk ] || {does}\nexec {real} "$@"\n')
    path.chmod(0o755)
    return path


def test_there_is_no_criu_at_the_target(movers: dict[str, Carried]) -> None:
    m = Trip(movers["shared"])
    with Conf(m.lab, m.target, "engine.oci", "criu = /nowhere/criu"):
        refused_move(m, "no CRIU at the target", "moves no running container")


def test_nothing_can_be_restored_at_the_target(movers: dict[str, Carried]) -> None:
    m = Trip(movers["shared"])
    with Conf(m.lab, m.target, "engine.oci", f"criu = {criu_that(m.lab, 'no-restore', 'exit 1')}"):
        refused_move(m, "CRIU fails at the target", "^host .*its processes cannot be restored")


def test_criu_dies_at_the_target(movers: dict[str, Carried]) -> None:
    """When there are processes already, which hold what the runtime waits for."""
    m = Trip(movers["shared"])
    script, rules = m.lab.dir / "dying.sh", m.lab.dir / "dying.conf"
    script.write_text('#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" != post-setup-namespaces ] || kill -9 $PPID\n')
    script.chmod(0o755)
    rules.write_text(f"action-script {script}\n")
    criu = criu_that(m.lab, "dying", f"export CRIU_CONFIG_FILE={rules}")
    with Conf(m.lab, m.target, "engine.oci", f"criu = {criu}"):
        refused_move(m, "CRIU dies at the target", "CRIU ended before it was done")


class Full:
    """A host's folder for what runs has no room for the container, for a while and in the agent's eyes alone."""

    def __init__(self, lab: Lab, host: str) -> None:
        self.inside = ["nsenter", "-t", str(lab.pid(agent_of(lab, host))), "-m"]
        self.folder = f"{lab.setting_of('lab_run_dir')}/hosts/{number_of(lab, host)}/run"

    def __enter__(self) -> None:
        subprocess.run([*self.inside, "mount", "-t", "tmpfs", "-o", f"size={MEMORY_MB // 2}m", "full", self.folder], check=True)

    def __exit__(self, *_: object) -> None:
        subprocess.run([*self.inside, "umount", self.folder], check=True)


def test_there_is_no_room_at_the_target(movers: dict[str, Carried]) -> None:
    m = Trip(movers["shared"])
    with Full(m.lab, m.target):
        refused_move(m, "no room at the target", "^host .*No space left on device")


def test_nothing_can_be_saved_at_the_source(movers: dict[str, Carried]) -> None:
    m = Trip(movers["shared"])
    with Conf(m.lab, m.source, "engine.oci", f"criu = {criu_that(m.lab, 'no-dump', 'exit 1')}"):
        refused_move(m, "CRIU fails at the source", "cannot be saved")
