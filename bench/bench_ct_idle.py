#!/usr/bin/python3
"""What an idle container costs in memory, against the runtime alone, and what its agent adds.

Many containers of one template, then as many by the runtime from one unpacked root.  Of
each count: the share of its processes (PSS), the kernel's memory and the shared memory of
its group.  The ratio is wanted to be at most 1.2, the agent's growth at most 30 KiB each."""
import argparse
import os
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from bare_runtime import CONTROLLERS, GROUP, Bare
from bench_ct_start import MEMORY_MB, make_bare, template_of
from lab_client import Api, arguments, lab_api, lab_pid, no_guests_left, remove_guests, report, resident_kib

SETTLE_S = 8.0


def pids_below(group: Path) -> list[int]:
    return [int(pid) for f in group.rglob("cgroup.procs") for pid in f.read_text().split()]


def share_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def kernel_kib(group: Path) -> float:
    """The kernel's part, which is what is neither processes' nor cache, and files in memory."""
    stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    rest = int((group / "memory.usage_in_bytes").read_text()) - int(stat["total_rss"]) - int(stat["total_cache"])
    return (rest + int(stat["total_shmem"])) / 1024


def cost_kib(groups: list[Path]) -> tuple[float, float]:
    """Shares of processes, kernel and shared memory, of each on average."""
    shares = sum(share_kib(pid) for g in groups for pid in pids_below(g))
    return shares / len(groups), sum(kernel_kib(g) for g in groups) / len(groups)


def agents(lab: Path) -> list[int]:
    return [lab_pid(lab, f.stem) for f in sorted((lab / "run").glob("agent-*.pid"))]


def create(api: Api, template: str, n: int) -> list[str]:
    body = {"name": f"idle-{os.getpid()}-{{1..{n}}}", "template": template, "memory_mb": MEMORY_MB, "power_on": True}
    items = api.call("POST", "/vms", body)["items"]
    for item in items:
        api.wait(item["task"], 600)
    return [str(item["object"]) for item in items]


@contextmanager
def room_for(api: Api, room: dict[str, int]) -> Iterator[None]:
    """Let the lab's cluster take that many meanwhile."""
    cluster = api.get("/clusters")["items"][0]
    api.call("PATCH", f"/clusters/{cluster['id']}", room)
    try:
        yield
    finally:
        api.call("PATCH", f"/clusters/{cluster['id']}", {key: cluster[key] for key in room})


def groups_of(api: Api, vms: list[str]) -> list[Path]:
    found = {g.name: g for g in (CONTROLLERS / "memory").glob("drover*/**/vm-*") if (g / "ct").is_dir()}
    return [found[vm] for vm in vms]


def run_bare(bare: Bare, n: int) -> list[Path]:
    for i in range(n):
        bare.run(f"bare-{i}", bare.bundle(f"bare-{i}"))
    return [CONTROLLERS / "memory" / GROUP / f"bare-{i}" for i in range(n)]


def measure_ours(api: Api, a: argparse.Namespace, work: Path) -> tuple[float, float, float, Bare]:
    """Shares, kernel and the agents' growth, in KiB each; and the same kind by the runtime alone."""
    template = template_of(api)
    with room_for(api, {"vcpus_per_core": 64, "memory_overcommit_permille": 4000}), no_guests_left(api):
        # The first of all brings in what stays: it is none of theirs.
        remove_guests(api, set(create(api, template, 2)))
        before = sum(resident_kib(pid) for pid in agents(a.lab))
        vms = create(api, template, a.count)
        time.sleep(SETTLE_S)
        grown = sum(resident_kib(pid) for pid in agents(a.lab)) - before
        share, kernel = cost_kib(groups_of(api, vms))
        return share, kernel, grown / a.count, make_bare(a.lab, api, vms[0], work)


def main() -> None:
    p = arguments(__doc__)
    p.add_argument("--count", type=int, default=200)
    a = p.parse_args()
    if not a.lab:
        p.error("--lab with containers is needed")
    if not (CONTROLLERS / "memory").is_dir():
        p.error("the groups of this machine do not tell kernel memory apart")
    api = lab_api(a.lab)
    with tempfile.TemporaryDirectory(prefix="drover-bench-") as work:
        share, kernel, grown, bare = measure_ours(api, a, Path(work))
        try:
            groups = run_bare(bare, a.count)
            time.sleep(SETTLE_S)
            bare_share, bare_kernel = cost_kib(groups)
        finally:
            bare.end()
    report("ct_idle_share", share, "KiB")
    report("ct_idle_kernel", kernel, "KiB")
    report("ct_idle_bare_share", bare_share, "KiB")
    report("ct_idle_bare_kernel", bare_kernel, "KiB")
    report("ct_idle_ratio", (share + kernel) / (bare_share + bare_kernel), "x")
    report("ct_idle_agent", grown, "KiB")


main()
