"""A real Debian, made here, imported and customised: cloud-init takes what the seed says."""
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any, Iterator, Optional

import pytest
from conftest import BUILD, Lab, wait_for

BUILD_SCRIPT = Path(__file__).resolve().parents[2] / "deploy/debian-template/build.sh"
START_S = 300


@pytest.fixture(scope="module")
def debian(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if shutil.which("debootstrap") is None:
        pytest.skip("debootstrap is not installed")
    made = tmp_path_factory.mktemp("debian") / "debian.qcow2"
    subprocess.run([str(BUILD_SCRIPT), str(made), str(Path(BUILD) / "debian")], check=True)
    upload = lab.dir / "ds/local-1/upload"
    upload.mkdir(mode=0o711, exist_ok=True)
    shutil.move(str(made), upload / "debian.qcow2")
    store = lab.find("datastores", "local-1")
    body = {"name": "debian", "datastore": store["id"], "path": "upload/debian.qcow2", "format": "qcow2"}
    lab.api().do("POST", "/templates", body)
    return lab.find("templates", "debian")


def banner(address: str) -> Optional[bytes]:
    try:
        with socket.create_connection((address, 22), timeout=5) as s:
            return s.recv(64)
    except OSError:
        return None


def console(lab: Lab, vm_id: str) -> str:
    return "".join(p.read_text(errors="replace") for p in lab.dir.glob(f"hosts/*/**/{vm_id}/console.log"))


@pytest.fixture(scope="module")
def machine(lab: Lab, debian: dict[str, Any]) -> Iterator[dict[str, Any]]:
    started = lab.api().call("POST", "/vms", {
        "name": "deb-1", "template": debian["id"], "num_cpu": 1, "memory_mb": 512, "power_on": True,
        "customize": {"host_name": "deb-inside"},
    })
    lab.api().wait(started["task"])
    made = lab.api().get(f"/vms/{started['object']}")
    yield made
    lab.api().do("POST", f"/vms/{made['id']}/stop", {"mode": "kill"})
    lab.api().do("DELETE", f"/vms/{made['id']}")


def test_cloud_init_takes_name_and_address_from_the_seed(lab: Lab, machine: dict[str, Any]) -> None:
    text = wait_for("ssh to answer at the address of the seed", lambda: banner(machine["ip_address"]), START_S)
    assert text.startswith(b"SSH-2.0")
    wait_for("the name of the seed on the console", lambda: "deb-inside login" in console(lab, machine["id"]), START_S)


def test_its_agent_makes_snapshots_quiet(lab: Lab, machine: dict[str, Any]) -> None:
    def inside() -> bool:
        seen = lab.api().get(f"/vms/{machine['id']}")
        return seen["guest_host_name"] == "deb-inside" and machine["ip_address"] in str(seen["guest_addresses"])

    wait_for("its agent to tell name and address", inside, START_S)
    task = lab.api().do("POST", f"/vms/{machine['id']}/snapshots", {"name": "quiet", "quiesce": True})
    assert task["result"]["quiesced"], task["result"]
    snapshot = lab.api().get(f"/vms/{machine['id']}/snapshots")["items"][0]
    assert snapshot["quiesced"] and not snapshot["memory"]
    # Its file systems are let go again: somebody who connects makes it write.
    assert wait_for("ssh to answer afterwards", lambda: banner(machine["ip_address"]), START_S)
    lab.api().do("DELETE", f"/snapshots/{snapshot['id']}")
    assert not lab.api().get(f"/vms/{machine['id']}/snapshots")["items"]
