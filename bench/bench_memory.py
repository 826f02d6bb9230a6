#!/usr/bin/python3
"""Memory of pools on running guests of a lab: how soon a limit binds a machine and a container, how soon it is given
back, and what a reservation is worth when the host has become short.  The last wants a second host with little memory
(hosts/2/memory_mb in the lab's folder, before its first start) and is left out without."""
import sys
import time
from pathlib import Path
from typing import Any, Callable

from bench_pools import CGROUPS, Stage, dial, groups, text_of
from lab_client import Api, arguments, connect, report

MB = 1 << 20
SIZE = 320  # MB of a machine; some 130 are in use by what it starts with
SMALL_HOST_MB = 800
NOT_REACHED_S = 60.0


def counter(api: Api, vm: str, name: str) -> int:
    """MB; -1: it is not told."""
    found = [c for c in api.get(f"/vms/{vm}").get("counters") or [] if c["name"] == name]
    return found[0]["current"] // MB if found else -1


def left(api: Api, vm: str, size: int = SIZE) -> int:
    """MB that its balloon leaves to a machine."""
    back = counter(api, vm, "balloon")
    return size - back if back >= 0 else -1


def bound(lab: Path, vm: str) -> int:
    """MB that its group may have."""
    for base in groups(lab, "memory"):
        text = text_of(base / vm / "memory.limit_in_bytes")
        if text:
            return int(text) // MB
    return -1


def until(check: Callable[[], bool]) -> float:
    """Seconds."""
    began = time.monotonic()
    while not check():
        if time.monotonic() - began > NOT_REACHED_S:
            raise TimeoutError("it does not come to hold")
        time.sleep(0.05)  # between looks
    return time.monotonic() - began


def tell(api: Api, vm: str, order: str) -> str:
    """What a machine answers."""
    with dial(api.get(f"/vms/{vm}")["ip_address"]) as sock:
        sock.sendall(order.encode() + b"\n")
        return sock.recv(200).decode().strip()


def machine(s: Stage, name: str, pool: str, host: int = 0, size: int = SIZE, **settings: Any) -> str:
    """One that is up, and whose balloon tells."""
    body = {"name": name, "template": s.templates["tiny"], "pool": pool, "host": s.hosts[host]["id"], "memory_mb": size}
    vm = s.start(body, settings)
    tell(s.api, vm, "hello")
    until(lambda: counter(s.api, vm, "memory_demand") > 0 and left(s.api, vm, size) == size)
    return vm


def container(s: Stage, name: str, pool: str, size: int, host: int = 0) -> str:
    body = {"name": name, "template": s.templates["busybox"], "pool": pool, "host": s.hosts[host]["id"], "num_cpu": 1,
            "memory_mb": size, "args": ["/bin/sh", "-c", "while :; do sleep 1; done"]}
    return s.start(body, {})


def limit(api: Api, lab: Path, most: int = 260) -> tuple[float, float, int]:
    """Seconds until a pool's limit holds for a machine and a container in it, seconds until they have all back, and MB
    that they could have together in between."""
    with Stage(api) as s:
        pool = s.pool("bench-memory")
        vm, ct = machine(s, "bench-m", pool), container(s, "bench-c", pool, 128)

        def together() -> int:
            return left(api, vm) + bound(lab, ct)

        api.call("PATCH", f"/pools/{pool}", {"mem_limit_mb": most})
        binds = until(lambda: 0 < together() <= most)
        held = together()
        api.call("PATCH", f"/pools/{pool}", {"mem_limit_mb": 0})
        gives = until(lambda: left(api, vm) == SIZE and bound(lab, ct) == 128)
        return binds, gives, held


def reservation(api: Api, reserved: int = 280) -> tuple[float, int, int]:
    """On a host that becomes short: seconds until a neighbour's idle memory is taken, MB that are left to it, and to a
    machine that has reserved some."""
    with Stage(api) as s:
        was = api.get(f"/clusters/{s.cluster}")["memory_overcommit_permille"]
        api.call("PATCH", f"/clusters/{s.cluster}", {"memory_overcommit_permille": 3000})
        try:
            keeper = machine(s, "bench-keeper", s.pool("bench-keeps"), host=1, mem_reservation_mb=reserved)
            hog = machine(s, "bench-hog", s.pool("bench-hogs"), host=1, size=2 * SIZE)
            tell(api, hog, "mem 300")
            took = until(lambda: left(api, hog, 2 * SIZE) <= 2 * SIZE * 7 // 8)
            time.sleep(10)  # whatever else is to be taken
            return took, left(api, hog, 2 * SIZE), left(api, keeper)
        finally:
            api.call("PATCH", f"/clusters/{s.cluster}", {"memory_overcommit_permille": was})


def main() -> int:
    args = arguments(__doc__).parse_args()
    if not args.lab or not (CGROUPS / "memory").is_dir():
        print("bench_memory: wants --lab, and control groups v1 to look at", file=sys.stderr)
        return 77
    api = connect(args.lab)
    binds, gives, held = limit(api, args.lab)
    report("memory.limit.binds", binds, "s")
    report("memory.limit.together", held, "MB of 260")
    report("memory.limit.gives_back", gives, "s")
    hosts = api.get("/hosts?limit=1000")["items"]
    if len(hosts) > 1 and hosts[1]["memory_total_mb"] <= SMALL_HOST_MB:
        took, hog, keeper = reservation(api)
        report("memory.short.takes", took, "s")
        report("memory.short.hog", hog, f"MB of {2 * SIZE}")
        report("memory.short.reserved", keeper, "MB of 280 reserved")
    return 0


if __name__ == "__main__":
    sys.exit(main())
