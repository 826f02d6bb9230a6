#!/usr/bin/python3
"""Resident memory and idle processor share of processes, over a while in which nobody asks for anything."""
import time

from lab_client import arguments, cpu_seconds, lab_pid, lab_setting, report, resident_kib


def main() -> None:
    p = arguments(__doc__)
    p.add_argument("--seconds", type=float, default=20)
    p.add_argument("process", nargs="*", help="name=pid; a lab's server and agents need not be named")
    a = p.parse_args()
    pids = {n: int(v) for n, v in (x.split("=") for x in a.process)}
    if a.lab:
        names = ["droverd", *(f"agent-{i + 1}" for i in range(int(lab_setting(a.lab, "hosts"))))]
        pids |= {n.replace("-", "_"): lab_pid(a.lab, n) for n in names}
    before = {n: cpu_seconds(pid) for n, pid in pids.items()}
    time.sleep(a.seconds)
    for n, pid in pids.items():
        report(f"{n}_resident", resident_kib(pid) / 1024, "MiB")
        report(f"{n}_idle_cpu", 100 * (cpu_seconds(pid) - before[n]) / a.seconds, "%")


main()
