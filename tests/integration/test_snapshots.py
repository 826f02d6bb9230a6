"""Snapshots of real machines: memory, trees, merges while they write, agents that die in between."""
import json
import os
import re
import subprocess
import threading
from pathlib import Path
from typing import Any, Optional

import pytest
from conftest import Lab, alive, refused, wait_for
from test_guests import Service, act, agent_of, make, remove, vm

QEMU_IMG = "/usr/bin/qemu-img"


def take(lab: Lab, vm_id: str, name: str, **more: Any) -> dict[str, Any]:
    begun = lab.api().call("POST", f"/vms/{vm_id}/snapshots", {"name": name, **more})
    lab.api().wait(begun["task"])
    return lab.api().get(f"/snapshots/{begun['object']}")


def tree(lab: Lab, vm_id: str) -> list[dict[str, Any]]:
    return lab.api().get(f"/vms/{vm_id}/snapshots")["items"]


def delete(lab: Lab, snap: dict[str, Any], children: bool = False) -> None:
    lab.api().do("DELETE", f"/snapshots/{snap['id']}" + ("?children=true" if children else ""))


def revert(lab: Lab, snap: dict[str, Any], power_on: bool = False) -> None:
    lab.api().do("POST", f"/snapshots/{snap['id']}/revert", {"power_on": power_on})


def count(service: Service) -> int:
    return int(service.ask("count").split()[-1])


def top(lab: Lab, vm_id: str) -> Path:
    return lab.dir / "ds/shared" / vm(lab, vm_id)["disks"][0]["path"]


def layers(lab: Lab, vm_id: str) -> list[str]:
    disk = vm(lab, vm_id)["disks"][0]
    return [disk["path"]] + [b["path"] for b in disk.get("backing", [])]


def files(lab: Lab, vm_id: str) -> list[str]:
    return sorted(p.name for p in (lab.dir / "ds/shared/vms" / vm_id).iterdir())


