"""A running machine moves while the server, an agent or the network dies at each step: one copy is left, and it never missed a beat.

DROVER_THOROUGH=1 takes every place of the tables; without it, those that differ most.
"""
import hashlib
import json
import os
import subprocess
import sys
import time
from http.client import HTTPException
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple, Optional

import pytest
from conftest import ROOT, Lab, alive, wait_for
from test_guests import Service, act, agent_of, make, remove, vm
from test_kill_matrix import processes
from test_migrate import disk_files, local_store

sys.path.insert(0, str(ROOT / "tests/lib"))

from counter import PATIENCE_S, Counter  # noqa: E402  (needs the path above)

ALL = bool(os.environ.get("DROVER_THOROUGH"))
SETTLED_S = 90
# A move of the machine below sends 90 MiB: these make it last.
SLOWLY, VERY_SLOWLY = 48, 12


class Case(NamedTuple):
    """Where somebody is killed in a move; usual: not only where DROVER_THOROUGH says so."""

    step: str
    when: str
    usual: bool = True
    cancelled: bool = False  # in mid-copy, so that both sides go back
    first: str = ""  # where the same one is killed before, which may be the end of the move


# Points as server/task/task_step.c names them; a step that waits for nothing has no "start".
SERVER = [
    Case("place", "before"),
    Case("wait", "before", usual=False),
    Case("offer", "before", usual=False),
    Case("offer", "start"),
    Case("offer", "finish", usual=False),
    Case("prepare", "before"),
    Case("prepare", "start"),
    Case("prepare", "finish"),
    Case("copy", "before"),
    Case("copy", "start"),
    Case("copy", "finish"),
    Case("switch", "before", usual=False),
    Case("switch", "start"),
    Case("switch", "finish"),
    Case("settle", "before"),
    Case("settle", "start"),
    Case("settle", "finish", usual=False),
    Case("settle", "end"),
    Case("switch", "start", cancelled=True),
    Case("copy", "undo", cancelled=True),
    Case("prepare", "undo", cancelled=True),
]
# Points as host-agent/guest/guest_job.c names them: "order.step".
SOURCE = [
    Case("offer.ask", "before"),
    Case("offer.disks", "before", usual=False),
    Case("offer.disks", "after", usual=False),
    Case("leave.leaving", "before"),
    Case("leave.leaving", "after", usual=False),
    Case("leave.connect", "before"),
    Case("leave.connect", "after"),
    Case("leave.give", "before", usual=False),
    Case("leave.give", "after"),
    Case("leave.given", "before", usual=False),
    Case("leave.given", "after"),
    Case("release.end", "before"),
    Case("release.over", "before"),
    Case("release.clear", "before", usual=False),
    Case("release.disks", "before", usual=False),
    Case("release.folder", "before", usual=False),
    Case("release.unrecord", "before"),
    Case("release.unrecord", "after"),
    Case("take_back.back", "before", first="leave.give.after"),
    Case("take_back.back", "after", first="leave.give.after", usual=False),
    Case("take_back.follow", "after", first="leave.give.after", usual=False),
]
TARGET = [
    Case("arrive.look", "before"),
    Case("arrive.absent", "before", usual=False),
    Case("arrive.end-given", "before", usual=False),
    Case("arrive.claim", "before"),
    Case("arrive.claim", "after"),
    Case("arrive.open", "before", usual=False),
    Case("arrive.group", "before", usual=False),
    Case("arrive.wires", "before", usual=False),
    Case("arrive.expect", "before"),
    Case("arrive.open-door", "before"),
    Case("arrive.open-door", "after"),
    Case("arrive.ready", "after"),
    Case("arrival.come", "before", usual=False),
    Case("arrival.come", "after"),
    Case("arrival.arrived", "before", usual=False),
    Case("arrival.arrived", "after"),
    Case("arrival.refuse", "before", cancelled=True),
    Case("arrival.refuse", "after", cancelled=True),
    Case("arrival.drop-record", "before", cancelled=True, usual=False),
]
STEPS = ["offer", "prepare", "copy", "switch", "settle"]


