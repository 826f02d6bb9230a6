"""Disks and network cards of machines that run: added, changed, taken out, and moved along."""
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Iterator

import pytest
from conftest import BUILD, Lab, refused, wait_for
from test_guests import Service, act, make, remove, vm
from test_kill_matrix import processes


def change(lab: Lab, method: str, vm_id: str, path: str, **body: Any) -> dict[str, Any]:
    return lab.api().do(method, f"/vms/{vm_id}/{path}", body or None)


def opened(lab: Lab, vm_id: str) -> set[str]:
    """Images that the machine's process has open."""
    (pid,) = processes(lab, vm_id)
    links = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            links.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except OSError:
            continue
    return {Path(link).name for link in links if f"/vms/{vm_id}/" in link}


def on_host(lab: Lab, vm_id: str, command: str) -> str:
    """What a command says in the network of the machine's host."""
    (pid,) = processes(lab, vm_id)
    words = ["nsenter", "-t", str(pid), "-n", "sh", "-c", command]
    return subprocess.run(words, capture_output=True, text=True).stdout


def disk(made: dict[str, Any], name: str) -> dict[str, Any]:
    return next(d for d in made["disks"] if d["name"] == name)


def image(lab: Lab, d: dict[str, Any]) -> Path:
    store = lab.api().get(f"/datastores/{d['datastore']}")
    return lab.dir / "ds" / Path(store["path"]).name / d["path"]


def virtual_size(path: Path) -> int:
    text = subprocess.run(["qemu-img", "info", "-U", "--output=json", str(path)], capture_output=True, text=True).stdout
    return int(re.search(r'"virtual-size": (\d+)', text)[1])


@pytest.fixture(scope="module")
def hot(lab: Lab) -> Iterator[dict[str, Any]]:
    made = make(lab, "hot")
    Service(made["ip_address"]).close()
    yield made
    remove(lab, made["id"])


def test_disks_come_and_go(lab: Lab, hot: dict[str, Any]) -> None:
    change(lab, "POST", hot["id"], "disks", size_mb=16)
    change(lab, "POST", hot["id"], "disks", size_mb=8, format="raw", iops_limit=300)
    made = vm(lab, hot["id"])
    assert [d["name"] for d in made["disks"]] == ["disk-0", "disk-1", "disk-2"]
    one, two = disk(made, "disk-1"), disk(made, "disk-2")
    wait_for("both images to be open", lambda: {Path(one["path"]).name, Path(two["path"]).name} <= opened(lab, hot["id"]))
    change(lab, "PATCH", hot["id"], "disks/disk-1", size_mb=32, mb_per_s_limit=5)
    made = vm(lab, hot["id"])
    assert disk(made, "disk-1")["size_bytes"] == 32 << 20 and disk(made, "disk-1")["bytes_per_s_limit"] == 5 << 20
    assert virtual_size(image(lab, one)) == 32 << 20
    refused("invalid", "cannot shrink", lambda: change(lab, "PATCH", hot["id"], "disks/disk-1", size_mb=16))
    refused("unsupported", "needs power off: disk-0", change, lab, "DELETE", hot["id"], "disks/disk-0")
    refused("not_found", "disk-7", change, lab, "DELETE", hot["id"], "disks/disk-7")
    change(lab, "DELETE", hot["id"], "disks/disk-1")
    made = vm(lab, hot["id"])
    assert [d["name"] for d in made["disks"]] == ["disk-0", "disk-2"]
    assert Path(one["path"]).name not in opened(lab, hot["id"])
    assert not image(lab, one).exists() and image(lab, two).exists()


def test_what_was_plugged_moves_along(lab: Lab, hot: dict[str, Any]) -> None:
    """With a hole where a disk was taken out: both sides must agree where the rest sits."""
    made = vm(lab, hot["id"])
    to = next(h["id"] for h in lab.all("hosts") if h["id"] != made["host"])
    change(lab, "POST", hot["id"], "nics", network=made["nics"][0]["network"])
    assert len(vm(lab, hot["id"])["nics"]) == 2
    lab.api().do("POST", f"/vms/{hot['id']}/migrate", {"host": to})
    moved = vm(lab, hot["id"])
    assert moved["host"] == to and moved["power_state"] == "powered_on"
    assert Path(disk(moved, "disk-2")["path"]).name in opened(lab, hot["id"])
    Service(moved["ip_address"]).close()
    number = hot["id"].split("-")[1]
    assert f"dvt{number}n1" in on_host(lab, hot["id"], "ip -o link")
    change(lab, "DELETE", hot["id"], "nics/nic-1")
    change(lab, "DELETE", hot["id"], "disks/disk-2?keep=true")
    assert f"dvt{number}n1" not in on_host(lab, hot["id"], "ip -o link")
    assert image(lab, disk(moved, "disk-2")).exists(), "keep=true"
    assert len(processes(lab, hot["id"])) == 1


