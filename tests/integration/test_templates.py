"""The code path that a user's own image takes, and images that must not be taken."""
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import BUILD, Lab, refused
from lab_client import ApiError


def upload(lab: Lab, store: dict[str, Any], data: bytes, name: str) -> str:
    path = f"upload/{name}"
    for at in range(0, max(len(data), 1), 1 << 20):
        piece = data[at : at + (1 << 20)]
        last = int(at + len(piece) == len(data))
        status, text = lab.api().raw(
            "PUT", f"/api/v1/datastores/{store['id']}/content?path={path}&offset={at}&last={last}", piece, {}
        )
        assert status == 200, text
    return path


def bring_in(lab: Lab, store: dict[str, Any], path: str, name: str, fmt: str = "qcow2") -> Any:
    body = {"name": name, "datastore": store["id"], "path": path, "format": fmt}
    return lab.api().do("POST", "/templates", body)


def image(folder: Path, name: str, *how: str) -> bytes:
    path = folder / name
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *how[:-1], str(path), how[-1]], check=True)
    return path.read_bytes()


def test_a_users_image_becomes_a_template(lab: Lab, tmp_path: Path) -> None:
    store = lab.find("datastores", "local-1")
    path = upload(lab, store, image(tmp_path, "fine.qcow2", "64M"), "fine.qcow2")
    bring_in(lab, store, path, "fine")
    made = lab.find("templates", "fine")
    assert made["virtual_bytes"] == 64 << 20 and len(made["sha256"]) == 64 and made["lifecycle"] == "ready"
    vm = lab.api().do("POST", "/vms", {"name": "from-fine", "template": made["id"]})["entity"]
    machine = lab.api().get(f"/vms/{vm}")
    assert lab.api().get(f"/hosts/{machine['host']}")["name"] == "host-1", "a linked clone stays by its template"
    with pytest.raises(ApiError) as caught:
        lab.api().do("DELETE", f"/templates/{made['id']}")
    assert "from-fine" in caught.value.message or machine["id"] in caught.value.message
    refused(
        "no_capacity", "local-1",
        lab.api().do, "POST", "/vms",
        {"name": "elsewhere", "template": made["id"], "host": lab.find("hosts", "host-2")["id"]},
    )
    lab.api().do("DELETE", f"/vms/{vm}")
    lab.api().do("DELETE", f"/templates/{made['id']}")
    assert not list((lab.dir / "ds/local-1/templates").rglob("disk.*"))


BAD = {
    "text": "no qcow2 image",
    "empty": "no qcow2 image|empty",
    "truncated": "damaged|truncated",
    "backing": "backing file",
    "data-file": "data in another file",
    "huge": "datastore of",
}


def bad_image(kind: str, folder: Path) -> bytes:
    if kind == "text":
        return b"hello\n"
    if kind == "empty":
        return b""
    if kind == "backing":
        return image(folder, "b.qcow2", "-b", "/etc/passwd", "-F", "raw", "1M")
    if kind == "data-file":
        return image(folder, "d.qcow2", "-o", f"data_file={folder}/d.raw,data_file_raw=on", "1M")
    if kind == "huge":
        return image(folder, "h.qcow2", "60T")
    whole = image(folder, "t.qcow2", "64M")
    return whole[: len(whole) // 2]


@pytest.mark.parametrize("kind", BAD)
def test_bad_images_are_refused(lab: Lab, tmp_path: Path, kind: str) -> None:
    store = lab.find("datastores", "local-1")
    path = upload(lab, store, bad_image(kind, tmp_path), f"{kind}.qcow2")
    with pytest.raises(ApiError) as caught:
        bring_in(lab, store, path, f"bad-{kind}")


    assert re.search(BAD[kind], caught.value.message), caught.value.message
    assert not [t for t in lab.all("templates") if t["name"] == f"bad-{kind}"]


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "upload/../../x", "upload//x/..", "vms/vm-1/disk-0.qcow2", ".drover-datastore"])
def test_paths_stay_inside(lab: Lab, path: str) -> None:
    store = lab.find("datastores", "local-1")
    status, text = lab.api().raw(
        "PUT", f"/api/v1/datastores/{store['id']}/content?path={path}&offset=0&last=1", b"x", {}
    )
    assert status in (400, 403, 409), text
    assert not (lab.dir / "ds/outside").exists()


def test_links_lead_nowhere(lab: Lab) -> None:
    store = lab.find("datastores", "local-1")
    folder = lab.dir / "ds/local-1/upload"
    folder.mkdir(exist_ok=True)
    (folder / "link").symlink_to("/etc")
    status, text = lab.api().raw(
        "PUT", f"/api/v1/datastores/{store['id']}/content?path=upload/link/drover&offset=0&last=1", b"x", {}
    )
    assert status >= 400, text
    assert not Path("/etc/drover").is_file()
    (folder / "link").unlink()


def test_the_shell_uploads_a_local_image(lab: Lab, tmp_path: Path) -> None:
    image(tmp_path, "mine.qcow2", "32M")
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "DROVER_SERVERS": str(tmp_path / "servers.json")}
    script = (
        f"Connect-VIServer -Server 127.0.0.1 -Port {lab.port} -User admin -Password '{lab.password}'"
        f" -CACertificate {lab.dir}/ca/ca.pem | Out-Null;"
        f" New-Template -Name mine -Path {tmp_path}/mine.qcow2 -Datastore local-1 | Select-Object -ExpandProperty Name;"
        " Get-Template mine | Remove-Template -Confirm:$false"
    )
    ran = subprocess.run(
        [str(BUILD / "bin/drover"), "-c", script], env=env, capture_output=True, text=True, timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert ran.returncode == 0 and ran.stdout.strip() == "mine", ran.stdout + ran.stderr
