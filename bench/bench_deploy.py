#!/usr/bin/python3
"""A machine from the API's call until it runs, against the same machine made by hand.

By hand means qemu-img create, the command line that the agent used for the machine (with
paths where it has open files, and without its stop before the first instruction), and
the tap put into the bridge; the clock stops when QMP says "running".  Both alternate."""
import argparse
import os
import time

from by_hand import ByHand, create, pid_of, remove, tiny_of
from lab_client import Api, arguments, lab_api, lab_setting, no_guests_left, percentile, report


def run_by_hand(hand: ByHand) -> float:
    begin = time.perf_counter()
    hand.make_disk()
    process, qmp = hand.start("one", 1)
    try:
        qmp.wait_status("running")
        return time.perf_counter() - begin
    finally:
        process.kill()
        process.wait()
        hand.clear()


def measure(a: argparse.Namespace, api: Api) -> None:
    template = tiny_of(api)
    _, vm = create(api, template, f"bench-{os.getpid()}")  # both ways start with warm caches
    hand = ByHand(a.lab.resolve(), pid_of(api, vm), "bench0")
    remove(api, vm)
    by_api: list[float] = []
    by_hand: list[float] = []
    try:
        run_by_hand(hand)
        for i in range(a.rounds):
            took, vm = create(api, template, f"bench-{os.getpid()}-{i}")
            by_api.append(took)
            remove(api, vm)
            by_hand.append(run_by_hand(hand))
    finally:
        hand.remove()
    api_s, hand_s = percentile(by_api, 50), percentile(by_hand, 50)
    report("deploy_by_api_p50", api_s * 1000, "ms")
    report("deploy_by_hand_p50", hand_s * 1000, "ms")
    report("deploy_ratio", api_s / hand_s, "x")


def main() -> None:
    p = arguments(__doc__)
    p.add_argument("--rounds", type=int, default=12)
    a = p.parse_args()
    if not a.lab or lab_setting(a.lab, "engine") != "qemu":
        p.error("--lab with real machines is needed")
    api = lab_api(a.lab)
    with no_guests_left(api):
        measure(a, api)


main()