def fill_mib(lab: Lab, vm_id: str, image: Optional[Path] = None) -> int:
    """How many MiB the machine's file holds, by its image alone; the image must be whole."""
    image = image or top(lab, vm_id)
    checked = subprocess.run([QEMU_IMG, "check", "-q", str(image)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    raw = lab.dir / "flat.raw"
    subprocess.run([QEMU_IMG, "convert", "-O", "raw", str(image), str(raw)], check=True)
    try:
        table = json.loads(subprocess.check_output(["/usr/sbin/sfdisk", "-J", str(raw)]))
        start = table["partitiontable"]["partitions"][-1]["start"] * 512
        fs = f"{raw}?offset={start}"
        sane = subprocess.run(["/usr/sbin/debugfs", "-R", "stat /fill", fs], capture_output=True, text=True)
        size = re.search(r"Size: (\d+)", sane.stdout)
        return int(size.group(1)) // 1048576 if size else 0
    finally:
        raw.unlink()


def off(lab: Lab, vm_id: str) -> None:
    act(lab, vm_id, "stop", {"mode": "acpi_then_kill", "timeout_s": 30})


def write(service: Service, mib: int) -> None:
    assert service.ask(f"write {mib}") == "ok"


def test_memory_comes_back(lab: Lab) -> None:
    made = make(lab, "memory")
    service = Service(made["ip_address"])
    boot = service.ask("hello")
    write(service, 3)
    before = count(service)
    snap = take(lab, made["id"], "warm", memory=True, description="with all that it knew")
    assert snap["memory"] and snap["memory_bytes"] > 20 << 20 and snap["power_state"] == "powered_on"
    assert vm(lab, made["id"])["snapshot"] == snap["id"]
    assert vm(lab, made["id"])["power_state"] == "powered_on"
    assert count(service) == before + 1, "it went on, and the connection with it"
    write(service, 5)
    for _ in range(10):
        count(service)
    service.close()
    revert(lab, snap)
    assert vm(lab, made["id"])["power_state"] == "suspended"
    act(lab, made["id"], "start")
    service = Service(made["ip_address"])
    assert service.ask("hello") == boot, "it was not booted"
    assert count(service) == before + 1, "its memory is that of the snapshot"
    write(service, 1)
    service.close()
    # Once more, at one go: the memory file is not used up.
    revert(lab, snap, power_on=True)
    service = Service(made["ip_address"])
    assert service.ask("hello") == boot and count(service) == before + 1
    service.close()
    off(lab, made["id"])
    assert fill_mib(lab, made["id"]) == 3
    delete(lab, snap)
    assert not [f for f in files(lab, made["id"]) if f.endswith(".mem")]
    remove(lab, made["id"])
    assert not (lab.dir / "ds/shared/vms" / made["id"]).exists()


def test_a_tree_of_a_stopped_machine(lab: Lab) -> None:
    made = make(lab, "tree")

    def grow(mib: int) -> None:
        act(lab, made["id"], "start")
        service = Service(made["ip_address"])
        write(service, mib)
        service.close()
        off(lab, made["id"])

    off(lab, made["id"])
    empty = take(lab, made["id"], "empty", memory=True)
    assert not empty["memory"], "of a machine that is off there is none"
    refused("exists", "empty", take, lab, made["id"], "empty")
    grow(1)
    one = take(lab, made["id"], "one")
    grow(2)
    three = take(lab, made["id"], "three")
    revert(lab, one)
    assert fill_mib(lab, made["id"]) == 1
    grow(4)
    five = take(lab, made["id"], "five")
    assert [s["name"] for s in tree(lab, made["id"])] == ["empty", "one", "three", "five"]
    assert five["parent_snapshot"] == one["id"] and three["parent_snapshot"] == one["id"]
    # Two branches stand on it: it is hidden until one is left.
    delete(lab, one)
    assert vm(lab, made["id"])["needs_consolidation"]
    assert fill_mib(lab, made["id"]) == 5
    assert fill_mib(lab, made["id"], lab.dir / "ds/shared" / lab.api().get(f"/snapshots/{three['id']}")["disks"][0]["path"]) == 3
    delete(lab, three)
    assert not vm(lab, made["id"])["needs_consolidation"]
    assert fill_mib(lab, made["id"]) == 5
    revert(lab, empty)
    assert fill_mib(lab, made["id"]) == 0
    revert(lab, lab.api().get(f"/snapshots/{five['id']}"))
    assert fill_mib(lab, made["id"]) == 5
    delete(lab, empty, children=True)
    assert tree(lab, made["id"]) == [] and vm(lab, made["id"])["snapshot"] is None
    assert fill_mib(lab, made["id"]) == 5
    assert len(files(lab, made["id"])) == 1, files(lab, made["id"])
    grow(1)
    assert fill_mib(lab, made["id"]) == 6
    remove(lab, made["id"])


def test_merging_while_it_writes(lab: Lab) -> None:
    made = make(lab, "busy-disk")
    service = Service(made["ip_address"])
    write(service, 2)
    first = take(lab, made["id"], "first")
    write(service, 2)
    second = take(lab, made["id"], "second")
    write(service, 2)
    third = take(lab, made["id"], "third")
    written, stop = [6], threading.Event()

    def keep_writing() -> None:
        while not stop.is_set():
            write(service, 1)
            written[0] += 1

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        delete(lab, second)  # in the middle of its chain
        assert len(layers(lab, made["id"])) == 4  # the written one, two frozen, the template's
        delete(lab, third)  # the one below what is written
        delete(lab, first)
    finally:
        stop.set()
        writer.join()
    assert len(layers(lab, made["id"])) == 2
    assert count(service) == 1, "it never stopped"
    service.close()
    off(lab, made["id"])
    assert fill_mib(lab, made["id"]) == written[0]
    assert len(files(lab, made["id"])) == 1
    remove(lab, made["id"])


def test_what_cannot_be_is_refused(lab: Lab) -> None:
    made = make(lab, "wrong", power_on=False)
    act(lab, made["id"], "start")
    service = Service(made["ip_address"])
    act(lab, made["id"], "pause")
    refused("bad_state", "paused", lambda: take(lab, made["id"], "x", memory=True))
    act(lab, made["id"], "resume")
    refused("invalid", "name", take, lab, made["id"], "")
    refused("not_found", "snap-999", lab.api().call, "POST", "/snapshots/snap-999999/revert", {})
    service.close()
    off(lab, made["id"])
    low = take(lab, made["id"], "low")
    middle = take(lab, made["id"], "middle")
    take(lab, made["id"], "high")
    # A tree with a missing middle: nothing is touched.
    path = lab.dir / "ds/shared" / middle["disks"][0]["path"]
    aside = path.with_suffix(".aside")
    path.rename(aside)
    before = {f: (path.parent / f).stat().st_mtime_ns for f in files(lab, made["id"])}
    refused("not_found", path.name, delete, lab, low)
    refused("not_found", path.name, take, lab, made["id"], "above")
    assert {f: (path.parent / f).stat().st_mtime_ns for f in files(lab, made["id"])} == before
    aside.rename(path)
    delete(lab, low)
    delete(lab, middle)
    renamed = lab.api().call("PATCH", f"/snapshots/{tree(lab, made['id'])[0]['id']}", {"name": "kept", "description": "why"})
    assert renamed["name"] == "kept" and renamed["description"] == "why"
    remove(lab, made["id"])
    refused("not_found", "snap-", lab.api().get, f"/snapshots/{renamed['id']}")


def test_long_chains_are_told_of(lab: Lab) -> None:
    made = make(lab, "deep", power_on=False)
    for i in range(7):
        take(lab, made["id"], f"s{i}")
    events = lab.api().get(f"/events?entity={made['id']}&limit=50")["items"]
    assert any(e["type"] == "VmSnapshotChainLongEvent" for e in events)
    remove(lab, made["id"])


TAKING = ["tops.after", "intent.after", "freeze.before", "freeze.after", "taken.after"]
MERGING = ["merge.after", "intent.after", "switch.after", "merged.after", "remove.after"]
PLACES = (
    [("snapshot_take", place, "on") for place in TAKING]
    + [("snapshot_take", place, "off") for place in ("tops.after", "taken.after")]
    + [("snapshot_delete", place, power) for place in MERGING for power in ("on", "off")]
)
# Every place takes five minutes; these are the ones where most is half done.
if not os.environ.get("DROVER_THOROUGH"):
    PLACES = [
        ("snapshot_take", "freeze.before", "on"),
        ("snapshot_take", "freeze.after", "on"),
        ("snapshot_take", "tops.after", "off"),
        ("snapshot_delete", "intent.after", "off"),
        ("snapshot_delete", "switch.after", "on"),
        ("snapshot_delete", "merged.after", "on"),
    ]


@pytest.mark.parametrize("verb,place,power", PLACES)
def test_an_agent_killed_in_between(lab: Lab, verb: str, place: str, power: str) -> None:
    """The order comes again, and the data is whole whichever way it went."""
    made = make(lab, f"killed-{verb}-{place}-{power}".replace("_", "-").replace(".", "-"))
    host = made["host"]
    service = Service(made["ip_address"])
    write(service, 2)
    taken = []
    if verb == "snapshot_delete":
        taken.append(take(lab, made["id"], "before"))
        write(service, 1)
        taken.append(take(lab, made["id"], "after"))
        write(service, 1)
    expected = 2 + 2 * (len(taken) > 0)
    if power == "off":
        service.close()
        off(lab, made["id"])
    lab.crash_at(agent_of(lab, host), f"agent.{verb}.{place}")
    if taken:
        # The lower one: its upper neighbour is merged into it, in the middle of the chain.
        task = lab.api().call("DELETE", f"/snapshots/{taken[0]['id']}")["task"]
    else:
        task = lab.api().call("POST", f"/vms/{made['id']}/snapshots", {"name": "new", "memory": True})["task"]
    wait_for("the agent to die", lambda: not alive(lab.pid(agent_of(lab, host))))
    if power == "on":
        write(service, 1)
        expected += 1
    lab.restart_agent(agent_of(lab, host))
    lab.api().wait(task)
    if power == "on":
        write(service, 1)
        expected += 1
        service.close()
        off(lab, made["id"])
    assert fill_mib(lab, made["id"]) == expected
    assert len(tree(lab, made["id"])) == 1
    for snap in tree(lab, made["id"]):
        delete(lab, snap)
    assert fill_mib(lab, made["id"]) == expected
    assert len(files(lab, made["id"])) == 1, files(lab, made["id"])
    remove(lab, made["id"])
