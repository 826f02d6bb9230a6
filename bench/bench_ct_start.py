#!/usr/bin/python3
"""A container from the API's call until its own program runs, against the runtime alone.

Alone means one `run` with a bundle that lies ready, of the same kind of container (see
bare_runtime): the runtime's work is the same, but there is no disk, mount, link or limit to
make.  They alternate; the ratio is wanted to be at most 1.5, and is told for a runtime whose hook
takes in a link that waits, and for one whose hook makes its link as the agent's does.

The lab's machines are paused meanwhile: emulated ones take the processors, and all hear and answer
what a new container sends to everybody, of which the runtime alone has none."""
import json
import os
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

from bare_runtime import Bare
from lab_client import Api, arguments, lab_api, no_guests_left, percentile, report

MEMORY_MB = 32
TEMPLATE = Path(__file__).resolve().parents[1] / "deploy/container-template"


def template_of(api: Api) -> str:
    for t in api.get("/templates")["items"]:
        if t["name"] == "busybox" and t["guest_type"] == "container":
            return str(t["id"])
    raise SystemExit("that lab has no template busybox of containers")


@contextmanager
def machines_paused(api: Api) -> Iterator[None]:
    """Those that run stand still until its end."""
    run = [v["id"] for v in api.get("/vms")["items"] if v["guest_type"] == "machine" and v["power_state"] == "powered_on"]
    for vm in run:
        api.do("POST", f"/vms/{vm}/pause", {})
    try:
        yield
    finally:
        for vm in run:
            api.do("POST", f"/vms/{vm}/resume", {})


def create(api: Api, template: str, name: str) -> tuple[float, str]:
    """How long it took, and its id."""
    begin = time.perf_counter()
    body = {"name": name, "template": template, "memory_mb": MEMORY_MB, "power_on": True}
    started = api.call("POST", "/vms", body)
    api.wait(started["task"])
    return time.perf_counter() - begin, str(started["object"])


def remove(api: Api, vm: str) -> None:
    api.do("POST", f"/vms/{vm}/stop", {"mode": "kill"})
    api.do("DELETE", f"/vms/{vm}")


def config_of(lab: Path, api: Api, vm: str) -> dict[str, Any]:
    """What its agent told the runtime; the lab's folder has another name there."""
    host = api.get(f"/hosts/{api.get(f'/vms/{vm}')['host']}")["name"].rsplit("-", 1)[1]
    folder = f"/hosts/{host}/run/{vm}"
    text = (lab.resolve() / f".{folder}/bundle/config.json").read_text()
    lab_there = str(json.loads(text)["root"]["path"]).removesuffix(f"{folder}/root")
    found: dict[str, Any] = json.loads(text.replace(lab_there, str(lab.resolve())))
    return found


def make_bare(lab: Path, api: Api, vm: str, work: Path) -> Bare:
    archive = work / "busybox.tar"
    subprocess.run([str(TEMPLATE), "busybox", str(archive)], check=True, stdout=subprocess.DEVNULL)
    return Bare(work / "bare", archive, config_of(lab, api, vm))


def run_bare(bare: Bare, name: str, link_waits: bool) -> float:
    bundle = bare.bundle(name, link_waits)
    begin = time.perf_counter()
    bare.run(name, bundle)
    took = time.perf_counter() - begin
    bare.delete(name)
    return took


def main() -> None:
    p = arguments(__doc__)
    p.add_argument("--rounds", type=int, default=20)
    a = p.parse_args()
    if not a.lab:
        p.error("--lab with containers is needed")
    api = lab_api(a.lab)
    template = template_of(api)
    by_api: list[float] = []
    by_runtime: list[float] = []
    by_same_hook: list[float] = []
    with no_guests_left(api), machines_paused(api), tempfile.TemporaryDirectory(prefix="drover-bench-") as work:
        _, vm = create(api, template, f"bench-{os.getpid()}")  # both ways start with warm caches
        bare = make_bare(a.lab, api, vm, Path(work))
        remove(api, vm)
        try:
            run_bare(bare, "warm", True)
            for i in range(a.rounds):
                took, vm = create(api, template, f"bench-{os.getpid()}-{i}")
                by_api.append(took)
                remove(api, vm)
                by_runtime.append(run_bare(bare, f"bare-{i}", True))
                by_same_hook.append(run_bare(bare, f"made-{i}", False))
        finally:
            bare.end()
    api_s, bare_s, same_s = (percentile(by, 50) for by in (by_api, by_runtime, by_same_hook))
    report("ct_start_by_api_p50", api_s * 1000, "ms")
    report("ct_start_by_runtime_p50", bare_s * 1000, "ms")
    report("ct_start_by_runtime_same_hook_p50", same_s * 1000, "ms")
    report("ct_start_ratio", api_s / bare_s, "x")
    report("ct_start_ratio_same_hook", api_s / same_s, "x")


if __name__ == "__main__":
    main()
