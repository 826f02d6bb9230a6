"""HA with real guests: a host is lost and its guests run elsewhere, once; a host that only the server misses is let alone."""
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
from conftest import Lab, alive, wait_for
from test_guests import Service, make, remove, vm

SERVER_ONLY_S = 16  # longer than any lease with its kill bound
FOUND_S = 60


def pids_of(lab: Lab, host: int, guest: str = "") -> set[int]:
    """What runs in a host's control groups, or in a guest's there."""
    found: set[int] = set()
    for group in Path("/sys/fs/cgroup").glob(f"*/{lab.setting_of('lab_cgroup')}/h{host}"):
        for folder, _, files in os.walk(group):  # which come and go meanwhile
            if "cgroup.procs" in files and (not guest or guest in folder.split("/")):
                try:
                    found |= {int(p) for p in Path(folder, "cgroup.procs").read_text().split()}
                except OSError:
                    continue
    return {p for p in found if alive(p)}


def kill_host(lab: Lab, host: int) -> None:
    """All at once: the agent, its guards, its guests."""
    agent = lab.pid(f"agent-{host}")
    net = os.readlink(f"/proc/{agent}/ns/net")
    doomed = pids_of(lab, host) | {agent}
    for p in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(p / "ns/net") == net:
                doomed.add(int(p.name))
        except OSError:
            continue
    for pid in doomed:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    wait_for("nothing of the host to be left", lambda: not any(alive(p) for p in doomed))


class Witness:
    """Looks all the time whether a guest has processes on two hosts at once."""

    def __init__(self, lab: Lab, guests: list[str]) -> None:
        self.lab, self.guests = lab, guests
        self.twice: list[tuple[str, list[int]]] = []
        self.looks = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self) -> None:
        while not self.over.wait(0.1):
            for guest in self.guests:
                hosts = [h for h in range(1, self.lab.hosts + 1) if pids_of(self.lab, h, guest)]
                if len(hosts) > 1:
                    self.twice.append((guest, hosts))
            self.looks += 1

    def __enter__(self) -> "Witness":
        self.thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.over.set()
        self.thread.join()


def number(host: dict[str, Any]) -> int:
    return int(host["name"].rsplit("-", 1)[1])


def host_of(lab: Lab, guest: str) -> dict[str, Any]:
    return lab.api().get(f"/hosts/{vm(lab, guest)['host']}")


def restarts(lab: Lab) -> int:
    return sum(t["op"] == "ha.restart" for t in lab.all("tasks"))


def messages(lab: Lab, kind: str) -> list[str]:
    return [e["message"] for e in lab.all("events") if e["type"] == kind]


@pytest.fixture(scope="module")
def guests(lab: Lab) -> Iterator[list[str]]:
    """Two machines and a container (where there are any) on one host, protected."""
    lab.api().call("PATCH", f"/clusters/{lab.all('clusters')[0]['id']}", {"ha_enabled": True, "ha_admission": "off"})
    wait_for("the hosts to join", lambda: all(h["ha_state"] == "up" for h in lab.all("hosts")), FOUND_S)
    home = lab.find("hosts", "host-1")["id"]
    made = [make(lab, "ha-a", host=home), make(lab, "ha-b", host=home)]
    if all(e["usable"] for h in lab.all("hosts") for e in h["engines"] if e["name"] == "oci"):
        made.append(make(lab, "ha-box", template=lab.find("templates", "busybox")["id"], host=home))
    ids = [m["id"] for m in made]
    wait_for("all to be protected", lambda: all(vm(lab, i)["ha_protected"] for i in ids), FOUND_S)
    yield ids
    for i in ids:
        remove(lab, i)


def test_a_host_that_only_the_server_misses_is_let_alone(lab: Lab, guests: list[str]) -> None:
    cut = host_of(lab, guests[0])
    server = (lab.dir / "net/subnet").read_text().strip() + ".1"
    netns = f"{lab.setting_of('lab_name')}-h{number(cut)}"
    before = {g: pids_of(lab, number(cut), g) for g in guests}

    def nft(text: str) -> None:
        subprocess.run(["ip", "netns", "exec", netns, "nft", "-f", "-"], input=text, text=True, check=True, capture_output=True)

    began = time.monotonic()
    nft(f"table ip cut {{ chain out {{ type filter hook output priority 0; ip daddr {server} drop; }}; }}")
    try:
        wait_for("it to be missed", lambda: lab.find("hosts", cut["name"])["ha_state"] == "partitioned", FOUND_S)
        wait_for("its leases to be over", lambda: time.monotonic() - began > SERVER_ONLY_S, 2 * SERVER_ONLY_S)
        assert lab.find("hosts", cut["name"])["ha_state"] == "partitioned"
        assert {g: pids_of(lab, number(cut), g) for g in guests} == before
    finally:
        nft("delete table ip cut")
    wait_for("it to be back", lambda: lab.find("hosts", cut["name"])["ha_state"] == "up", FOUND_S)
    assert restarts(lab) == 0 and lab.find("hosts", cut["name"])["ha_fenced_inc"] == 0
    assert {g: pids_of(lab, number(cut), g) for g in guests} == before


def test_guests_of_a_lost_host_run_elsewhere(lab: Lab, guests: list[str]) -> None:
    lost = host_of(lab, guests[0])
    with Witness(lab, guests) as witness:
        kill_host(lab, number(lost))
        began = time.monotonic()

        def runs(guest: str) -> bool:
            now = vm(lab, guest)
            return now["power_state"] == "powered_on" and now["host"] != lost["id"]

        took = {}
        for g in guests:
            wait_for(f"{g} to run elsewhere", lambda: runs(g), FOUND_S)
            took[g] = time.monotonic() - began
        print("\nran elsewhere after " + ", ".join(f"{s:.1f} s" for s in took.values()))
        for g in (guests[0], guests[-1]):
            Service(vm(lab, g)["ip_address"]).close()
        # The host comes back and is told.
        lab.start(f"agent-{number(lost)}")
        wait_for("it to join anew", lambda: lab.find("hosts", lost["name"])["ha_inc"] > lost["ha_inc"], FOUND_S)
        wait_for("it to be up", lambda: lab.find("hosts", lost["name"])["ha_state"] == "up", FOUND_S)
    assert witness.looks > 20 and witness.twice == []
    assert restarts(lab) == len(guests)
    assert not any(pids_of(lab, number(lost), g) for g in guests)
    said = wait_for("the event of each", lambda: (m := messages(lab, "VmRestartedOnAlternateHostEvent")) and len(m) == len(guests) and m, FOUND_S)
    assert all("detect" in m and "wait" in m and lost["name"] in m for m in said)
    print("\n".join(said))
    assert lab.find("hosts", lost["name"])["ha_fenced_inc"] == lost["ha_inc"]
    assert all(vm(lab, g)["ha_protected"] for g in guests)
