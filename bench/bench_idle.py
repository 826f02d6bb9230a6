#!/usr/bin/python3
"""Resident memory and idle processor share of processes, over a while in which nobody asks for anything."""
import argparse
import time

from lab_client import cpu_seconds, report, resident_kib


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--seconds", type=float, default=20)
    p.add_argument("process", nargs="+", help="name=pid")
    a = p.parse_args()
    pids = {n: int(v) for n, v in (x.split("=") for x in a.process)}
    before = {n: cpu_seconds(pid) for n, pid in pids.items()}
    time.sleep(a.seconds)
    for n, pid in pids.items():
        report(f"{n}_resident", resident_kib(pid) / 1024, "MiB")
        report(f"{n}_idle_cpu", 100 * (cpu_seconds(pid) - before[n]) / a.seconds, "%")


main()
