#!/usr/bin/python3
"""Thousands of hosts come back at once: how soon, and is one of them, or one of their guests, taken for lost.

For a lab of two servers (quickstart --engine sim --servers 2 --hosts 1). The hosts are bench_fleet's: real links, invented
guests, in clusters with HA. All their connections break; the leader is killed while another follows; all servers are
killed and started again. A host is back when the leader has answered one of its beats with a lease, which is after it has
taken its report."""
import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from typing import Any, Callable, Optional

from lab_client import (
    Api, ApiError, Servers, arguments, cpu_seconds, everything, lab_pid, lab_setting, percentile, report, resident_kib,
)
from lab_faults import Hosts, alive, signal_all, until

WAIT_S = 300
LOOK_S = 1  # between looks at all hosts, which are many
HOSTS_IN_CLUSTER = 50
GUEST_MB = 64
AT_ONCE = 4
# What the server says when it takes something for lost.
LOSSES = (
    "HostHaDeadEvent", "HostHaFencedEvent", "HostHaIsolatedEvent", "HostHaStorageLostEvent", "VmRestartedOnAlternateHostEvent",
    "VmRestartedInPlaceEvent", "VmFailoverFailedEvent", "VmNoFailoverHostEvent",
)
# What a host of the fleet sees of it.
ORDERS = ("start", "stop", "fenced")
SLOW_TURN = re.compile(r"callback (.*) took ([0-9]+) ms")


def now_ms() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) * 1000


