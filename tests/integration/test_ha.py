"""HA with real guests: what becomes of them when hosts are cut off or lost, and that there are never two of one."""
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Iterator, NamedTuple

import pytest
from conftest import ROOT, Lab, alive, wait_for
from lab_faults import ALL, BOTH, HANGS, IN, OUT, WRITES, Hosts, Witness, signal_all
from test_guests import Service, make, vm

sys.path.insert(0, str(ROOT / "tests/lib"))

from ordeals import BEAR_S, EITHER, MOVES, ORDEALS, RUNS  # noqa: E402  (needs the path above)

TAKERS = 2
FOUND_S = 120
SETTLED_S = 90
LEASES_OVER_S = 16  # longer than any lease with its kill bound
STALL_S = 12  # longer than others would wait for a lease on a datastore
EVICTED_S = 18  # a host that alone has lost its storage is given 20 s
ISOLATED_S = 12
DYING_S = 10


class Row(NamedTuple):
    """What is cut, what the guest wishes then; and what the host looks like, what becomes of the guest."""

    server: str
    store: str
    response: str
    looks: str
    guest: str


STANDS = ""
LEFT, OFF = "leave_on", "power_off"
# The same as in docs/ha.md.
DOCUMENTED = [
    Row(OUT, STANDS, LEFT, "partitioned", RUNS),
    Row(IN, STANDS, LEFT, "partitioned", RUNS),
    Row(BOTH, STANDS, LEFT, "partitioned", RUNS),
    Row(BOTH, STANDS, OFF, "isolated", MOVES),
    Row(STANDS, WRITES, LEFT, "has lost its datastore", MOVES),
    Row(STANDS, ALL, LEFT, "has lost its datastore", MOVES),
    Row(OUT, WRITES, LEFT, "dead", MOVES),
    Row(BOTH, ALL, LEFT, "dead", MOVES),
    Row(STANDS, HANGS, LEFT, "has lost its datastore", MOVES),
    Row(BOTH, HANGS, LEFT, "dead", MOVES),
]
# What hangs is a file system of FUSE.
ROWS = [r for r in DOCUMENTED if r.store != HANGS or os.access("/dev/fuse", os.R_OK | os.W_OK)]
SERVER_WORDS = {STANDS: "stands", OUT: "cut, host to server", IN: "cut, server to host", BOTH: "cut both ways"}
STORE_WORDS = {STANDS: "stands", WRITES: "takes no writes", ALL: "gone", HANGS: "hangs"}


def documented(title: str) -> list[tuple[str, ...]]:
    """The rows of the table under it."""
    text = (ROOT / "docs/ha.md").read_text().split(title, 1)[1]
    table = re.findall(r"^\|.*\|$", text.split("\n#", 1)[0], re.M)[2:]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table]


