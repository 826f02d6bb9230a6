#!/usr/bin/python3
"""Hosts that are killed with protected guests on them: how soon those run elsewhere.

A kill is SIGKILL for all of a host at once, agent, guards and guests. What is counted is what an onlooker sees, from the
kill to the first process of one of its guests on another host, and to that of the last; the split is what the events
say. Where the lab has several servers, the one that leads is killed at the same moment in the second half of the kills."""
import argparse
import re
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple, Optional

from lab_client import Servers, arguments, lab_pid, no_guests_left, percentile, report
from lab_faults import Hosts, alive, signal_all

GUESTS = 3
WAIT_S = 120
SPLIT = re.compile(r"detect ([0-9.]+) s, wait ([0-9.]+) s, claim ([0-9.]+) s, exec ([0-9.]+) s")


class Seen(NamedTuple):
    first: float
    last: float


class Bench(Servers):
    def __init__(self, lab: Path) -> None:
        super().__init__(lab)
        self.hosts = Hosts(lab)
        self.api = self.leader()[1]
        self.guests: list[str] = []

    # ---- guests ----

    def host_id(self, number: int) -> str:
        return next(h["id"] for h in self.api.get("/hosts?limit=1000")["items"] if h["name"] == f"host-{number}")

    def wait(self, what: str, check: Any) -> None:
        end = time.monotonic() + WAIT_S
        while not check():
            if time.monotonic() > end:
                raise TimeoutError(f"waited {WAIT_S} s for: {what}")
            time.sleep(0.05)  # between looks

    def rows(self) -> list[dict[str, Any]]:
        return [self.api.get(f"/vms/{g}") for g in self.guests]

    def prepare(self) -> None:
        cluster = self.api.get("/clusters")["items"][0]["id"]
        self.api.call("PATCH", f"/clusters/{cluster}", {"ha_enabled": True, "ha_admission": "off"})
        self.wait("the hosts to join", self.are_hosts_up)
        templates = {t["name"]: t["id"] for t in self.api.get("/templates")["items"]}
        home = self.host_id(1)
        for i in range(GUESTS):
            kind = "busybox" if i == GUESTS - 1 and "busybox" in templates else "tiny"
            body = {"name": f"bench-ha-{i}", "template": templates[kind], "power_on": True, "host": home}
            made = self.api.call("POST", "/vms", body)
            self.api.wait(made["task"])
            self.guests.append(made["object"])
        self.wait("all to be protected", lambda: all(v["ha_protected"] for v in self.rows()))

    def are_hosts_up(self) -> bool:
        return all(h["ha_state"] == "up" for h in self.api.get("/hosts?limit=1000")["items"])

    def gather(self) -> int:
        """All guests on one host again, as somebody would move them; its number."""
        names = {h["id"]: h["name"] for h in self.api.get("/hosts?limit=1000")["items"]}
        home = self.rows()[0]["host"]
        for row in self.rows():
            if row["host"] != home:
                self.api.do("POST", f"/vms/{row['id']}/migrate", {"host": home})
        self.wait("all to be protected", lambda: all(v["ha_protected"] for v in self.rows()))
        return int(names[home].rsplit("-", 1)[1])

    # ---- a kill ----

    def look(self, lost: int) -> set[str]:
        return {g for h in self.hosts.numbers if h != lost for g in self.hosts.copies(h) if g in self.guests}

    def kill(self, lost: int, server: Optional[str]) -> Seen:
        begin = time.perf_counter()
        if server:
            signal_all({lab_pid(self.lab, server)}, signal.SIGKILL)
        self.hosts.kill(lost)
        first = last = 0.0
        end = begin + WAIT_S
        while not last:
            elsewhere = self.look(lost)
            now = time.perf_counter()
            if elsewhere and not first:
                first = now - begin
            if len(elsewhere) == len(self.guests):
                last = now - begin
            if now > end:
                raise TimeoutError(f"only {len(elsewhere)} of {len(self.guests)} guests run again")
            time.sleep(0.01)  # between looks
        return Seen(first, last)

    def one(self, with_leader: bool) -> Seen:
        lost = self.gather()
        server = self.leader()[0] if with_leader else None
        seen = self.kill(lost, server)
        self.api = self.leader()[1]
        if server:
            self.hosts.start_server(server)
        self.hosts.start(lost)
        self.wait("the guests to be powered on", lambda: all(v["power_state"] == "powered_on" for v in self.rows()))
        self.wait("the host to be back", self.are_hosts_up)
        if server:
            self.wait("the server to follow", lambda: alive(lab_pid(self.lab, server)))
        return seen

    def split(self) -> list[list[float]]:
        """What the events say of each restart."""
        events = self.api.get("/events?limit=1000")["items"]
        said = [SPLIT.search(e["message"]) for e in events if e["type"] == "VmRestartedOnAlternateHostEvent"]
        return [[float(s) for s in m.groups()] for m in said if m]


def tell(name: str, seen: list[Seen]) -> None:
    for part in ("first", "last"):
        values = [getattr(s, part) for s in seen]
        report(f"ha_kill_{name}_{part}_p50", percentile(values, 50), "s")
        report(f"ha_kill_{name}_{part}_p99", percentile(values, 99), "s")


def main(args: argparse.Namespace) -> None:
    bench = Bench(args.lab)
    with no_guests_left(bench.api):
        bench.prepare()
        leaders = args.kills // 2 if len(bench.servers()) > 1 else 0
        tell("host", [bench.one(False) for _ in range(args.kills - leaders)])
        for name, values in zip(("detect", "wait", "claim", "exec"), zip(*bench.split())):
            report(f"ha_kill_host_{name}_p50", percentile(list(values), 50), "s")
        if leaders:
            tell("leader", [bench.one(True) for _ in range(leaders)])


if __name__ == "__main__":
    p = arguments(__doc__)
    p.add_argument("--kills", type=int, default=30)
    main(p.parse_args())
