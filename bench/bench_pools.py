#!/usr/bin/python3
"""Shares, limits and reservations of pools, as the kernel of this machine counts the CPU time of a lab's guests.

Guests that burn CPU time are containers, and one machine; ratios among siblings are measured on one CPU, so that what
else this machine does takes from all of them alike."""
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any, Optional

from lab_client import Api, arguments, connect, report

CGROUPS = Path("/sys/fs/cgroup")
BURN = ["/bin/sh", "-c", "while :; do :; done"]
SECONDS = 20.0
SETTLE = 6.0  # demand that was held back is found out within three looks


def groups(lab: Path, tree: str) -> list[Path]:
    """The agents' own groups."""
    bases = []
    for conf in sorted((lab / "etc").glob("agent-*.conf")):
        lines = [line.partition("=") for line in conf.read_text().splitlines()]
        bases += [CGROUPS / tree / value.strip() for key, _, value in lines if key.strip() == "prefix"]
    return bases


def text_of(file: Path) -> str:
    """Empty when there is no such group, or no longer: they come and go while one looks."""
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def group_of(lab: Path, vm: str) -> Optional[Path]:
    """Where its processes are, below one of the agents' own groups."""
    for base in groups(lab, "cpu"):
        for folder, _, _ in os.walk(base):
            if Path(folder).name == vm and text_of(Path(folder, "cgroup.procs")):
                return Path(folder).relative_to(base)
    return None


def tasks_of(lab: Path, vm: str) -> list[int]:
    found = []
    for base in groups(lab, "cpu"):
        for folder, _, _ in os.walk(base):
            if vm in Path(folder).parts:
                found += [int(pid) for pid in text_of(Path(folder, "cgroup.procs")).split()]
    return found


def used(lab: Path, vm: str) -> float:
    """Seconds of CPU time."""
    for base in groups(lab, "cpuacct"):
        for f in base.glob(f"{vm}/cpuacct.usage"):
            return int(f.read_text()) / 1e9
    raise LookupError(f"{vm} has no control group")


def rates(lab: Path, vms: list[str], seconds: float) -> list[float]:
    """CPUs that each used meanwhile."""
    began, before = time.monotonic(), [used(lab, v) for v in vms]
    time.sleep(seconds)  # this is what is measured
    after, took = [used(lab, v) for v in vms], time.monotonic() - began
    return [(b - a) / took for a, b in zip(before, after)]


def pin(lab: Path, vms: list[str]) -> None:
    """All their processes to the first CPU."""
    for vm in vms:
        for pid in tasks_of(lab, vm):
            os.sched_setaffinity(pid, {0})


def dial(address: str) -> socket.socket:
    """The service of a machine, once it is up."""
    end = time.monotonic() + 90
    while True:
        try:
            return socket.create_connection((address, 7000), timeout=10)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)  # between looks