class Cut(NamedTuple):
    """What does not get through any more, at whose end, from which step on and how long."""

    what: str  # everything, hosts (the two of the move), server (that and the host)
    end: str  # source, target
    step: str
    seconds: float
    usual: bool = True


# Shorter than three heartbeats, so that no link is given up for it; long enough for the
# server's links to be; and for the transfer between the hosts too.
SHORT_S, LONG_S, STALLED_S = 1, 5, 12
# The first step is over before anybody can look.
CUTS = [
    Cut(what, end, step, SHORT_S, usual=step != "offer" if what == "everything" else step == "copy")
    for what in ("everything", "hosts", "server")
    for end in ("source", "target")
    for step in STEPS
] + [
    Cut(what, end, step, LONG_S if what == "server" else STALLED_S, usual=step == "copy" and (what, end) in (("everything", "target"), ("server", "source")))
    for what in ("everything", "hosts", "server")
    for end in ("source", "target")
    for step in ("prepare", "copy", "switch")
]


def usual(cases: list[Any]) -> list[Any]:
    return [c for c in cases if ALL or c.usual]


def name_of(case: Any) -> str:
    if isinstance(case, Cut):
        return f"{case.what}-{case.end}-{case.step}-{case.seconds}s"
    return "-".join(filter(None, (case.step, case.when, case.cancelled and "cancelled", case.first and "again")))


def number_of(lab: Lab, host_id: str) -> str:
    return agent_of(lab, host_id).rsplit("-", 1)[1]


def heal(lab: Lab) -> None:
    """Whatever the case before has left: everybody runs, nobody is to be killed."""
    if not alive(lab.pid("droverd")):
        lab.start("droverd")
        lab.wait_healthy()
    for host in lab.all("hosts"):
        if not alive(lab.pid(agent_of(lab, host["id"]))):
            lab.start(agent_of(lab, host["id"]))
    wait_for("the hosts to be connected", lambda: lab.connected() == lab.hosts and lab.linked() == lab.hosts)


def renew_agent(lab: Lab, host_id: str, crash_at: Optional[str] = None) -> None:
    """In the place of one that was killed, or is now."""
    lab.restart_agent(agent_of(lab, host_id), crash_at)


class Mover:
    """The one machine of all cases, and the client that holds one connection to it throughout."""

    template = "tiny"
    # How it is sent so that somebody can be killed, or cut off, while it is.
    slowly, very_slowly = SLOWLY, VERY_SLOWLY

    def __init__(self, lab: Lab, name: str) -> None:
        self.lab = lab
        made = make(lab, name, template=lab.find("templates", self.template)["id"])
        self.id, self.address = made["id"], made["ip_address"]
        Service(self.address).close()
        self.counter = Counter(self.address, every=0.01)
        # Longer than any cut and what TCP waits after it.
        self.counter.sock.settimeout(90)
        self.rows: list[str] = []

    def now(self) -> dict[str, Any]:
        return vm(self.lab, self.id)

    def processes(self) -> list[int]:
        return processes(self.lab, self.id)

    def wires(self, number: str) -> int:
        """Of all machines on a host."""
        return links(self.lab, number, "tun")

    def traces(self, number: str) -> list[str]:
        return traces(self.lab, self.id, number)

    def answers(self) -> bool:
        """Does it go on to count?  A number lost or repeated ends the test."""
        seen = self.counter.answers
        wait_for("the counter to go on", lambda: self.counter.answers > seen + 5 or not self.counter.healthy(), PATIENCE_S)
        assert self.counter.healthy(), f"the client of {self.id}: {self.counter.wrong}"
        return True

    def tally(self) -> str:
        return "lost 0, doubled 0" if self.counter.healthy() else f"wrong: {self.counter.wrong}"

    def end(self) -> None:
        """Nothing of it is left."""
        self.counter.end()
        remove(self.lab, self.id)
        assert not list((self.lab.dir / "ds").rglob(f"{self.id}/*"))

    def next_host(self) -> str:
        hosts = sorted(h["id"] for h in self.lab.all("hosts"))
        return hosts[(hosts.index(self.now()["host"]) + 1) % len(hosts)]


