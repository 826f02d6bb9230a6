#!/usr/bin/python3
"""A snapshot with memory, against QMP's own: the rate at which a machine's memory reaches the disk.

The machine holds noise in most of its memory.  By hand means: the same command line, `migrate` to a file on the same
datastore with the same settings, until QEMU says that it is completed and the file is synced."""
import argparse
import array
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from by_hand import ByHand, Qmp, create, pid_of, tiny_of
from lab_client import Api, arguments, lab_api, lab_setting, no_guests_left, percentile, report

MEMORY_MB = 512
NOISE_MB = 320
SERVICE = 7000
# As the agent sets them.
PARAMETERS: dict[str, Any] = {"max-bandwidth": 1 << 40, "downtime-limit": 300}


def say(address: str, line: str) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            sock = socket.create_connection((address, SERVICE), timeout=30)
            break
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)  # between looks
    with sock:
        sock.sendall(line.encode() + b"\n")
        answer = sock.makefile().readline().strip()
    if answer != "ok":
        raise SystemExit(f"{line}: {answer}")


def by_api(api: Api, vm: dict[str, Any], rounds: int) -> tuple[list[float], list[float]]:
    """Bytes a second of each, and for how long the machine stood still."""
    rates, paused = [], []
    for i in range(rounds):
        begin = time.perf_counter()
        started = api.call("POST", f"/vms/{vm['id']}/snapshots", {"name": f"bench-{i}", "memory": True})
        done = api.wait(started["task"])
        took = time.perf_counter() - begin
        rates.append(api.get(f"/snapshots/{started['object']}")["memory_bytes"] / took)
        paused.append(done["result"]["paused_ms"])
        api.do("DELETE", f"/snapshots/{started['object']}")
    return rates, paused


def hand_over(qmp: Qmp, fd: int) -> None:
    order = json.dumps({"execute": "getfd", "arguments": {"fdname": "file"}}).encode() + b"\n"
    qmp.sock.sendmsg([order], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
    while "return" not in json.loads(qmp.file.readline()):
        pass


def save_by_hand(qmp: Qmp, path: Path) -> float:
    """Bytes a second."""
    begin = time.perf_counter()
    with path.open("wb") as f:
        qmp.ask("migrate-set-parameters", **PARAMETERS)
        hand_over(qmp, f.fileno())
        qmp.ask("migrate", uri="fd:file")
        while (status := qmp.ask("query-migrate")["status"]) != "completed":
            if status in ("failed", "cancelled"):
                raise SystemExit(f"migrate by hand: {status}")
            time.sleep(0.001)  # between looks
        qmp.ask("cont")
        os.fsync(f.fileno())
    took = time.perf_counter() - begin
    size = path.stat().st_size
    path.unlink()
    return size / took


def by_hand(hand: ByHand, vm: dict[str, Any], rounds: int) -> list[float]:
    hand.make_disk()
    process, qmp = hand.start("model", 1)
    try:
        say(vm["ip_address"], f"mem {NOISE_MB}")
        return [save_by_hand(qmp, hand.folder / "memory") for _ in range(rounds)]
    finally:
        process.kill()
        process.wait()


def measure(a: argparse.Namespace, api: Api) -> None:
    _, vm = create(api, tiny_of(api), f"bench-{os.getpid()}", memory_mb=MEMORY_MB)
    hand = ByHand(a.lab.resolve(), pid_of(api, vm), "bench1")
    try:
        say(vm["ip_address"], f"mem {NOISE_MB}")
        api_rates, paused = by_api(api, vm, a.rounds)
        api.do("POST", f"/vms/{vm['id']}/stop", {"mode": "kill"})
        hand_rates = by_hand(hand, vm, a.rounds)
    finally:
        hand.remove()
    api.do("DELETE", f"/vms/{vm['id']}")
    report("snapshot_by_api_p50", percentile(api_rates, 50) / 1e6, "MB/s")
    report("snapshot_by_hand_p50", percentile(hand_rates, 50) / 1e6, "MB/s")
    report("snapshot_rate_ratio", percentile(api_rates, 50) / percentile(hand_rates, 50), "x")
    report("snapshot_paused_p50", percentile(paused, 50), "ms")


def main() -> None:
    p = arguments(__doc__)
    p.add_argument("--rounds", type=int, default=5)
    a = p.parse_args()
    if not a.lab or lab_setting(a.lab, "engine") != "qemu":
        p.error("--lab with real machines is needed")
    api = lab_api(a.lab)
    with no_guests_left(api):
        measure(a, api)


main()
