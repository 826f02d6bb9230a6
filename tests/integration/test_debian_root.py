"""A whole Debian as a container: its own init boots it, runs on over moves, and ends when it is told to."""
import shutil
import subprocess
from pathlib import Path
from typing import Any, Iterator

import pytest
from conftest import BUILD, ROOT, Lab, wait_for
from test_containers import need_ability, run
from test_guests import act, make, remove


@pytest.fixture(scope="module")
def debian(lab: Lab) -> dict[str, Any]:
    if shutil.which("debootstrap") is None:
        pytest.skip("debootstrap is not installed")
    store = lab.find("datastores", "shared")
    upload = lab.dir / "ds/shared/upload"
    upload.mkdir(mode=0o711, exist_ok=True)
    subprocess.run(
        [str(ROOT / "deploy/container-template"), "debian", str(upload / "debian.tar"), str(Path(BUILD) / "container-cache")],
        check=True,
    )
    body = {"name": "debian", "datastore": store["id"], "path": "upload/debian.tar", "format": "tar"}
    lab.api().do("POST", "/templates", body)
    return lab.find("templates", "debian")


def await_boot(lab: Lab, vm_id: str) -> None:
    wait_for("its init to come to runlevel 2", lambda: run(lab, vm_id, "runlevel || true") == "N 2")


@pytest.fixture(scope="module")
def deb(lab: Lab, debian: dict[str, Any]) -> Iterator[dict[str, Any]]:
    made = make(lab, "deb", template=debian["id"], memory_mb=256, disk_mb=2048)
    await_boot(lab, made["id"])
    yield made
    remove(lab, made["id"])


def test_it_is_a_system_of_its_own(lab: Lab, deb: dict[str, Any]) -> None:
    assert run(lab, deb["id"], "cat /proc/1/comm") == "init"
    assert run(lab, deb["id"], "hostname") == "deb"
    assert deb["ip_address"] in run(lab, deb["id"], "ip -4 -brief address show eth0")
    assert run(lab, deb["id"], "dpkg -l sysvinit-core | tail -1").startswith("ii ")
    assert not run(lab, deb["id"], "dpkg --audit")
    assert run(lab, deb["id"], "apt-config dump APT::Architecture").endswith('"amd64";')
    # Users of its own, below those of the host.
    run(lab, deb["id"], "useradd -m someone && su someone -c 'echo mine > ~/note'")
    assert run(lab, deb["id"], "stat -c %U /home/someone/note") == "someone"


def test_its_init_shuts_it_down(lab: Lab, deb: dict[str, Any]) -> None:
    asked = "trap 'echo asked > /root/ended; exit' TERM; while :; do sleep 0.1; done"
    run(lab, deb["id"], f'(setsid sh -c "{asked}" </dev/null >/dev/null 2>&1 &)')
    assert act(lab, deb["id"], "stop", {"mode": "acpi", "timeout_s": 30})["power_state"] == "powered_off"
    assert act(lab, deb["id"], "start")["power_state"] == "powered_on"
    await_boot(lab, deb["id"])
    assert run(lab, deb["id"], "cat /root/ended") == "asked", "its programs were told"


def test_it_moves_while_it_runs(lab: Lab, deb: dict[str, Any]) -> None:
    need_ability(lab, "live_migration")
    run(lab, deb["id"], "echo 1 > /dev/shm/memory; (setsid sleep 100000 </dev/null >/dev/null 2>&1 &)")
    sleeper = run(lab, deb["id"], "pgrep -x sleep")
    for _ in range(2):
        was = lab.api().get(f"/vms/{deb['id']}")["host"]
        target = next(h["id"] for h in lab.all("hosts") if h["id"] != was)
        assert act(lab, deb["id"], "migrate", {"host": target})["host"] == target
    assert run(lab, deb["id"], "pgrep -x sleep; cat /dev/shm/memory").split() == [sleeper, "1"]
    assert run(lab, deb["id"], "runlevel") == "N 2"
    assert act(lab, deb["id"], "suspend")["power_state"] == "suspended"
    assert act(lab, deb["id"], "start")["power_state"] == "powered_on"
    assert run(lab, deb["id"], "pgrep -x sleep") == sleeper