class Fleet:
    """The process of all agents, and what it has said."""

    def __init__(self, program: Path, folder: Path, servers: list[str], api: str, fingerprint: str) -> None:
        self.said: list[tuple[float, str, str]] = []
        self.process = subprocess.Popen(
            [str(program), "--dir", str(folder), "--servers", ",".join(servers), "--api", api, "--ca-fingerprint", fingerprint],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            at, what, name = line.split()
            self.said.append((float(at), what, name))

    def tell(self, command: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def since(self, begin: float, *what: str) -> list[tuple[float, str, str]]:
        return [s for s in list(self.said) if s[0] >= begin and s[1] in what]

    def first(self, begin: float, what: str) -> dict[str, float]:
        """When each of them said it first, in seconds after begin."""
        found: dict[str, float] = {}
        for at, _, name in self.since(begin, what):
            found.setdefault(name, (at - begin) / 1000)
        return found

    def wait(self, begin: float, what: str, count: int, seconds: float = WAIT_S) -> list[float]:
        """Until so many of them have said it; when."""

        def is_there() -> bool:
            if self.process.poll() is not None:
                raise RuntimeError(f"the fleet has ended: {self.process.returncode}")
            return len(self.first(begin, what)) >= count

        until(f"{count} hosts to be {what}", is_there, seconds)
        return sorted(self.first(begin, what).values())

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        code = self.process.wait(60)
        self.reader.join()
        if code:
            raise RuntimeError(f"the fleet has ended: {code}")


class Bench(Servers):
    def __init__(self, lab: Path, agents: int, guests: int) -> None:
        super().__init__(lab)
        self.hosts, self.agents = Hosts(lab), agents
        self.clusters = -(-agents // HOSTS_IN_CLUSTER)
        self.guests_each = -(-guests // self.clusters)
        memory = Path("/dev/shm")  # each host syncs a file when another leads; here they would all be of one disk
        self.folder = Path(tempfile.mkdtemp(prefix="drover-fleet-", dir=memory if memory.is_dir() else None))
        self.fleet: Optional[Fleet] = None
        self.at_first: dict[str, Any] = {}
        self.begin_wall_ms = 0

    @property
    def api(self) -> Api:
        return self.leader()[1]

    def follower(self) -> str:
        leads = self.leader()[0]
        return next(name for name in self.servers() if name != leads)

    def wait(self, what: str, check: Callable[[], bool]) -> None:
        """A server that has just died, or is busy, is asked again."""

        def holds() -> bool:
            try:
                return check()
            except (OSError, HTTPException, ApiError):
                return False

        end = time.monotonic() + WAIT_S
        while not holds():
            if time.monotonic() > end:
                raise TimeoutError(f"waited {WAIT_S} s for: {what}")
            time.sleep(LOOK_S)  # between looks

    # ---- the fleet ----

    def launch(self, tokens: dict[str, dict[str, str]]) -> Fleet:
        address = (self.lab / "net/subnet").read_text().strip() + ".1"
        fleet = Fleet(
            Path(lab_setting(self.lab, "build")) / "bin/bench_fleet", self.folder,
            [f"{address}:{self.port(name) + 1}" for name in self.servers()], f"127.0.0.1:{self.port(self.leader()[0])}",
            next(iter(tokens.values()))["ca_fingerprint"],
        )
        for name, made in tokens.items():
            fleet.tell(f"host {name} {made['token']}")
        fleet.tell("go")
        return fleet

    def make_hosts(self) -> list[dict[str, Any]]:
        """Clusters with HA, and a token for each host of theirs."""
        api = self.api
        datacenter = api.call("POST", "/datacenters", {"name": "fleet"})["id"]
        clusters = [
            api.call("POST", "/clusters", {"name": f"fleet-{c}", "datacenter": datacenter, "ha_enabled": True, "ha_admission": "off"})
            for c in range(self.clusters)
        ]

        def ask(numbers: range) -> dict[str, dict[str, str]]:
            own = api.clone()
            return {
                f"fleet-{n}": own.call(
                    "POST", "/enroll-tokens", {"name": f"fleet-{n}", "cluster": clusters[n // HOSTS_IN_CLUSTER]["id"]})
                for n in numbers
            }

        with ThreadPoolExecutor(AT_ONCE) as pool:
            parts = list(pool.map(ask, [range(i, self.agents, AT_ONCE) for i in range(AT_ONCE)]))
        begin = now_ms()
        self.fleet = self.launch({name: made for part in parts for name, made in part.items()})
        self.fleet.wait(begin, "ready", self.agents)
        return clusters

    def make_guests(self, cluster: dict[str, Any], hosts: list[dict[str, Any]], api: Api) -> None:
        name = cluster["name"]
        store = api.do("POST", "/datastores", {
            "name": name, "datacenter": cluster["parent"], "path": f"/srv/{name}", "shared": True, "hosts": [h["id"] for h in hosts],
        }, WAIT_S)["entity"]
        template = api.do("POST", "/templates", {
            "name": name, "datastore": store, "path": "disk.qcow2", "format": "qcow2", "num_cpu": 1, "memory_mb": GUEST_MB,
        }, WAIT_S)["entity"]
        tasks = [
            api.call("POST", "/vms", {
                "name": f"{name}-{i}", "template": template, "host": hosts[i % len(hosts)]["id"], "power_on": True,
            })["task"]
            for i in range(self.guests_each)
        ]
        for task in tasks:
            api.wait(task, WAIT_S)

    def ours(self, plural: str) -> list[dict[str, Any]]:
        return [o for o in everything(self.api, plural) if o["name"].startswith("fleet-")]

    def prepare(self) -> None:
        clusters = self.make_hosts()
        self.wait("the hosts to hold leases", lambda: all(h["ha_state"] == "up" for h in self.ours("hosts")))
        hosts = self.ours("hosts")

        def fill(cluster: dict[str, Any]) -> None:
            self.make_guests(cluster, [h for h in hosts if h["parent"] == cluster["id"]], self.api)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(fill, clusters))
        self.wait("the guests to be protected", lambda: all(v["ha_protected"] for v in self.ours("vms")))
        self.at_first = {v["id"]: (v["host"], v["power_state"]) for v in self.ours("vms")}
        self.begin_wall_ms = int(time.time() * 1000)

    # ---- what is measured ----

    def measured(self, name: str, act: Callable[[], None]) -> float:
        """Until all are back after the act; the time that it began at."""
        assert self.fleet
        begin = now_ms()
        act()
        back = self.fleet.wait(begin, "leased", self.agents)
        report(f"fleet_{name}_p50", percentile(back, 50), "s")
        report(f"fleet_{name}_all", back[-1], "s")
        return begin

    def cut(self) -> None:
        """The follower's share of it tells what a handshake costs: it has nothing else to do."""
        assert self.fleet
        pid = lab_pid(self.lab, self.follower())
        cpu = cpu_seconds(pid)
        begin = self.measured("reconnect", lambda: self.fleet.tell("cut") if self.fleet else None)
        until("all handshakes", lambda: self.fleet and len(self.fleet.since(begin, "up")) >= 2 * self.agents, WAIT_S)
        report("fleet_handshake_cpu", (cpu_seconds(pid) - cpu) * 1000 / self.agents, "ms")

    def kill(self, *names: str) -> None:
        pids = {lab_pid(self.lab, name) for name in names}
        signal_all(pids, signal.SIGKILL)
        until("the servers to be gone", lambda: not any(alive(p) for p in pids))

    def start(self, *names: str) -> None:
        assert self.fleet
        begin = now_ms()
        for name in names:
            self.hosts.start_server(name)
        until("all lines to be there", lambda: self.fleet and len(self.fleet.since(begin, "up")) >= self.agents * len(names), WAIT_S)

    def fail_over(self) -> int:
        """How many handshakes it took."""
        assert self.fleet
        lost = self.leader()[0]
        begin = self.measured("failover", lambda: self.kill(lost))
        handshakes = len(self.fleet.since(begin, "up"))
        report("fleet_failover_handshakes", handshakes, "handshakes")
        self.start(lost)
        return handshakes

    def restart(self) -> None:
        names = self.servers()

        def again() -> None:
            self.kill(*names)
            for name in names:
                self.hosts.start_server(name)

        self.measured("restart", again)

    def losses(self) -> list[str]:
        """What somebody took for lost, though nothing was."""
        assert self.fleet
        said = self.api.get(f"/events?types={','.join(LOSSES)}&start={self.begin_wall_ms}&limit=1000")["items"]
        found = [f"{e['type']}: {e['message']}" for e in said]
        found += [f"{name} was told to {what}" for at, what, name in self.fleet.said if what in ORDERS and at >= self.begin_ms]
        now = {v["id"]: (v["host"], v["power_state"]) for v in self.ours("vms")}
        return found + [f"{vm}: {was} before, {now.get(vm)} now" for vm, was in self.at_first.items() if now.get(vm) != was]

    @property
    def begin_ms(self) -> float:
        return now_ms() - (time.time() * 1000 - self.begin_wall_ms)

    def settle(self) -> None:
        self.wait(
            "the hosts to be up",
            lambda: all(h["ha_state"] == "up" and h["connection_state"] == "connected" for h in self.ours("hosts")),
        )

    def slow_turns(self) -> dict[str, int]:
        """The longest turn of each callback that took more than it should, by the servers' logs."""
        worst: dict[str, int] = {}
        for log in (self.lab / "log").glob("droverd*.log"):
            for what, ms in SLOW_TURN.findall(log.read_text(errors="replace")):
                worst[what] = max(worst.get(what, 0), int(ms))
        return worst

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.fleet:
            self.fleet.close()


def use_defaults(bench: Bench) -> None:
    """A lab's hosts report each second; so many as these do it as the preset says."""
    for name in bench.servers():
        conf = bench.lab / f"etc/{name}.conf"
        conf.write_text(re.sub(r"(?m)^report_ms = .*\n", "", conf.read_text()))
        bench.kill(name)
        bench.hosts.start_server(name)


def main(args: argparse.Namespace) -> None:
    bench = Bench(args.lab, args.agents, args.guests)
    try:
        use_defaults(bench)
        base_kib = resident_kib(lab_pid(bench.lab, bench.follower()))
        bench.prepare()
        kib = resident_kib(lab_pid(bench.lab, bench.follower())) - base_kib
        report("fleet_agents", args.agents, "hosts")
        report("fleet_link_memory", kib / args.agents, "KiB")
        for act in (bench.cut, bench.fail_over, bench.restart):
            act()
            bench.settle()
        lost = bench.losses()
        report("fleet_false_losses", len(lost), "objects")
        slow = bench.slow_turns()
        report("fleet_slowest_turn", max(slow.values(), default=0), "ms")
        for line in lost[:20] + [f"{what}: {ms} ms" for what, ms in sorted(slow.items(), key=lambda s: -s[1])]:
            print(line, file=sys.stderr)
    finally:
        bench.close()
    if lost:
        raise SystemExit(1)


if __name__ == "__main__":
    p = arguments(__doc__)
    p.add_argument("--agents", type=int, default=2000)
    p.add_argument("--guests", type=int, default=500)
    main(p.parse_args())