class Move:
    """One case: from a machine that runs and answers to one that does."""

    def __init__(self, mover: Mover, **body: Any) -> None:
        self.mover, self.lab = mover, mover.lab
        heal(mover.lab)
        mover.answers()
        self.source, self.target = mover.now()["host"], mover.next_host()
        self.body = {"host": self.target, **body}
        self.known = {t["id"] for t in self.tasks()}
        mover.counter.take_gap()

    def tasks(self) -> list[dict[str, Any]]:
        return [t for t in self.lab.all("tasks") if t["entity"] == self.mover.id and t["op"] == "vm.migrate"]

    def order(self) -> Optional[str]:
        """The task's id, unless the server dies before it can tell."""
        try:
            answer = self.lab.api().call("POST", f"/vms/{self.mover.id}/migrate", self.body)
            return str(answer["task"]["id"])
        except (OSError, ValueError, HTTPException):
            return None

    def ordered(self) -> str:
        """Where the server lives on."""
        task = self.order()
        assert task
        return task

    def task(self, task_id: str) -> dict[str, Any]:
        return self.lab.api().get(f"/tasks/{task_id}")

    def is_over(self, task_id: str) -> bool:
        return self.task(task_id)["state"] in ("success", "error")

    def wait_copying(self, task_id: str) -> None:
        def copying() -> bool:
            task = self.task(task_id)
            assert task["state"] in ("queued", "running"), task
            return task["step"] == "copy" and (task["done_bytes"] or 0) > 0

        wait_for("it to copy", copying)

    def cancel(self, task_id: str) -> None:
        self.wait_copying(task_id)
        try:
            self.lab.api().call("POST", f"/tasks/{task_id}/cancel", {})
        except (OSError, ValueError, HTTPException):
            pass  # the server may be the one that dies of it

    def settle(self, row: str) -> str:
        """Wait for the end of everything; one copy, one truth, and nothing beside it."""
        lab, mover = self.lab, self.mover
        wait_for("the hosts to be connected", lambda: lab.connected() == lab.hosts, SETTLED_S)
        wait_for(
            "no task to run",
            lambda: all(t["state"] in ("success", "error") for t in lab.all("tasks")),
            SETTLED_S,
        )
        mover.answers()
        outage = mover.counter.take_gap()
        after = mover.now()
        assert after["power_state"] == "powered_on", after["power_reason"]
        assert after["host"] in (self.source, self.target)
        check_one_copy(mover, after["host"])
        new = [t for t in self.tasks() if t["id"] not in self.known]
        moved = after["host"] == self.target
        assert len(new) == 1 and (new[0]["state"] == "success") == moved, new
        why = new[0]["error_message"] if not moved else ""
        mover.rows.append(f"{row} {'moved' if moved else 'stayed':7} {outage * 1000:7.0f} ms  {why[:110]}")
        print(mover.rows[-1], flush=True)
        return "moved" if moved else "stayed"


def links(lab: Lab, number: str, kind: str) -> int:
    netns = lab.setting_of("lab_name") + f"-h{number}"
    ran = subprocess.run(
        ["ip", "-netns", netns, "-o", "link", "show", "type", kind], check=True, capture_output=True, text=True
    )
    return len(ran.stdout.splitlines())


def traces(lab: Lab, vm_id: str, number: str) -> list[str]:
    """What a host has of a machine: records, sockets, control groups."""
    home, group = lab.dir / "hosts" / number, lab.setting_of("lab_cgroup")
    found = [home / "state/guests" / vm_id, home / "run" / vm_id]
    found += Path("/sys/fs/cgroup").glob(f"*/{group}/h{number}/*{vm_id}*")
    return [str(p) for p in found if p.exists()]


