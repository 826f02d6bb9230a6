"""Containers within their limits: what is refused inside is counted, and limits change while they run."""
import os
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
from conftest import Lab, refused, wait_for
from test_guests import Service, agent_of, make, remove, vm

MB = 1 << 20
HOG = "x=a; while :; do x=$x$x; done"
FORKS = "i=0; while [ $i -lt 300 ]; do sleep 3 & i=$((i+1)); done; wait"
KILLED = 9


def run(lab: Lab, vm_id: str, script: str, seconds: int = 60) -> dict[str, Any]:
    """What a shell script inside says, and how it ended."""
    body = {"args": ["/bin/sh", "-c", script], "timeout_s": seconds}
    return lab.api().call("POST", f"/vms/{vm_id}/exec", body)


def counters(lab: Lab, vm_id: str) -> dict[str, dict[str, Any]]:
    return {c["name"]: c for c in vm(lab, vm_id)["counters"] or []}


def counter(lab: Lab, vm_id: str, name: str) -> dict[str, Any]:
    return wait_for(f"counter {name} of {vm_id}", lambda: counters(lab, vm_id).get(name))


def grown(lab: Lab, vm_id: str, name: str, key: str, least: int) -> dict[str, Any]:
    return wait_for(
        f"{key} of {name} of {vm_id} to be {least} or more",
        lambda: (c := counters(lab, vm_id).get(name)) and c[key] >= least and c,
    )


def change(lab: Lab, vm_id: str, **body: Any) -> None:
    lab.api().do("PATCH", f"/vms/{vm_id}", body)


def refusals(lab: Lab, vm_id: str) -> list[str]:
    return [e["message"] for e in lab.all("events", f"&entity={vm_id}") if e["type"] == "VmResourceRefusedEvent"]


def store(lab: Lab) -> Path:
    return lab.dir / "ds/shared"


@pytest.fixture(scope="module")
def box(lab: Lab) -> Iterator[dict[str, Any]]:
    if not any(e["name"] == "oci" and e["usable"] for h in lab.all("hosts") for e in h["engines"]):
        pytest.skip("no host of this machine can run containers")
    template = lab.find("templates", "busybox")["id"]
    made = make(lab, "box", template=template, num_cpu=1, memory_mb=64, pids_limit=60, disk_mb=64)
    Service(made["ip_address"]).close()
    yield made
    remove(lab, made["id"])


def test_a_memory_hog_is_killed_inside(lab: Lab, box: dict[str, Any]) -> None:
    ended = run(lab, box["id"], HOG)
    assert ended["signal"] == KILLED or ended["exit_code"] == 128 + KILLED, ended
    memory = grown(lab, box["id"], "memory", "failures", 1)
    assert memory["limit"] == 64 * MB and memory["peak"] > 32 * MB
    wait_for("an event of it", lambda: any("was refused memory" in m and "64 MB" in m for m in refusals(lab, box["id"])))
    service = Service(box["ip_address"])
    assert "box" in service.ask("hello"), "what else runs inside was not killed"
    service.close()


def test_forks_are_bounded(lab: Lab, box: dict[str, Any]) -> None:
    ended = run(lab, box["id"], FORKS)
    assert "fork" in ended["stderr"], ended
    processes = grown(lab, box["id"], "processes", "failures", 1)
    assert processes["limit"] == 60 and processes["peak"] <= 60
    wait_for("an event of it", lambda: any("was refused processes" in m for m in refusals(lab, box["id"])))
    wait_for("what was started to end", lambda: counters(lab, box["id"])["processes"]["current"] < 20)