def test_documentation_has_these_rows() -> None:
    ours = [(SERVER_WORDS[r.server], STORE_WORDS[r.store], r.response, r.looks, r.guest) for r in DOCUMENTED]
    assert documented("### Cuts, one by one") == ours
    assert documented("### Ordeals") == [(o.what, o.guest) for o in ORDEALS]


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A host for each row and some that take their guests, all with leases."""
    if os.geteuid() != 0:
        pytest.skip("labs need root")
    made = Lab(Path(tempfile.mkdtemp(prefix="drover-lab-")) / "lab", len(ROWS) + TAKERS, 0, "qemu")
    try:
        made.up()
        start_early(made)
        settings = {"ha_enabled": True, "ha_admission": "off", "ha_isolation_s": ISOLATED_S}
        made.api().call("PATCH", f"/clusters/{made.all('clusters')[0]['id']}", settings)
        wait_for("the hosts to join", lambda: are_all_up(made), FOUND_S)
        yield made
        if request.session.testsfailed:
            print(made.logs())
    finally:
        made.destroy()
        shutil.rmtree(made.dir.parent, ignore_errors=True)


EARLY = ("early-machine", "early-container")


def start_early(lab: Lab) -> None:
    """They run before there are any leases, on the host of the guests that are lost with it."""
    home = lab.find("hosts", f"host-{len(ROWS) + 1}")["id"]
    make(lab, EARLY[0], host=home)
    make(lab, EARLY[1], host=home, template=container_template(lab))


@pytest.fixture(scope="module")
def hosts(lab: Lab) -> Hosts:
    return Hosts(lab.dir)


def are_all_up(lab: Lab) -> bool:
    reached = lab.find("datastores", "shared")["reachable_hosts"]
    return len(reached) == lab.hosts and all(h["ha_state"] == "up" for h in lab.all("hosts"))


def number(host: dict[str, Any]) -> int:
    return int(host["name"].rsplit("-", 1)[1])


def host_of(lab: Lab, guest: str) -> dict[str, Any]:
    return lab.api().get(f"/hosts/{vm(lab, guest)['host']}")


def restarts(lab: Lab, guest: str) -> list[dict[str, Any]]:
    return [t for t in lab.all("tasks") if t["op"] == "ha.restart" and t["entity"] == guest]


def messages(lab: Lab, kind: str) -> list[str]:
    return [e["message"] for e in lab.all("events") if e["type"] == kind]


def container_template(lab: Lab) -> str:
    """Containers' where there can be any: they start at once."""
    names = {t["name"]: t["id"] for t in lab.all("templates")}
    return names.get("busybox", names["tiny"])


def one_on_each(lab: Lab, name: str, responses: list[str]) -> list[str]:
    """Guests from the first host on, one on each, protected."""
    template = container_template(lab)
    started = []
    for i, response in enumerate(responses):
        body = {"name": f"{name}-{i}", "template": template, "host": lab.find("hosts", f"host-{i + 1}")["id"]}
        made = lab.api().do("POST", "/vms", body)["entity"]
        lab.api().do("PATCH", f"/vms/{made}", {"ha_isolation_response": response})
        started.append((made, lab.api().call("POST", f"/vms/{made}/start", {})["task"]))
    for _, task in started:
        lab.api().wait(task)
    ids = [guest for guest, _ in started]
    wait_for("all to be protected", lambda: all(vm(lab, i)["ha_protected"] for i in ids), FOUND_S)
    return ids


def early(lab: Lab) -> list[dict[str, Any]]:
    return [lab.find("vms", name) for name in EARLY]


def test_guests_that_ran_before_are_protected_as_they_run(lab: Lab, hosts: Hosts) -> None:
    home = len(ROWS) + 1
    wait_for("those that ran before", lambda: all(g["ha_protected"] for g in early(lab)), FOUND_S)
    first = early(lab)[0]["id"]
    before = [hosts.pids_of(home, g["id"]) for g in early(lab)]
    for priority, protected in (("off", False), ("high", True)):
        lab.api().do("PATCH", f"/vms/{first}", {"ha_restart_priority": priority})
        wait_for(f"priority {priority} to tell", lambda: vm(lab, first)["ha_protected"] == protected, FOUND_S)
    assert [hosts.pids_of(home, g["id"]) for g in early(lab)] == before


@pytest.fixture(scope="module")
def row_guests(lab: Lab) -> list[str]:
    return one_on_each(lab, "row", [row.response for row in ROWS])