def check_one_copy(mover: Mover, host_id: str) -> None:
    """The processes, the hosts and the inventory agree, and nobody else holds anything of the machine."""
    lab, here = mover.lab, number_of(mover.lab, host_id)
    others = [n for n in map(str, range(1, lab.hosts + 1)) if n != here]
    wait_for("one process", lambda: len(mover.processes()) == 1, 30)
    pid = mover.processes()[0]
    assert f"{lab.setting_of('lab_cgroup')}/h{here}/" in Path(f"/proc/{pid}/cgroup").read_text(), "it runs where it is said to"
    wait_for("the inventory to know the process", lambda: mover.now()["pid"] == pid)
    for n in others:
        wait_for(f"host {n} to forget it: {mover.traces(n)}", lambda: not mover.traces(n), 30)
    for n in [here, *others]:
        up = [v for v in lab.all("vms") if v["power_state"] != "powered_off" and number_of(lab, v["host"]) == n]
        assert mover.wires(n) == len(up), f"the wires on host {n}"


def tell(mover: Mover, seconds: float) -> None:
    """The matrix, and what the client says of all of it."""
    print(f"\n{'victim':8} {'at':34} {'outcome':7} {'the client waited':>10}")
    print("\n".join(mover.rows))
    print(f"{len(mover.rows)} cases in {seconds:.0f} s, {mover.counter.answers} answers: {mover.tally()}")


def beat_faster(lab: Lab) -> None:
    """What is given up after so many heartbeats is given up sooner."""
    conf = lab.dir / "etc/droverd.conf"
    conf.write_text(conf.read_text().replace("[agents]\n", "[agents]\nbeat_ms = 1000\n"))
    lab.restart_server()


@pytest.fixture(scope="module")
def mover(lab: Lab) -> Iterator[Mover]:
    beat_faster(lab)
    made = Mover(lab, "mover")
    began = time.monotonic()
    yield made
    tell(made, time.monotonic() - began)
    made.end()


def point_of(case: Case) -> str:
    """Places within an engine have names of their own."""
    return case.step if case.step.startswith("oci.") else f"agent.{case.step}.{case.when}"


def kill_an_agent(mover: Mover, side: str, case: Case, trip: type[Move] = Move) -> None:
    m = trip(mover, **({"bandwidth_mb": mover.very_slowly} if case.cancelled else {}))
    lab, host = mover.lab, m.source if side == "source" else m.target
    point = point_of(case)
    lab.crash_at(agent_of(lab, host), f"agent.{case.first}" if case.first else point)
    task = m.ordered()
    if case.cancelled:
        m.cancel(task)
    wait_for("the agent to be killed there", lambda: not alive(lab.pid(agent_of(lab, host))), 60)
    if case.first:
        renew_agent(lab, host, point)
        wait_for("its next end, or that of the move", lambda: m.is_over(task) or not alive(lab.pid(agent_of(lab, host))), 60)
    renew_agent(lab, host)
    m.settle(f"{side:8} {name_of(case):34}")


def kill_the_server(mover: Mover, case: Case, trip: type[Move] = Move) -> None:
    m = trip(mover, **({"bandwidth_mb": mover.very_slowly} if case.cancelled else {}))
    lab = mover.lab
    pid = lab.crash_at("droverd", f"task.vm.migrate.{case.step}.{case.when}")
    task = m.order()
    if task and case.cancelled:
        m.cancel(task)
    wait_for("the server to be killed there", lambda: not alive(pid), 60)
    lab.restart_server()
    m.settle(f"{'server':8} {name_of(case):34}")


@pytest.mark.parametrize("case", usual(SERVER), ids=name_of)
def test_the_server_is_killed(mover: Mover, case: Case) -> None:
    kill_the_server(mover, case)


@pytest.mark.parametrize("case", usual(SOURCE), ids=name_of)
def test_the_source_is_killed(mover: Mover, case: Case) -> None:
    kill_an_agent(mover, "source", case)


