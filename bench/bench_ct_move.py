#!/usr/bin/python3
"""Live migration of a container, against the runtime alone: checkpoint, copy of the images, restore.

The container is busybox with a service that holds 64 MiB of noise in its memory.  Alone means the same root, namespaces
and memory without a network card, and images on the disk where the agents have theirs.  Both alternate.  The freeze by
API is how long the container's address did not answer, as the target says, which asks every few ms; by runtime it is
the time of the three commands.  The ratio is wanted to be at most 1.3.  The TCP gap is the longest that a client of the
service waited: what got lost in the freeze is sent again after TCP's shortest time, 200 ms, then after twice that."""
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from bare_runtime import Bare
from bench_ct_start import make_bare, template_of
from bench_migrate import Gap, say
from lab_client import Api, arguments, lab_api, percentile, report

HELD_MIB = 64
MEMORY_MB = 192
TRIES = 5


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
        for _ in range(TRIES):
            here = self.api.get(f"/vms/{self.id}")["host"]
            there = next(h for h in self.hosts if h != here)
            self.gap.settle()
            task = self.api.do("POST", f"/vms/{self.id}/migrate", {"host": there})
            gap = self.gap.settle()
            # It stands still so soon that there may have been no time to ask it before.
            if task["result"].get("outage_ms") is not None:
                return task["result"], gap
        raise SystemExit(f"the outage was not measured: {task['result']['outage_why_not']}")

    def end(self) -> None:
        self.gap.counter.end()
        self.api.do("POST", f"/vms/{self.id}/stop", {"mode": "kill"})
        self.api.do("DELETE", f"/vms/{self.id}")


def main() -> None:
    p = arguments(__doc__)
    p.add_argument("--rounds", type=int, default=12)
    a = p.parse_args()
    if not a.lab:
        p.error("--lab with containers is needed")
    api = lab_api(a.lab)
    freezes: list[float] = []
    gaps: list[float] = []
    bares: list[float] = []
    ours = ApiMove(api, template_of(api))
    with tempfile.TemporaryDirectory(prefix="drover-bench-", dir=a.lab.resolve().parent) as work:
        bare = make_bare(a.lab, api, ours.id, Path(work))
        try:
            alone = BareMove(bare, criu_of(a.lab))
            for i in range(a.rounds + 1):
                result, gap = ours.move()
                took = alone.move()
                if i == 0:
                    continue  # both ways are measured with warm caches
                freezes.append(result["outage_ms"])
                gaps.append(gap * 1000)
                bares.append(took * 1000)
        finally:
            bare.end()
    ours.end()
    report("ct_move_freeze_by_api_p50", percentile(freezes, 50), "ms")
    report("ct_move_freeze_by_runtime_p50", percentile(bares, 50), "ms")
    report("ct_move_freeze_ratio", percentile(freezes, 50) / percentile(bares, 50), "x")
    report("ct_move_tcp_gap_p50", percentile(gaps, 50), "ms")
    report("ct_move_tcp_gap_max", max(gaps), "ms")


if __name__ == "__main__":
    main()
