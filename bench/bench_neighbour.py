#!/usr/bin/python3
"""What a container notices of one beside it that takes all it can get: memory, processes, room on its disk.

Both run on one host, with a processor's time each.  A request is a line over an open connection to the service of the
neighbour; before and during are times of equal length with the same requests."""
import socket
import sys
import threading
import time
from typing import Any

from lab_client import Api, ApiError, arguments, connect, percentile, report

SERVICE = 7000
PAUSE = 0.005  # between requests
HOGS = {
    "memory": "while :; do sh -c 'x=a; while :; do x=$x$x; done'; done",
    # A shell would end when it is refused a fork.
    "forks": "awk 'BEGIN { while (1) system(\"sleep 1 &\") }'",
    "disk": "while :; do dd if=/dev/zero of=/fill bs=1048576 count=1000; rm /fill; done",
}
LIMITS = {"num_cpu": 1, "memory_mb": 64, "pids_limit": 100, "disk_mb": 256}
COUNTED = {"memory": "memory", "forks": "processes"}


def make(api: Api, name: str, host: str) -> dict[str, Any]:
    template = next(t for t in api.get("/templates?limit=1000")["items"] if t["name"] == "busybox")
    body = {"name": name, "template": template["id"], "host": host, "power_on": True, **LIMITS}
    started = api.call("POST", "/vms", body)
    api.wait(started["task"])
    return api.get(f"/vms/{started['object']}")


def remove(api: Api, vm: dict[str, Any]) -> None:
    api.do("POST", f"/vms/{vm['id']}/stop", {"mode": "kill"})
    api.do("DELETE", f"/vms/{vm['id']}")


def dial(address: str) -> socket.socket:
    end = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection((address, SERVICE), timeout=10)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)  # between looks


def ask(address: str, seconds: float) -> list[float]:
    """Milliseconds that each request took."""
    took = []
    with dial(address) as sock:
        file = sock.makefile()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            begin = time.perf_counter()
            sock.sendall(b"count\n")
            file.readline()
            took.append(1000 * (time.perf_counter() - begin))
            time.sleep(PAUSE)
    return took


def rage(api: Api, vm: dict[str, Any], script: str, seconds: float) -> None:
    try:
        api.call("POST", f"/vms/{vm['id']}/exec", {"args": ["/bin/sh", "-c", script], "timeout_s": int(seconds) + 1})
    except ApiError:
        pass  # ended by its time, or by the kernel


def failures(api: Api, vm: dict[str, Any], name: str) -> int:
    """As its host reports them, which it does every few seconds."""
    end = time.monotonic() + 15
    while True:
        counters = {c["name"]: c for c in api.get(f"/vms/{vm['id']}")["counters"] or []}
        n = counters.get(name, {}).get("failures", 0)
        if n or time.monotonic() > end:
            return n
        time.sleep(0.1)  # between looks


def tell(name: str, took: list[float]) -> None:
    report(f"{name}_requests", len(took), "count")
    for pct in (50, 99):
        report(f"{name}_p{pct}", percentile(took, pct), "ms")
    report(f"{name}_max", max(took), "ms")


def main() -> None:
    p = arguments(__doc__)
    p.add_argument("--seconds", type=float, default=5)
    a = p.parse_args()
    api = connect(a.lab)
    able = (e["usable"] for h in api.get("/hosts?limit=1000")["items"] for e in h["engines"] if e["name"] == "oci")
    if not any(able):
        print("bench_neighbour: no host can run containers", file=sys.stderr)
        return
    host = api.get("/hosts?limit=1000")["items"][0]["id"]
    neighbour = make(api, "bench-neighbour", host)
    try:
        for name, script in HOGS.items():
            hog = make(api, f"bench-hog-{name}", host)
            tell(f"neighbour_before_{name}", ask(neighbour["ip_address"], a.seconds))
            thread = threading.Thread(target=rage, args=(api.clone(), hog, script, a.seconds))
            thread.start()
            tell(f"neighbour_during_{name}", ask(neighbour["ip_address"], a.seconds))
            thread.join()
            if name in COUNTED:
                report(f"neighbour_{name}_refused", failures(api, hog, COUNTED[name]), "count")
            remove(api, hog)
    finally:
        remove(api, neighbour)


main()