def test_a_full_disk_is_its_own(lab: Lab, box: dict[str, Any]) -> None:
    def room() -> int:
        return os.statvfs(store(lab)).f_bavail * os.statvfs(store(lab)).f_frsize

    before = room()
    ended = run(lab, box["id"], "dd if=/dev/zero of=/fill bs=65536 count=4000")
    assert ended["exit_code"] == 1 and "No space left" in ended["stderr"], ended
    disk = grown(lab, box["id"], "disk-0", "current", 40 * MB)
    assert disk["limit"] <= 64 * MB and counter(lab, box["id"], "disk-0-files")["current"] > 0
    image = next((store(lab) / "vms" / box["id"]).glob("disk-0*"))
    assert image.stat().st_size == 64 * MB and image.stat().st_blocks * 512 <= 65 * MB
    assert before - room() < 256 * MB, "others of this machine write too, but not a whole disk"
    run(lab, box["id"], "rm /fill")
    wait_for("the room to be counted", lambda: counters(lab, box["id"])["disk-0"]["current"] < 40 * MB)


def test_limits_change_while_it_runs(lab: Lab, box: dict[str, Any]) -> None:
    inside = Service(box["ip_address"])
    first = int(inside.ask("count").split()[-1])
    change(lab, box["id"], memory_mb=96, pids_limit=40, io_weight=50, swap_limit_mb=0)
    wait_for("the new limits", lambda: counters(lab, box["id"])["memory"]["limit"] == 96 * MB
             and counters(lab, box["id"])["processes"]["limit"] == 40)
    lab.api().do("PATCH", f"/vms/{box['id']}/disks/disk-0", {"mb_per_s_limit": 1})
    began = time.monotonic()
    slow = run(lab, box["id"], "dd if=/dev/zero of=/slow bs=65536 count=32 conv=fsync; rm /slow")
    assert slow["exit_code"] == 0, slow
    assert time.monotonic() - began > 1, "2 MB at 1 MB/s"
    lab.api().do("PATCH", f"/vms/{box['id']}/disks/disk-0", {"mb_per_s_limit": 0})
    assert int(inside.ask("count").split()[-1]) == first + 1, "it was not started anew"
    inside.close()


def test_memory_in_use_is_not_taken(lab: Lab, box: dict[str, Any]) -> None:
    change(lab, box["id"], memory_mb=96)
    filled = run(lab, box["id"], "dd if=/dev/zero of=/dev/shm/x bs=65536 count=960")
    assert filled["exit_code"] == 0, filled
    grown(lab, box["id"], "memory", "current", 60 * MB)
    refused("busy", r"32 MB of memory: \d+ MB are in use", lambda: change(lab, box["id"], memory_mb=32, pids_limit=30))
    now = vm(lab, box["id"])
    assert now["memory_mb"] == 96 and now["container"]["pids_limit"] == 40
    assert counters(lab, box["id"])["memory"]["limit"] == 96 * MB
    assert counters(lab, box["id"])["processes"]["limit"] == 40
    run(lab, box["id"], "rm /dev/shm/x")
    change(lab, box["id"], memory_mb=32)
    wait_for("the new limit", lambda: counters(lab, box["id"])["memory"]["limit"] == 32 * MB)


def test_limits_outlive_the_agent(lab: Lab, box: dict[str, Any]) -> None:
    killings = counter(lab, box["id"], "memory")["failures"]
    told = len(refusals(lab, box["id"]))
    lab.restart_agent(agent_of(lab, box["host"]))
    change(lab, box["id"], memory_mb=80)
    now = wait_for("the new limit", lambda: (c := counters(lab, box["id"]).get("memory")) and c["limit"] == 80 * MB and c)
    assert now["failures"] == killings and len(refusals(lab, box["id"])) == told, "what was told is not told again"
    lab.api().do("PATCH", f"/vms/{box['id']}/disks/disk-0", {"mb_per_s_limit": 1})
    began = time.monotonic()
    assert run(lab, box["id"], "dd if=/dev/zero of=/slow bs=65536 count=32 conv=fsync; rm /slow")["exit_code"] == 0
    assert time.monotonic() - began > 1, "the new agent knows the device of its disk"


def test_settings_are_checked(lab: Lab, box: dict[str, Any]) -> None:
    for field, value in (("io_weight", 1001), ("pids_limit", -1), ("dns", ["here"]), ("devices", ["/etc/passwd"])):
        refused("invalid", field, lab.api().call, "PATCH", f"/vms/{box['id']}", {field: value})
