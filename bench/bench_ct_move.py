#!/usr/bin/python3
"""Live migration of a container, against the runtime alone: checkpoint, copy of the images, restore.

The container is busybox with a service that holds 64 MiB of noise in its memory.  Alone means the same root,
namespaces and memory, its card made by the same hook, and images on the disk where the agents have theirs.  Both
alternate.  The freeze by API is how long the container's address did not answer, as the target says, which asks every
few ms; by runtime it is the time of the three commands.  The ratio is wanted to be at most 1.3.  The TCP gap is the
longest that a client of the service waited: what got lost in the freeze is sent again after TCP's shortest time, 200
ms, then after twice that."""
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bare_runtime import Bare
from bench_ct_start import make_bare, template_of
from bench_migrate import Gap, say
from lab_client import Api, arguments, lab_api, no_guests_left, percentile, report

HELD_MIB = 64
MEMORY_MB = 192


def criu_of(lab: Path) -> str:
    """The one that the agents have found to work, as it is called outside of them."""
    for line in (lab / "hosts/1/run/oci/criu").read_text().splitlines():
        if line.startswith("program "):
            return str(lab.joinpath(*Path(line.split(" ", 1)[1]).parts[4:]))  # they see the lab at /run/drover/NAME
    raise SystemExit("the lab's first host has no CRIU that works")


class BareMove:
    """A container of the runtime's that is saved, copied and restored again and again."""

    def __init__(self, bare: Bare, criu: str) -> None:
        self.bare, self.criu = bare, criu
        self.folder = bare.work / "moves"
        self.bundle = bare.bundle("moved")
        config = self.bundle / "config.json"
        rules = bare.work / "criu.conf"
        rules.write_text("network-lock skip\n")
        config.write_text(config.read_text().replace("{", f'{{"annotations": {{"org.criu.config": "{rules}"}}, ', 1))
        bare.run("moved", self.bundle)
        self.hold()

    def hold(self) -> None:
        self.bare.command("exec", "moved", "/bin/sh", "-c",
                          f"until echo mem {HELD_MIB} | nc 127.0.0.1 7000 | grep -q ok; do usleep 50000; done")

    def make_folder(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(parents=True)
        return path

    def move(self) -> float:
        images, work, copy = self.make_folder("images"), self.make_folder("work"), self.folder / "copy"
        options = ["--work-path", str(work), "--tcp-established", "--file-locks", "--empty-ns", "network"]
        begin = time.perf_counter()
        with self.bare.inside():  # the hook makes the wire anew where the bridge is
            self.bare.command("--criu", self.criu, "checkpoint", "--image-path", str(images), *options, "moved")
            subprocess.run(["cp", "-R", str(images), str(copy)], check=True)
            self.bare.command("--criu", self.criu, "restore", "-d", "--bundle", str(self.bundle),
                              "--image-path", str(copy), *options, "moved")
        took = time.perf_counter() - begin
        shutil.rmtree(self.folder)
        return took


class ApiMove:
    """A container of the lab's, and the client that holds a connection to it."""

    def __init__(self, api: Api, template: str) -> None:
        self.api = api
        self.hosts = [str(h["id"]) for h in api.get("/hosts")["items"]]
        body = {"name": f"bench-{os.getpid()}", "template": template, "memory_mb": MEMORY_MB, "power_on": True}
        self.id = str(api.do("POST", "/vms", body)["entity"])
        address = api.get(f"/vms/{self.id}")["ip_address"]
        self.gap = Gap(address)
        say(address, f"mem {HELD_MIB}")

    def move(self) -> tuple[dict[str, Any], float]:
        """What the task says, and how long the client waited, in seconds."""
        here = self.api.get(f"/vms/{self.id}")["host"]
        there = next(h for h in self.hosts if h != here)
        self.gap.settle()
        task = self.api.do("POST", f"/vms/{self.id}/migrate", {"host": there})
        return task["result"], self.gap.settle()


class Times:
    """In ms each; the freezes are those that the target has measured, and why it has not the others."""

    def __init__(self) -> None:
        self.freezes: list[float] = []
        self.gaps: list[float] = []
        self.bares: list[float] = []
        self.why_not: list[str] = []

    def add(self, result: dict[str, Any], gap: float, bare: float) -> None:
        if result.get("outage_ms") is None:
            self.why_not.append(str(result.get("outage_why_not")))
        else:
            self.freezes.append(result["outage_ms"])
        self.gaps.append(gap * 1000)
        self.bares.append(bare * 1000)

    def report(self) -> None:
        bare = percentile(self.bares, 50)
        if self.freezes:
            report("ct_move_freeze_by_api_p50", percentile(self.freezes, 50), "ms")
        report("ct_move_freeze_by_runtime_p50", bare, "ms")
        if self.freezes:
            report("ct_move_freeze_ratio", percentile(self.freezes, 50) / bare, "x")
        report("ct_move_tcp_gap_p50", percentile(self.gaps, 50), "ms")
        report("ct_move_tcp_gap_max", max(self.gaps), "ms")
        report("ct_move_unmeasured", len(self.why_not), "moves")
        for why in sorted(set(self.why_not)):
            print(f"bench_ct_move: not measured: {why}", file=sys.stderr)


def measure(api: Api, lab: Path, rounds: int, work: Path) -> Times:
    times = Times()
    ours = ApiMove(api, template_of(api))
    bare = make_bare(lab, api, ours.id, work)
    try:
        alone = BareMove(bare, criu_of(lab))
        for i in range(rounds + 1):
            result, gap = ours.move()
            took = alone.move()
            if i:  # both ways are measured with warm caches
                times.add(result, gap, took)
    finally:
        bare.end()
        ours.gap.counter.end()
    return times


def main() -> None:
    p = arguments(__doc__)
    p.add_argument("--rounds", type=int, default=12)
    a = p.parse_args()
    if not a.lab:
        p.error("--lab with containers is needed")
    api = lab_api(a.lab)
    with no_guests_left(api), tempfile.TemporaryDirectory(prefix="drover-bench-", dir=a.lab.resolve().parent) as work:
        times = measure(api, a.lab, a.rounds, Path(work))
    times.report()


if __name__ == "__main__":
    main()