class Seen:
    """What the server says of the rows' hosts and guests from now on."""

    def __init__(self, lab: Lab, guests: list[str]) -> None:
        self.lab, self.guests = lab, guests
        self.looks: list[set[str]] = [set() for _ in ROWS]
        self.moved: dict[int, float] = {}
        self.began = time.monotonic()

    def look(self) -> None:
        rows = {h["id"]: h for h in self.lab.all("hosts")}
        states = {h["name"]: h["ha_state"] for h in rows.values()}
        guests = {v["id"]: v for v in self.lab.all("vms")}
        for i, guest in enumerate(self.guests):
            self.looks[i].add(states[f"host-{i + 1}"])
            row = guests[guest]
            if rows[row["host"]]["name"] != f"host-{i + 1}" and row["power_state"] == "powered_on":
                self.moved.setdefault(i, time.monotonic() - self.began)

    def is_as_documented(self) -> bool:
        self.look()
        over = time.monotonic() - self.began > LEASES_OVER_S
        return over and all(r.looks in self.looks[i] and (i in self.moved) == (r.guest == MOVES) for i, r in enumerate(ROWS))

    def __str__(self) -> str:
        ends = [f"elsewhere after {self.moved[i]:.1f} s" if i in self.moved else "stays" for i in range(len(ROWS))]
        return "\n".join(f"{row}: {sorted(self.looks[i])}, {ends[i]}" for i, row in enumerate(ROWS))


def cut(hosts: Hosts, host: int, row: Row) -> None:
    if row.store:
        hosts.cut_store(host, row.store)
    if row.server:
        hosts.cut_server(host, row.server)


def mend(hosts: Hosts, host: int, row: Row) -> None:
    if row.server:
        hosts.mend_server(host)
    if row.store:
        hosts.mend_store(host)


def test_each_cut_ends_as_documented(lab: Lab, hosts: Hosts, row_guests: list[str]) -> None:
    before = [hosts.pids_of(i + 1, g) for i, g in enumerate(row_guests)]
    with Witness(hosts) as witness:
        for i, row in enumerate(ROWS):
            cut(hosts, i + 1, row)
        seen = Seen(lab, row_guests)
        try:
            wait_for("each to end as documented", seen.is_as_documented, SETTLED_S)
        finally:
            print(f"\n{seen}")
        for i, (row, guest) in enumerate(zip(ROWS, row_guests)):
            now = hosts.pids_of(i + 1, guest)
            assert now == before[i] if row.guest == RUNS else not now & before[i]
            mend(hosts, i + 1, row)
        wait_for("all to be well again", lambda: are_all_up(lab), SETTLED_S)
        assert [len(hosts.hosts_of(g)) for g in row_guests] == [1] * len(ROWS)
    witness.check()
    for i, row in enumerate(ROWS):
        # Nobody else was touched, and nobody was fenced who is alive.
        assert row.guest == MOVES or hosts.pids_of(i + 1, row_guests[i]) == before[i]
        assert (lab.find("hosts", f"host-{i + 1}")["ha_fenced_inc"] > 0) == (row.looks == "dead")
        assert row.looks != "has lost its datastore" or seen.moved[i] > EVICTED_S


def test_storage_that_all_lose_ends_nothing(lab: Lab, hosts: Hosts, row_guests: list[str]) -> None:
    before = {g: {h: hosts.pids_of(h, g) for h in hosts.hosts_of(g)} for g in row_guests}
    orders = [len(restarts(lab, g)) for g in row_guests]
    hangs = any(r.store == HANGS for r in ROWS)
    for host in hosts.numbers:
        hosts.cut_store(host, HANGS if hangs and host % 2 else ALL)
    began = time.monotonic()
    try:
        wait_for("their leases on it to be over", lambda: time.monotonic() - began > STALL_S, SETTLED_S)
        assert {g: {h: hosts.pids_of(h, g) for h in hosts.hosts_of(g)} for g in row_guests} == before
    finally:
        for host in hosts.numbers:
            hosts.mend_store(host)
    wait_for("all to be well again", lambda: are_all_up(lab), SETTLED_S)
    assert [len(restarts(lab, g)) for g in row_guests] == orders


