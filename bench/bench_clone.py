#!/usr/bin/python3
"""Linked and full clones through the API, against qemu-img and QEMU by hand in the same run.

fifty: that many machines of one template made and started in one request, against a shell loop that makes each disk
with qemu-img create -b and starts QEMU; both until all run.  linked: one machine made, not started.  full: a machine
with its own copy of a disk of incompressible data, against qemu-img convert of the same image: as it is, and with the
sync that makes the copy as safe as the machine's is when the task has ended."""
import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

from by_hand import ByHand, Qmp, create, pid_of, remove, tiny_of
from lab_client import Api, arguments, lab_api, lab_setting, no_guests_left, percentile, report

MIB = 1 << 20


def fifty_by_api(api: Api, template: str, count: int) -> float:
    begin = time.perf_counter()
    items = api.call(
        "POST", "/vms", {"name": f"fifty-{{01..{count:02}}}", "template": template, "power_on": True}
    )["items"]
    for item in items:
        api.wait(item["task"], 600)
    took = time.perf_counter() - begin
    stops = [api.call("POST", f"/vms/{item['object']}/stop", {"mode": "kill"})["task"] for item in items]
    for stop in stops:
        api.wait(stop)
    for item in items:
        api.do("DELETE", f"/vms/{item['object']}")
    return took


def fifty_by_hand(hand: ByHand, count: int) -> float:
    """As somebody with a loop in a shell would: one after the other, nothing waited for but the end."""
    begin = time.perf_counter()
    running: list[tuple[subprocess.Popen[bytes], Path]] = []
    on_host = hand.on_host(1)
    try:
        for i in range(count):
            hand.disk = hand.folder / f"disk-{i}.qcow2"
            hand.tap = f"bench{i}"
            hand.make_disk()
            process = subprocess.Popen(
                [*on_host, *hand.line(f"m{i}")], cwd=hand.folder, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            running.append((process, hand.folder / f"m{i}-qmp.sock"))
        for _, path in running:
            Qmp(path, 120).wait_status("running")
        return time.perf_counter() - begin
    finally:
        for process, _ in running:
            process.kill()
        for process, _ in running:
            process.wait()
        hand.clear()


def linked(api: Api, template: str, rounds: int) -> list[float]:
    took = []
    for i in range(rounds):
        begin = time.perf_counter()
        started = api.call("POST", "/vms", {"name": f"linked-{os.getpid()}-{i}", "template": template})
        api.wait(started["task"])
        took.append(time.perf_counter() - begin)
        api.do("DELETE", f"/vms/{started['object']}")
    return took


def upload(api: Api, store: str, path: Path) -> str:
    into = f"upload/{path.name}"
    with path.open("rb") as f:
        at, size = 0, path.stat().st_size
        while piece := f.read(MIB):
            last = int(at + len(piece) == size)
            status, text = api.raw("PUT", f"/api/v1/datastores/{store}/content?path={into}&offset={at}&last={last}", piece, {})
            if status != 200:
                raise SystemExit(f"upload: {text.decode()}")
            at += len(piece)
    return into


def full(api: Api, lab: Path, size_mib: int, rounds: int) -> tuple[list[float], list[float], list[float]]:
    store = next(d for d in api.get("/datastores")["items"] if d["name"] == "shared")
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=lab / "ds/shared"))
    image, copy = folder / "big.qcow2", folder / "copy.qcow2"
    raw = folder / "big.raw"
    with raw.open("wb") as f:
        for _ in range(size_mib):
            f.write(os.urandom(MIB))
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", str(raw), str(image)], check=True)
    raw.unlink()
    name = f"big-{os.getpid()}"
    api.do(
        "POST", "/templates",
        {"name": name, "datastore": store["id"], "path": upload(api, store["id"], image), "format": "qcow2"},
    )
    template = next(t["id"] for t in api.get("/templates")["items"] if t["name"] == name)
    by_api, by_hand, synced = [], [], []
    for i in range(rounds):
        begin = time.perf_counter()
        started = api.call("POST", "/vms", {"name": f"full-{os.getpid()}-{i}", "template": template, "full": True})
        api.wait(started["task"], 600)
        by_api.append(time.perf_counter() - begin)
        api.do("DELETE", f"/vms/{started['object']}")
        begin = time.perf_counter()
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", str(image), str(copy)], check=True)
        by_hand.append(time.perf_counter() - begin)
        with copy.open("rb") as f:
            os.fsync(f.fileno())
        synced.append(time.perf_counter() - begin)
        copy.unlink()
    image.unlink()
    folder.rmdir()
    api.do("DELETE", f"/templates/{template}")
    return by_api, by_hand, synced


def measure(a: argparse.Namespace, api: Api) -> None:
    lab = a.lab.resolve()
    template = tiny_of(api)
    report("linked_clone_p50", percentile(linked(api, template, a.rounds), 50) * 1000, "ms")
    _, vm = create(api, template, f"bench-{os.getpid()}")
    hand = ByHand(lab, pid_of(api, vm), "bench0")
    remove(api, vm)
    try:
        hand_s = fifty_by_hand(hand, a.count)
        api_s = fifty_by_api(api, template, a.count)
    finally:
        hand.remove()
    report("fifty_by_api", a.count / api_s, "machines/s")
    report("fifty_by_hand", a.count / hand_s, "machines/s")
    report("fifty_rate_ratio", hand_s / api_s, "x")
    by_api, by_hand, synced = full(api, lab, a.full_mib, 5)
    report("full_clone_by_api", a.full_mib / percentile(by_api, 50), "MiB/s")
    report("full_clone_by_convert", a.full_mib / percentile(by_hand, 50), "MiB/s")
    report("full_clone_by_convert_synced", a.full_mib / percentile(synced, 50), "MiB/s")
    report("full_clone_ratio", percentile(by_hand, 50) / percentile(by_api, 50), "x")
    report("full_clone_ratio_synced", percentile(synced, 50) / percentile(by_api, 50), "x")


def main() -> None:
    p = arguments(__doc__)
    p.add_argument("--count", type=int, default=50)
    p.add_argument("--rounds", type=int, default=20)
    p.add_argument("--full-mib", type=int, default=512)
    a = p.parse_args()
    if not a.lab or lab_setting(a.lab, "engine") != "qemu":
        p.error("--lab with real machines is needed")
    api = lab_api(a.lab)
    with no_guests_left(api):
        measure(a, api)


main()