def test_a_source_that_was_away_deletes_what_it_sent(lab: Lab) -> None:
    """The machine is off, so that its host has all of its disks still when the move has ended without it."""
    made = make(lab, "sent", power_on=False)
    source = made["host"]
    target = next(h["id"] for h in lab.all("hosts") if h["id"] != source)
    act(lab, made["id"], "migrate", {"datastore": local_store(lab, source)["id"]})
    assert len(disk_files(lab, made["id"])) == 1
    lab.crash_at(agent_of(lab, source), "agent.release.end.before")
    lab.api().do("POST", f"/vms/{made['id']}/migrate", {"host": target, "datastore": local_store(lab, target)["id"]})
    assert not alive(lab.pid(agent_of(lab, source))) and len(disk_files(lab, made["id"])) == 2
    heal(lab)
    wait_for("the old image to go", lambda: len(disk_files(lab, made["id"])) == 1)
    after = vm(lab, made["id"])
    assert disk_files(lab, made["id"]) == [f"{local_store(lab, target)['name']}/{after['disks'][0]['path']}"]
    act(lab, made["id"], "start")
    Service(after["ip_address"]).close()
    remove(lab, made["id"])


@pytest.mark.parametrize("case", usual(TARGET), ids=name_of)
def test_the_target_is_killed(mover: Mover, case: Case) -> None:
    kill_an_agent(mover, "target", case)


class Scissors:
    """Cuts a host off, and joins it again."""

    def __init__(self, lab: Lab, what: str, host: str, peer: str) -> None:
        self.what = what
        self.netns = f"{lab.setting_of('lab_name')}-h{number_of(lab, host)}"
        subnet = (lab.dir / "net/subnet").read_text().strip()
        self.address = f"{subnet}.1" if what == "server" else f"{subnet}.{10 + int(number_of(lab, peer))}"

    def _run(self, *words: str, text: str = "") -> None:
        subprocess.run(words, input=text, check=True, capture_output=True, text=True)

    def cut(self) -> None:
        if self.what == "everything":
            self._run("ip", "-netns", self.netns, "link", "set", "uplink", "down")
            return
        self._run(
            "ip", "netns", "exec", self.netns, "nft", "-f", "-",
            text=f"""table inet cut {{
                chain in {{ type filter hook input priority 0; ip saddr {self.address} drop; }}
                chain out {{ type filter hook output priority 0; ip daddr {self.address} drop; }}
            }}""",
        )

    def join(self) -> None:
        if self.what == "everything":
            self._run("ip", "-netns", self.netns, "link", "set", "uplink", "up")
            return
        self._run("ip", "netns", "exec", self.netns, "nft", "delete", "table", "inet", "cut")


def at_or_behind(task: dict[str, Any], step: str) -> bool:
    """Some steps are over faster than anybody can look."""
    order = ["place", "wait", *STEPS]
    return task["state"] in ("success", "error") or order.index(task["step"] or "place") >= order.index(step)


def cut_the_network(mover: Mover, case: Cut, trip: type[Move] = Move) -> None:
    m = trip(mover, bandwidth_mb=mover.slowly)
    ends = (m.source, m.target) if case.end == "source" else (m.target, m.source)
    scissors = Scissors(mover.lab, case.what, *ends)
    api = mover.lab.api()
    task = m.ordered()
    wait_for("the step", lambda: at_or_behind(api.get(f"/tasks/{task}"), case.step))
    seen = api.get(f"/tasks/{task}")["step"]
    scissors.cut()
    begin = time.monotonic()
    try:
        wait_for("the time to be over", lambda: time.monotonic() - begin >= case.seconds, case.seconds + 5)
    finally:
        scissors.join()
    m.settle(f"{'network':8} {f'{case.what} {case.end} {case.seconds} s in {seen}':34}")


@pytest.mark.parametrize("case", usual(CUTS), ids=name_of)
def test_the_network_is_cut(mover: Mover, case: Cut) -> None:
    cut_the_network(mover, case)