def test_ordeals_are_borne(lab: Lab, hosts: Hosts, row_guests: list[str]) -> None:
    """All at once, each on a host of its own; who is fenced shows that the time is long enough."""
    tried = one_on_each(lab, "tried", [LEFT] * len(ORDEALS))
    ordeals = [kind(lab, hosts, i + 1, len(ROWS) + TAKERS) for i, kind in enumerate(ORDEALS)]
    before = [hosts.pids_of(i + 1, g) for i, g in enumerate(tried)]
    looks: list[set[str]] = [set() for _ in ordeals]
    with Witness(hosts) as witness:
        for o in ordeals:
            o.begin()
            print(f"{time.strftime('%X')} {o.what}")
        began = time.monotonic()

        def is_borne() -> bool:
            since = time.monotonic() - began
            states = {h["name"]: h["ha_state"] for h in lab.all("hosts")}
            for o, seen in zip(ordeals, looks):
                o.turn(since)
                seen.add(states[f"host-{o.number}"])
            return since > BEAR_S and all("dead" in seen for o, seen in zip(ordeals, looks) if o.guest == MOVES)

        wait_for("the ordeals to be over", is_borne, SETTLED_S)
        proofs = []
        for o in reversed(ordeals):
            proofs.insert(0, o.proof())
            o.heal()
        wait_for("all to be well again", lambda: are_all_up(lab), SETTLED_S)
        wait_for("one of each", lambda: all(len(hosts.hosts_of(g)) == 1 for g in tried), SETTLED_S)
    witness.check()
    print("\n" + "\n".join(f"{o.what}: {p}; {sorted(seen)}" for o, p, seen in zip(ordeals, proofs, looks)))
    for o, guest, pids, seen, proof in zip(ordeals, tried, before, looks, proofs):
        assert proof, o.what
        if o.guest == EITHER:
            continue
        assert (hosts.pids_of(o.number, guest) == pids) == (o.guest == RUNS), o.what
        assert ("dead" in seen) == (o.guest == MOVES), (o.what, seen)
        assert len(restarts(lab, guest)) == (o.guest == MOVES), o.what


@pytest.fixture(scope="module")
def guests(lab: Lab, row_guests: list[str]) -> list[str]:
    """Two machines and a container (where there are any) on one host, protected."""
    home = lab.find("hosts", f"host-{len(ROWS) + 1}")["id"]
    made = [make(lab, name, host=home) for name in ("ha-a", "ha-b")]
    made.append(make(lab, "ha-box", template=container_template(lab), host=home))
    ids = [m["id"] for m in made]
    wait_for("all to be protected", lambda: all(vm(lab, i)["ha_protected"] for i in ids), FOUND_S)
    return ids


@pytest.mark.parametrize("manager", ["there", "away"])
def test_a_guest_that_dies_runs_again_in_its_place(lab: Lab, hosts: Hosts, guests: list[str], manager: str) -> None:
    for guest in (guests[0], guests[-1]):
        home, orders = number(host_of(lab, guest)), len(restarts(lab, guest))
        dead = hosts.pids_of(home, guest)
        if manager == "away":
            lab.kill("droverd")
        signal_all(dead, signal.SIGKILL)
        began = time.monotonic()
        wait_for("it to run again", lambda: hosts.pids_of(home, guest) - dead, FOUND_S)
        print(f"\n{guest}, the manager {manager}: again after {time.monotonic() - began:.1f} s")
        if manager == "away":
            lab.start("droverd")
            lab.wait_healthy()
        wait_for("the server to see it", lambda: vm(lab, guest)["power_state"] == "powered_on", FOUND_S)
        assert hosts.hosts_of(guest) == [home] and number(host_of(lab, guest)) == home
        assert len(restarts(lab, guest)) == orders
    wait_for("the hosts", lambda: are_all_up(lab), FOUND_S)