def test_cards_have_addresses_and_limits(lab: Lab, hot: dict[str, Any]) -> None:
    made, number = vm(lab, hot["id"]), hot["id"].split("-")[1]
    network = made["nics"][0]["network"]
    change(lab, "POST", hot["id"], "nics", network=network, rx_mbit_limit=8, tx_mbit_limit=4)
    now = vm(lab, hot["id"])
    first, second = now["nics"]
    assert second["name"] == "nic-1" and second["mac"] != first["mac"]
    assert second["address"] not in (None, first["address"]) and now["ip_address"] == first["address"]
    other = make(lab, "other", power_on=False)
    assert other["ip_address"] not in (first["address"], second["address"]), "an address is given once"
    remove(lab, other["id"])
    assert "rate 8Mbit" in on_host(lab, hot["id"], f"tc qdisc show dev dvt{number}n1")
    assert "rate 4Mbit" in on_host(lab, hot["id"], f"tc qdisc show dev dvi{number}n1")
    change(lab, "PATCH", hot["id"], "nics/nic-1", rx_mbit_limit=2, tx_mbit_limit=0)
    assert "rate 2Mbit" in on_host(lab, hot["id"], f"tc qdisc show dev dvt{number}n1")
    assert f"dvi{number}n1" not in on_host(lab, hot["id"], "ip -o link")
    refused("exists", "in use", lambda: change(lab, "POST", hot["id"], "nics", network=network, address=first["address"]))
    change(lab, "DELETE", hot["id"], "nics/nic-1")
    assert [n["name"] for n in vm(lab, hot["id"])["nics"]] == ["nic-0"]
    Service(now["ip_address"]).close()


def test_a_machine_that_is_off_takes_them_too(lab: Lab) -> None:
    made = make(lab, "cold", power_on=False)
    change(lab, "POST", made["id"], "disks", size_mb=8)
    change(lab, "PATCH", made["id"], "disks/disk-1", size_mb=24, iops_limit=100)
    change(lab, "PATCH", made["id"], "disks/disk-0", size_mb=512)
    change(lab, "POST", made["id"], "nics", network=made["nics"][0]["network"])
    now = vm(lab, made["id"])
    assert virtual_size(image(lab, disk(now, "disk-1"))) == 24 << 20
    assert virtual_size(image(lab, disk(now, "disk-0"))) == 512 << 20
    act(lab, made["id"], "start")
    Service(now["ip_address"]).close()
    assert Path(disk(now, "disk-1")["path"]).name in opened(lab, made["id"])
    act(lab, made["id"], "suspend")
    refused("bad_state", "suspended", lambda: change(lab, "POST", made["id"], "disks", size_mb=8))
    act(lab, made["id"], "start")
    Service(now["ip_address"]).close()
    remove(lab, made["id"])
    assert not image(lab, disk(now, "disk-1")).exists()


def test_only_so_much_fits(lab: Lab, hot: dict[str, Any]) -> None:
    refused("invalid", "size_mb", lambda: change(lab, "POST", hot["id"], "disks", size_mb=0))
    refused("no_capacity", "in all", lambda: change(lab, "POST", hot["id"], "disks", size_mb=60 << 20))
    refused("not_found", "datastore", lambda: change(lab, "POST", hot["id"], "disks", size_mb=1, datastore="datastore-999"))
    far = next(d for d in lab.all("datastores") if vm(lab, hot["id"])["host"] not in d["hosts"])
    refused("bad_state", "does not reach", lambda: change(lab, "POST", hot["id"], "disks", size_mb=1, datastore=far["id"]))
    refused("not_found", "network", lambda: change(lab, "POST", hot["id"], "nics", network="network-999"))
    refused("invalid", "none of network", lambda: change(lab, "POST", hot["id"], "nics", network=vm(lab, hot["id"])["nics"][0]["network"], address="192.0.2.1"))


def test_the_shell_does_it_too(lab: Lab, hot: dict[str, Any]) -> None:
    def shell(line: str) -> str:
        env = {**os.environ, "DROVER_SERVERS": str(lab.dir / "etc/servers.json")}
        ran = subprocess.run([str(BUILD / "bin/drover"), "-c", line], env=env, capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    assert shell("New-HardDisk hot -CapacityMB 16 | % Name") == "disk-1"
    assert shell("Get-VM hot | Get-HardDisk -Name disk-1 | Set-HardDisk -CapacityMB 32 -IopsLimit 70 | % { \"$($_.CapacityGB) $($_.IopsLimit)\" }") == "0.03125 70"
    shell("Get-VM hot | Get-HardDisk -Name disk-1 | Remove-HardDisk -DeletePermanently -Confirm:$false")
    network = lab.api().get(f"/networks/{vm(lab, hot['id'])['nics'][0]['network']}")["name"]
    assert shell(f"Get-VM hot | New-NetworkAdapter -NetworkName '{network}' | % Name") == "nic-1"
    shell("Get-VM hot | Get-NetworkAdapter -Name nic-1 | Set-NetworkAdapter -TransmitMbitLimit 3 | Out-Null")
    assert shell("Get-VM hot | Get-NetworkAdapter | % TransmitMbitLimit") == "3"
    shell("Get-VM hot | Get-NetworkAdapter -Name nic-1 | Remove-NetworkAdapter -Confirm:$false")
    assert shell("Get-VM hot | Get-HardDisk | % Name; Get-VM hot | Get-NetworkAdapter | % Name").split() == ["disk-0", "nic-0"]
