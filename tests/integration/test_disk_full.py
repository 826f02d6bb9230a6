"""A datastore fills up under a running machine: it stalls, says so, and goes on by itself."""
import os
import subprocess
from pathlib import Path
from typing import Iterator

import pytest
from conftest import Lab, wait_for
from lab_client import ApiError
from test_guests import Service, vm


@pytest.fixture(scope="module")
def small(lab: Lab) -> Iterator[Path]:
    """A 320 MiB file system at ds/small, seen by the agents: they start after it is there."""
    image, mount = lab.dir / "small.img", lab.dir / "ds/small"
    lab.quickstart("stop")
    mount.mkdir()
    subprocess.run(["truncate", "-s", "320M", str(image)], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-m0", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(mount)], check=True)
    os.chmod(mount, 0o711)
    try:
        lab.quickstart("start")
        wait_for("the hosts", lambda: lab.connected() == 3)
        yield mount
    finally:
        lab.quickstart("stop")
        subprocess.run(["umount", str(mount)], check=True)
        lab.quickstart("start")


def test_it_stalls_and_goes_on(lab: Lab, small: Path) -> None:
    api = lab.api()
    shared = lab.find("datastores", "shared")
    path = str(Path(shared["path"]).parent / "small")
    api.do("POST", "/datastores", {
        "name": "small", "datacenter": shared["parent"], "path": path,
        "hosts": [lab.all("hosts")[0]["id"]], "shared": False,
    })
    store = lab.find("datastores", "small")
    tiny = lab.find("templates", "tiny")
    image = next((lab.dir / "ds/shared").rglob(f"{tiny['id']}/disk.*")).read_bytes()
    for at in range(0, len(image), 1 << 20):
        piece = image[at : at + (1 << 20)]
        last = int(at + len(piece) == len(image))
        status, text = api.raw(
            "PUT", f"/api/v1/datastores/{store['id']}/content?path=upload/t.qcow2&offset={at}&last={last}", piece, {}
        )
        assert status == 200, text
    api.do("POST", "/templates", {"name": "tiny-small", "datastore": store["id"], "path": "upload/t.qcow2", "format": "qcow2"})
    template = lab.find("templates", "tiny-small")
    started = api.call("POST", "/vms", {"name": "filler", "template": template["id"], "power_on": True})
    api.wait(started["task"])
    service = Service(vm(lab, started["object"])["ip_address"])
    ballast = small / "ballast"
    with open(ballast, "wb") as f:
        try:
            while True:
                f.write(b"\0" * (1 << 20))
                f.flush()
        except OSError:
            pass
    service.sock.settimeout(120)
    service.file.write("write 32\n")
    service.file.flush()
    wait_for("the machine to stall", lambda: vm(lab, started["object"])["power_state"] == "stalled", 60)
    stalled = vm(lab, started["object"])
    assert "small" in stalled["power_reason"] or "space" in stalled["power_reason"], stalled["power_reason"]
    ballast.unlink()
    wait_for("it to go on", lambda: vm(lab, started["object"])["power_state"] == "powered_on", 60)
    assert service.file.readline().strip() == "ok"
    types = [e["type"] for e in api.get(f"/events?entity={started['object']}")["items"]]
    assert "VmStalledEvent" in types and "VmUnstalledEvent" in types
    api.do("POST", f"/vms/{started['object']}/stop", {"mode": "kill"})
    api.do("DELETE", f"/vms/{started['object']}")
    api.do("DELETE", f"/templates/{template['id']}")
    with pytest.raises(ApiError):
        api.get(f"/templates/{template['id']}")