class Stage:
    """Pools and guests of one measurement, gone at its end."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.hosts = api.get("/hosts?limit=1000")["items"]
        self.mhz = self.hosts[0]["cpu_mhz"]
        self.cluster = api.get("/clusters?limit=1000")["items"][0]["id"]
        self.templates = {t["name"]: t["id"] for t in api.get("/templates?limit=1000")["items"]}
        self.guests: list[str] = []
        self.pools: list[str] = []

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: Any) -> None:
        for vm in self.guests:
            self.api.do("POST", f"/vms/{vm}/stop", {"mode": "kill"})
            self.api.do("DELETE", f"/vms/{vm}")
        for pool in reversed(self.pools):
            self.api.call("DELETE", f"/pools/{pool}")

    def cpus(self, n: float) -> int:
        return int(n * self.mhz)

    def pool(self, name: str, parent: Optional[str] = None, **settings: Any) -> str:
        made = self.api.call("POST", "/pools", {"name": name, "parent": parent or self.cluster, **settings})
        self.pools.append(made["id"])
        return made["id"]

    def burner(self, name: str, pool: str, host: int = 0, **settings: Any) -> str:
        body = {"name": name, "template": self.templates["busybox"], "pool": pool, "host": self.hosts[host]["id"],
                "num_cpu": 1, "memory_mb": 32, "args": BURN}
        return self.start(body, settings)

    def machine(self, name: str, pool: str, host: int = 0) -> str:
        body = {"name": name, "template": self.templates["tiny"], "pool": pool, "host": self.hosts[host]["id"]}
        return self.start(body, {})

    def load(self, vm: str, percent: int = 100) -> None:
        """A machine burns that much of the CPU time it has until it is gone."""
        address = self.api.get(f"/vms/{vm}")["ip_address"]
        with dial(address) as sock:
            sock.sendall(b"load %d 600\n" % percent)
            sock.recv(100)

    def start(self, body: dict[str, Any], settings: dict[str, Any]) -> str:
        made = self.api.call("POST", "/vms", body)
        self.guests.append(made["object"])
        self.api.wait(made["task"])
        if settings:
            self.api.do("PATCH", f"/vms/{made['object']}", settings)
        self.api.do("POST", f"/vms/{made['object']}/start", {})
        return made["object"]


def percent(parts: list[float]) -> list[float]:
    return [100 * p / sum(parts) for p in parts]


def shares(api: Api, lab: Path, seconds: float = SECONDS) -> list[float]:
    """Of three with shares 2:1:1, in percent of what they have together."""
    with Stage(api) as s:
        pool = s.pool("bench-shares", cpu_limit_mhz=s.cpus(1))
        vms = [s.burner("bench-a", pool, cpu_shares_level="high"), s.burner("bench-b", pool), s.burner("bench-c", pool)]
        pin(lab, vms)
        return percent(rates(lab, vms, seconds))


def limit(api: Api, lab: Path, cpus: float, spread: bool, seconds: float = SECONDS) -> float:
    """CPUs that two guests of a pool with that limit use together: containers on two hosts, or a container and a machine
    on one."""
    with Stage(api) as s:
        pool = s.pool("bench-limit", cpu_limit_mhz=s.cpus(cpus))
        first = s.burner("bench-a", pool)
        second = s.burner("bench-b", pool, host=1) if spread else s.machine("bench-m", pool)
        if not spread:
            s.load(second)
        time.sleep(SETTLE)  # until its parts are those of two that want all they get
        return sum(rates(lab, [first, second], seconds))


def reservation(api: Api, lab: Path, greedy: int = 10, seconds: float = SECONDS) -> float:
    """What a guest has that reserved half of what is there for it and many others, in percent of that half."""
    with Stage(api) as s:
        pool = s.pool("bench-reserved", cpu_limit_mhz=s.cpus(0.4))
        vms = [s.burner("bench-r", pool, cpu_reservation_mhz=s.cpus(0.2))]
        vms += [s.burner(f"bench-{i}", pool) for i in range(greedy)]
        pin(lab, vms)
        time.sleep(SETTLE)  # until those many are known to want more
        return 2 * percent(rates(lab, vms, seconds))[0]


def main() -> int:
    args = arguments(__doc__).parse_args()
    if not args.lab or not (CGROUPS / "cpuacct").is_dir():
        print("bench_pools: wants --lab, and control groups v1 to count with", file=sys.stderr)
        return 77
    api = connect(args.lab)
    for wanted, got in zip((50, 25, 25), shares(api, args.lab)):
        report(f"pools.shares.{wanted}", got, "%")
    report("pools.limit.one_host", limit(api, args.lab, 0.5, spread=False), "CPUs of 0.5")
    report("pools.limit.two_hosts", limit(api, args.lab, 0.5, spread=True), "CPUs of 0.5")
    report("pools.reservation", reservation(api, args.lab), "% of what is reserved")
    return 0


if __name__ == "__main__":
    sys.exit(main())
