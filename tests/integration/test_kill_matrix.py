"""droverd is killed before, in and after each step of an operation; what it makes is left once or not at all."""
import os
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from conftest import Lab, alive, wait_for

# Points as server/task/task_step.c names them; a step that waits for nothing has no "start".
MATRIX = [
    ("vm.create", "place", ["before", "finish"]),
    ("vm.create", "create", ["before", "start", "finish"]),
    ("vm.create", "start", ["before", "start", "finish", "end"]),
    ("vm.start", "place", ["before", "finish"]),
    ("vm.start", "start", ["before", "start", "finish", "end"]),
    ("vm.delete", "delete", ["before", "start", "finish", "end"]),
    ("vm.clone", "place", ["before", "finish"]),
    ("vm.clone", "create", ["before", "start", "finish"]),
    ("vm.clone", "start", ["before", "start", "finish", "end"]),
    ("vm.to_template", "copy", ["before", "start", "finish"]),
    ("vm.to_template", "remove", ["before", "start", "finish", "end"]),
    ("template.copy", "queue", ["before", "finish"]),
    ("template.copy", "copy", ["before", "start", "finish", "end"]),
]
POINTS = [(op, step, phase) for op, step, phases in MATRIX for phase in phases]


def machines(lab: Lab, name: str) -> list[dict[str, Any]]:
    return [v for v in lab.all("vms") if v["name"] == name]


def processes(lab: Lab, vm_id: str) -> list[int]:
    """The lab's QEMU processes of a machine, by the kernel's word."""
    group = lab.setting_of("lab_cgroup")
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            groups = Path(f"/proc/{pid}/cgroup").read_text()
        except OSError:
            continue
        named = any(w.startswith(f"guest={vm_id},".encode()) for w in words)
        if named and group in groups and alive(int(pid)):
            found.append(int(pid))
    return found


def submit(lab: Lab, op: str, name: str, vm_id: str) -> None:
    """The server may die before it can answer."""
    try:
        if op == "vm.create":
            body = {"name": name, "template": lab.find("templates", "tiny")["id"], "power_on": True}
            lab.api().call("POST", "/vms", body)
        elif op == "vm.start":
            lab.api().call("POST", f"/vms/{vm_id}/start", {})
        elif op == "vm.clone":
            lab.api().call("POST", f"/vms/{vm_id}/clone", {"name": name, "power_on": True})
        elif op == "vm.to_template":
            lab.api().call("POST", f"/vms/{vm_id}/template", {"name": name})
        elif op == "template.copy":
            where = lab.find("datastores", "local-1")["id"]
            lab.api().call("POST", f"/templates/{lab.find('templates', 'tiny')['id']}/copy", {"datastore": where})
        else:
            lab.api().call("DELETE", f"/vms/{vm_id}")
    except (OSError, ValueError, HTTPException):
        pass


def settle(lab: Lab) -> None:
    wait_for("no task to run", lambda: all(t["state"] in ("success", "error") for t in lab.all("tasks")), 60)


def source_of(op: str, name: str) -> str:
    """What the machine is called that there is before."""
    return f"{name}-source" if op == "vm.clone" else name


def clean(lab: Lab, name: str) -> None:
    for vm in machines(lab, name):
        if vm["power_state"] == "powered_on":
            lab.api().do("POST", f"/vms/{vm['id']}/stop", {"mode": "kill"})
        lab.api().do("DELETE", f"/vms/{vm['id']}")


def check_copy(lab: Lab) -> None:
    """One copy of the template, and its file; both go again."""
    tiny, where = lab.find("templates", "tiny"), lab.find("datastores", "local-1")
    assert [c["datastore"] for c in tiny["copies"]] == [where["id"]]
    path = lab.dir / "ds" / where["name"] / tiny["copies"][0]["path"]
    assert path.exists()
    lab.api().do("DELETE", f"/templates/{tiny['id']}/copies/{where['id']}")
    assert not path.exists()


@pytest.mark.parametrize("op,step,phase", POINTS, ids=lambda v: v)
def test_killed(lab: Lab, op: str, step: str, phase: str) -> None:
    name, vm_id = f"m-{op}-{step}-{phase}", ""
    if op not in ("vm.create", "template.copy"):
        made = lab.api().do(
            "POST",
            "/vms",
            {"name": source_of(op, name), "template": lab.find("templates", "tiny")["id"], "power_on": False},
        )
        vm_id = made["entity"]
    pid = lab.crash_at("droverd", f"task.{op}.{step}.{phase}")
    submit(lab, op, name, vm_id)
    wait_for("the server to be killed there", lambda: not alive(pid), 60)
    lab.restart_server()
    settle(lab)
    if op == "template.copy":
        check_copy(lab)
        return
    found = machines(lab, name)
    if op in ("vm.delete", "vm.to_template"):
        assert not found and not processes(lab, vm_id)
    if op == "vm.to_template":
        made = lab.find("templates", name)
        assert made["lifecycle"] == "ready" and made["sha256"]
        assert list((lab.dir / "ds").rglob(made["id"])) and not list((lab.dir / "ds").rglob(vm_id))
        lab.api().do("DELETE", f"/templates/{made['id']}")
    if op in ("vm.delete", "vm.to_template"):
        return
    assert len(found) == 1, "an acknowledged machine exists once"
    running = processes(lab, found[0]["id"])
    print(f"{op:10} {step:8} {phase:9} power={found[0]['power_state']} processes={len(running)}")
    assert found[0]["power_state"] == "powered_on" and len(running) == 1
    clean(lab, name)
    clean(lab, source_of(op, name))
    assert not processes(lab, found[0]["id"])
    assert not list((lab.dir / "ds").rglob(found[0]["id"]))