def test_one_that_dies_at_once_is_started_less_and_less(lab: Lab, hosts: Hosts, guests: list[str]) -> None:
    guest, known = guests[-1], len(lab.all("tasks"))
    began, starts = time.monotonic(), 0

    def dies() -> bool:
        nonlocal starts
        for host in hosts.hosts_of(guest):
            starts += 1
            signal_all(hosts.pids_of(host, guest), signal.SIGKILL)
            wait_for("it to be dead", lambda: not hosts.pids_of(host, guest), FOUND_S)
        return time.monotonic() - began > DYING_S

    wait_for("its bad time to be over", dies, FOUND_S)
    wait_for("it to run", lambda: vm(lab, guest)["power_state"] == "powered_on" and hosts.hosts_of(guest), FOUND_S)
    tasks = len(lab.all("tasks")) - known
    print(f"\ndied {starts} times in {DYING_S} s, {tasks} tasks, runs {time.monotonic() - began:.1f} s after the first")
    assert 2 <= starts <= DYING_S and tasks <= starts
    assert all(t["state"] in ("success", "error") for t in lab.all("tasks"))


def guests_on(lab: Lab, host: dict[str, Any]) -> list[str]:
    return [v["id"] for v in lab.all("vms") if v["host"] == host["id"]]


def are_elsewhere(lab: Lab, guests: list[str], lost: str) -> bool:
    now = [vm(lab, g) for g in guests]
    return all(v["power_state"] == "powered_on" and v["host"] != lost for v in now)


def bring_back(lab: Lab, hosts: Hosts, lost: dict[str, Any]) -> None:
    hosts.start(number(lost))
    wait_for("it to join anew", lambda: lab.find("hosts", lost["name"])["ha_inc"] > lost["ha_inc"], FOUND_S)
    wait_for("it to be up", lambda: lab.find("hosts", lost["name"])["ha_state"] == "up", FOUND_S)


def test_guests_of_a_lost_host_run_elsewhere(lab: Lab, hosts: Hosts, guests: list[str]) -> None:
    lost = host_of(lab, guests[0])
    mine = guests_on(lab, lost)
    assert set(guests) | {g["id"] for g in early(lab)} <= set(mine)
    with Witness(hosts) as witness:
        hosts.kill(number(lost))
        wait_for("them to run elsewhere", lambda: are_elsewhere(lab, mine, lost["id"]), FOUND_S)
        for g in (guests[0], guests[-1]):
            Service(vm(lab, g)["ip_address"]).close()
        bring_back(lab, hosts, lost)
    witness.check()
    assert [len(restarts(lab, g)) for g in guests] == [1] * len(guests)
    assert not any(hosts.pids_of(number(lost), g) for g in mine)

    def said() -> list[str]:
        told = [m for m in messages(lab, "VmRestartedOnAlternateHostEvent") if m.startswith("ha-")]
        return told if len(told) == len(guests) else []

    split = wait_for("the event of each", said, FOUND_S)
    assert all("detect" in m and "wait" in m and lost["name"] in m for m in split)
    print("\n" + "\n".join(split))
    assert lab.find("hosts", lost["name"])["ha_fenced_inc"] == lost["ha_inc"]
    assert all(vm(lab, g)["ha_protected"] for g in guests)


@pytest.mark.parametrize("point", ["before", "start"])
def test_a_server_killed_after_fencing_orders_each_guest_once(
    lab: Lab, hosts: Hosts, guests: list[str], point: str
) -> None:
    """At the step of the first restart: the host is fenced, its order not yet, or just, sent."""
    lost = host_of(lab, guests[0])
    mine = guests_on(lab, lost)
    gens = {g: vm(lab, g)["run_gen"] for g in mine}
    pid = lab.crash_at("droverd", f"task.ha.restart.start.{point}")
    with Witness(hosts) as witness:
        hosts.kill(number(lost))
        wait_for("the server to be killed there", lambda: not alive(pid), FOUND_S)
        lab.start("droverd")
        lab.wait_healthy()
        assert lab.find("hosts", lost["name"])["ha_fenced_inc"] == lost["ha_inc"]
        wait_for("them to run elsewhere", lambda: are_elsewhere(lab, mine, lost["id"]), SETTLED_S)
        bring_back(lab, hosts, lost)
    witness.check()
    assert {g: vm(lab, g)["run_gen"] for g in mine} == {g: gen + 1 for g, gen in gens.items()}
    assert all(len(hosts.hosts_of(g)) == 1 for g in mine)