def state_sum(lab: Lab, made: dict[str, Any]) -> str:
    """SHA-256 of what the machine has written, read from its image; its file system and image are whole."""
    disk = made["disks"][0]
    store = lab.api().get(f"/datastores/{disk['datastore']}")
    path, raw, out = lab.dir / "ds" / store["name"] / disk["path"], lab.dir / "disk.raw", lab.dir / "fill"
    subprocess.run(["qemu-img", "check", "-q", "-U", str(path)], check=True, capture_output=True)
    subprocess.run(["qemu-img", "convert", "-U", "-O", "raw", str(path), str(raw)], check=True)
    parts = json.loads(subprocess.run(["sfdisk", "-J", str(raw)], check=True, capture_output=True).stdout)
    state = f"{raw}?offset={parts['partitiontable']['partitions'][1]['start'] * 512}"
    # The machine has it mounted: what its journal holds is not in place yet.
    subprocess.run(["e2fsck", "-y", "-E", "journal_only", state], check=False, capture_output=True)
    checked = subprocess.run(["e2fsck", "-f", "-n", state], check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    subprocess.run(["debugfs", "-R", f"dump /fill {out}", state], check=True, capture_output=True)
    with out.open("rb") as f:
        found = hashlib.file_digest(f, "sha256").hexdigest()
    assert out.stat().st_size > 0
    raw.unlink()
    out.unlink()
    return found


def paused_sum(lab: Lab, vm_id: str) -> str:
    act(lab, vm_id, "pause")
    found = state_sum(lab, vm(lab, vm_id))
    act(lab, vm_id, "resume")
    return found


@pytest.fixture(scope="module")
def nomad(lab: Lab, mover: Mover) -> Iterator[Mover]:
    """One that has its disk on a datastore of its host alone; its rows join the others'."""
    made = Mover(lab, "nomad")
    made.rows = mover.rows
    lab.api().do("POST", f"/vms/{made.id}/migrate", {"datastore": local_store(lab, made.now()["host"])["id"]})
    service = Service(made.address)
    assert service.ask("write 16") == "ok" and service.ask("sync") == "ok"
    service.close()
    yield made
    made.end()


def move_with_disks(nomad: Mover, row: str, point: str, harm: Callable[[Move, str], None]) -> None:
    """harm takes place while it moves to the next host's own datastore; point is where the source's agent is killed."""
    lab = nomad.lab
    heal(lab)
    before = paused_sum(lab, nomad.id)
    target = local_store(lab, nomad.next_host())
    m = Move(nomad, datastore=target["id"], bandwidth_mb=SLOWLY // 2)
    if point:
        lab.crash_at(agent_of(lab, m.source), point)
    harm(m, m.ordered())
    m.settle(row)
    after = nomad.now()
    assert after["datastores"] == [local_store(lab, after["host"])["id"]]
    wait_for(f"one image: {disk_files(lab, nomad.id)}", lambda: len(disk_files(lab, nomad.id)) == 1)
    assert paused_sum(lab, nomad.id) == before
    service = Service(nomad.address)
    assert service.ask("write 1") == "ok"
    service.close()


@pytest.mark.parametrize("victim", ["source", "target", "server"])
def test_disks_that_go_along_stay_whole(nomad: Mover, victim: str) -> None:
    def kill(m: Move, task: str) -> None:
        m.wait_copying(task)
        if victim == "server":
            m.lab.restart_server()
        else:
            renew_agent(m.lab, m.source if victim == "source" else m.target)

    move_with_disks(nomad, f"{victim:8} {'copy, with disks':34}", "", kill)


def test_disks_of_a_source_that_is_away_at_the_end(nomad: Mover) -> None:
    """It is given up before it could be told what to delete."""

    def stay_away(m: Move, task: str) -> None:
        wait_for("its agent to be killed there", lambda: not alive(m.lab.pid(agent_of(m.lab, m.source))), 60)
        wait_for("the move to be over without it", lambda: m.is_over(task), 60)
        renew_agent(m.lab, m.source)

    move_with_disks(nomad, f"{'source':8} {'away from settle on, with disks':34}", "agent.release.end.before", stay_away)
