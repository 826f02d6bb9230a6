#!/usr/bin/python3
"""Live migration of a busy machine, against raw QMP between two QEMU processes.

The machine has 512 MiB and rewrites some of it at a given rate; a TCP client asks its counter all the time.  By hand
means: the same command line on another of the lab's hosts with -incoming tcp, and `migrate` with the same settings.
By hand it is measured twice: as plain bytes, and encrypted by QEMU itself (tls), as the agents encrypt always.
Total is what QEMU says of the transfer; whole is from the order (by hand: from the start of the target's process) until
the task has ended, the source's process with it (by hand: until the target says "running").  The outage is the client's
largest gap: in a machine of 512 MiB QEMU's own setup, about 110 ms, is more of it than the switch, and 200 ms more where
a packet was lost in it, by TCP's shortest time to repeat.  So it has two values, and needs some rounds to be compared."""
import argparse
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from by_hand import ByHand, Qmp, create, pid_of, tiny_of
from lab_client import Api, arguments, lab_api, lab_setting, no_guests_left, percentile, report

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/lib"))

from counter import Counter  # noqa: E402  (needs the path above)

MEMORY_MB = 512
PORT = 7777
# As a move has them that nobody has asked for more of.
PARAMETERS: dict[str, Any] = {"max-bandwidth": 1 << 40, "downtime-limit": 100}


class Seen(NamedTuple):
    """Of each move, in seconds."""

    total: list[float]
    whole: list[float]
    outage: list[float]


class Gap:
    """What a client saw of one move."""

    def __init__(self, address: str) -> None:
        end = time.monotonic() + 60
        while True:
            try:
                self.counter = Counter(address)
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)  # between looks
        self.settle()

    def settle(self) -> float:
        """The largest gap so far, once some answers more have come."""
        seen = self.counter.answers
        while self.counter.healthy() and self.counter.answers < seen + 50:
            time.sleep(0.005)  # between looks
        return self.counter.take_gap()


def say(address: str, line: str) -> None:
    with socket.create_connection((address, 7000), timeout=30) as s:
        s.sendall(line.encode() + b"\n")
        answer = s.makefile().readline().strip()
    if answer != "ok":
        raise SystemExit(f"{line}: {answer}")


def by_api(api: Api, vm: dict[str, Any], rounds: int, dirty: tuple[int, int]) -> Seen:
    gap = Gap(vm["ip_address"])
    say(vm["ip_address"], f"dirty {dirty[0]} {dirty[1]}")
    hosts = [h["id"] for h in api.get("/hosts")["items"]]
    seen = Seen([], [], [])
    for _ in range(rounds):
        here = api.get(f"/vms/{vm['id']}")["host"]
        there = next(h for h in hosts if h != here)
        gap.settle()
        begin = time.perf_counter()
        task = api.do("POST", f"/vms/{vm['id']}/migrate", {"host": there})
        seen.whole.append(time.perf_counter() - begin)
        seen.total.append(task["result"]["total_ms"] / 1000)
        seen.outage.append(gap.settle())
    gap.counter.end()
    return seen


def make_key(hand: ByHand) -> None:
    (hand.folder / "keys.psk").write_text("qemu:" + os.urandom(32).hex() + "\n")


def add_key(hand: ByHand, qmp: Qmp, endpoint: str) -> None:
    qmp.ask(
        "object-add", **{"qom-type": "tls-creds-psk", "id": f"key-{endpoint}", "dir": str(hand.folder), "endpoint": endpoint}
    )
    qmp.ask("migrate-set-parameters", **{"tls-creds": f"key-{endpoint}"})


def move_by_hand(hand: ByHand, source: Qmp, name: str, host: int, address: str, tls: bool) -> tuple[float, Any, Qmp]:
    begin = time.perf_counter()
    process, target = hand.start(name, host, "-incoming", "defer")
    if tls:
        add_key(hand, target, "server")
        add_key(hand, source, "client")
    target.ask("migrate-incoming", uri=f"tcp:0.0.0.0:{PORT}")
    source.ask("migrate-set-parameters", **PARAMETERS)
    source.ask("migrate", uri=f"tcp:{address}:{PORT}")
    target.wait_status("running")
    return time.perf_counter() - begin, process, target


def by_hand(hand: ByHand, vm: dict[str, Any], rounds: int, dirty: tuple[int, int], tls: bool) -> Seen:
    subnet = (hand.lab / "net/subnet").read_text().strip()
    hand.make_disk()
    make_key(hand)
    process, qmp = hand.start("at-0", 1)
    seen = Seen([], [], [])
    try:
        gap = Gap(vm["ip_address"])
        say(vm["ip_address"], f"dirty {dirty[0]} {dirty[1]}")
        for i in range(rounds):
            host = 2 if i % 2 == 0 else 1
            gap.settle()
            seconds, other, target = move_by_hand(hand, qmp, f"at-{i + 1}", host, f"{subnet}.{10 + host}", tls)
            seen.whole.append(seconds)
            seen.total.append(qmp.ask("query-migrate")["total-time"] / 1000)
            seen.outage.append(gap.settle())
            process.kill()
            process.wait()
            process, qmp = other, target
        gap.counter.end()
    finally:
        process.kill()
        process.wait()
        hand.clear()
    return seen


def measure(a: argparse.Namespace, api: Api) -> None:
    dirty = (a.dirty_mib, a.dirty_rate)
    _, vm = create(api, tiny_of(api), f"bench-{os.getpid()}", memory_mb=MEMORY_MB)
    hand = ByHand(a.lab.resolve(), pid_of(api, vm), "bench0")
    try:
        ours = by_api(api, vm, a.rounds, dirty)
        api.do("POST", f"/vms/{vm['id']}/stop", {"mode": "kill"})
        plain = by_hand(hand, vm, a.rounds, dirty, False)
        tls = by_hand(hand, vm, a.rounds, dirty, True)
    finally:
        hand.remove()
    for what in ("total", "whole", "outage"):
        of_us, of_plain, of_tls = (percentile(getattr(x, what), 50) * 1000 for x in (ours, plain, tls))
        report(f"migrate_{what}_by_api_p50", of_us, "ms")
        report(f"migrate_{what}_by_hand_p50", of_plain, "ms")
        report(f"migrate_{what}_by_hand_tls_p50", of_tls, "ms")
        if what == "outage":
            report("migrate_outage_difference_p50", of_us - of_plain, "ms")
        else:
            report(f"migrate_{what}_ratio", of_us / of_plain, "x")
            report(f"migrate_{what}_ratio_tls", of_us / of_tls, "x")


def main() -> None:
    p = arguments(__doc__)
    p.add_argument("--rounds", type=int, default=12)
    p.add_argument("--dirty-mib", type=int, default=64)
    p.add_argument("--dirty-rate", type=int, default=20, help="MiB a second")
    a = p.parse_args()
    if not a.lab or lab_setting(a.lab, "engine") != "qemu":
        p.error("--lab with real machines is needed")
    api = lab_api(a.lab)
    with no_guests_left(api):
        measure(a, api)


if __name__ == "__main__":
    main()
