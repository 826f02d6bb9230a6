"""Machines by the dozen, copies of templates where they are wanted, machines into templates and files and back."""
from collections import Counter
from typing import Any

import pytest
from conftest import Lab, refused


def make(lab: Lab, **body: Any) -> dict[str, Any]:
    """A machine from the template tiny, when it is made."""
    task = lab.api().do("POST", "/vms", {"template": lab.find("templates", "tiny")["id"], **body})
    return lab.api().get(f"/vms/{task['entity']}")


def remove(lab: Lab, vm: dict[str, Any]) -> None:
    if lab.api().get(f"/vms/{vm['id']}")["power_state"] == "powered_on":
        lab.api().do("POST", f"/vms/{vm['id']}/stop", {"mode": "kill"})
    lab.api().do("DELETE", f"/vms/{vm['id']}")


def test_twenty_at_once_run_and_are_spread(lab: Lab) -> None:
    body = {"name": "web-{01..20}", "template": lab.find("templates", "tiny")["id"], "power_on": True, "memory_mb": 96}
    begun = lab.api().call("POST", "/vms", body)["items"]
    assert len(begun) == 20
    for one in begun:
        lab.api().wait(one["task"])
    made = [lab.api().get(f"/vms/{one['object']}") for one in begun]
    assert [vm["name"] for vm in made] == [f"web-{i:02}" for i in range(1, 21)]
    assert {vm["power_state"] for vm in made} == {"powered_on"}
    assert len({vm["ip_address"] for vm in made}) == 20
    assert max(Counter(vm["host"] for vm in made).values()) <= 7
    for vm in made:
        remove(lab, vm)


def test_a_linked_clone_goes_where_the_template_was_not(lab: Lab) -> None:
    tiny, where = lab.find("templates", "tiny"), lab.find("datastores", "local-2")
    vm = make(lab, name="far", datastore=where["id"], power_on=True)
    assert lab.api().get(f"/hosts/{vm['host']}")["name"] == "host-2"
    assert vm["disks"][0]["datastore"] == where["id"] and vm["disks"][0]["backing"]
    copies = lab.find("templates", "tiny")["copies"]
    assert [c["datastore"] for c in copies] == [where["id"]]
    file = lab.dir / "ds/local-2" / copies[0]["path"]
    assert file.exists()
    refused("bad_state", "far", lab.api().do, "DELETE", f"/templates/{tiny['id']}/copies/{where['id']}")
    remove(lab, vm)
    lab.api().do("DELETE", f"/templates/{tiny['id']}/copies/{where['id']}")
    assert not file.exists()


def test_a_full_copy_stands_on_nothing(lab: Lab) -> None:
    vm = make(lab, name="whole", full=True, disk_mb=512, power_on=True, customize={"domain": "example.org"})
    assert "backing" not in vm["disks"][0] and vm["disks"][0]["size_bytes"] == 512 << 20
    assert "seed" not in vm
    remove(lab, vm)


def test_a_clone_is_a_machine_of_its_own(lab: Lab) -> None:
    vm = make(lab, name="first")
    task = lab.api().do("POST", f"/vms/{vm['id']}/clone", {"name": "second", "power_on": True})
    clone = lab.api().get(f"/vms/{task['entity']}")
    for field in ("uuid", "ip_address", "id"):
        assert clone[field] != vm[field]
    assert clone["nics"][0]["mac"] != vm["nics"][0]["mac"]
    assert "backing" not in clone["disks"][0] and clone["power_state"] == "powered_on"
    refused("unsupported", "make a template of it", lab.api().do, "POST", f"/vms/{vm['id']}/clone",
            {"name": "third", "linked": True})
    remove(lab, clone)
    remove(lab, vm)


def test_there_and_back_again(lab: Lab) -> None:
    vm = make(lab, name="seed", num_cpu=2, memory_mb=128)
    store = lab.find("datastores", "shared")
    lab.api().do("POST", f"/vms/{vm['id']}/export", {"datastore": store["id"], "path": "upload/seed.ova"})
    lab.api().do("POST", "/templates",
                 {"name": "from-ova", "datastore": store["id"], "path": "upload/seed.ova", "format": "ova"})
    brought = lab.find("templates", "from-ova")
    assert (brought["num_cpu"], brought["memory_mb"]) == (2, 128) and brought["format"] == "qcow2"
    task = lab.api().do("POST", f"/vms/{vm['id']}/template", {"name": "golden", "version": "7"})
    assert task["result"]["machine_removed"] is True
    golden = lab.find("templates", "golden")
    assert (golden["version"], golden["memory_mb"]) == ("7", 128)
    task = lab.api().do("POST", f"/templates/{golden['id']}/vm", {"name": "again", "power_on": True})
    assert task["result"]["template_removed"] is True
    assert not list((lab.dir / "ds").rglob(golden["id"]))
    remove(lab, lab.api().get(f"/vms/{task['entity']}"))
    lab.api().do("DELETE", f"/templates/{brought['id']}")


@pytest.mark.parametrize("change,words", [
    ({"name": "x-{1..501}"}, "at most 500"),
    ({"name": "x-{5..1}"}, "smaller number first"),
    ({"customize": {"host_name": "a\nb"}}, "host_name"),
    ({"customize": {"ssh_keys": "no key"}}, "ssh_keys: line 1"),
    ({"disk_mb": 1}, "cannot become smaller"),
])
def test_what_cannot_be_made_is_refused(lab: Lab, change: dict[str, Any], words: str) -> None:
    body = {"name": "never", "template": lab.find("templates", "tiny")["id"], **change}
    refused("invalid", words, lab.api().do, "POST", "/vms", body)
    assert not lab.all("vms")
