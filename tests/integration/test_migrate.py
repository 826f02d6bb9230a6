"""Machines move: running, with and without their disks, and off; what cannot move says why."""
import hashlib
import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator

import pytest
from conftest import BUILD, ROOT, Lab, refused, wait_for
from lab_client import ApiError
from test_guests import Service, act, make, remove, vm
from test_kill_matrix import processes

sys.path.insert(0, str(ROOT / "tests/lib"))

from counter import Counter  # noqa: E402  (needs the path above)

# The full hundred takes two minutes; a few show the same.
MOVES = int(os.environ.get("DROVER_MOVES", "9"))


def move(lab: Lab, vm_id: str, **body: Any) -> dict[str, Any]:
    return lab.api().do("POST", f"/vms/{vm_id}/migrate", body)["result"]


def others(lab: Lab, host: str) -> list[str]:
    return [h["id"] for h in lab.all("hosts") if h["id"] != host]


def local_store(lab: Lab, host: str) -> dict[str, Any]:
    return next(d for d in lab.all("datastores") if d["hosts"] == [host])


def disk_files(lab: Lab, vm_id: str) -> list[str]:
    return sorted(str(p.relative_to(lab.dir / "ds")) for p in (lab.dir / "ds").glob(f"*/vms/{vm_id}/disk*"))


def content(lab: Lab, made: dict[str, Any]) -> str:
    """SHA-256 of what the machine's first disk holds, through its whole chain."""
    disk = made["disks"][0]
    store = lab.api().get(f"/datastores/{disk['datastore']}")
    path = lab.dir / "ds" / Path(store["path"]).name / disk["path"]
    raw = lab.dir / f"{made['id']}.raw"
    subprocess.run(["qemu-img", "convert", "-U", "-O", "raw", str(path), str(raw)], check=True)
    with raw.open("rb") as f:
        found = hashlib.file_digest(f, "sha256").hexdigest()
    raw.unlink()
    return found


@pytest.fixture(scope="module")
def runner(lab: Lab) -> Iterator[dict[str, Any]]:
    """A machine that runs and answers."""
    made = make(lab, "runner")
    Service(made["ip_address"]).close()
    yield made
    remove(lab, made["id"])


def test_moves_are_not_noticed(lab: Lab, runner: dict[str, Any]) -> None:
    vm_id, mac = runner["id"], runner["nics"][0]["mac"]
    counter = Counter(runner["ip_address"])
    ring = itertools.cycle(h["id"] for h in lab.all("hosts"))
    try:
        for _ in range(MOVES):
            now = vm(lab, vm_id)
            to = next(h for h in ring if h != now["host"])
            generation = now["run_gen"]
            counter.take_gap()
            result = move(lab, vm_id, host=to)
            after = vm(lab, vm_id)
            assert after["host"] == to and after["power_state"] == "powered_on"
            assert after["run_gen"] > generation and after["nics"][0]["mac"] == mac
            assert len(processes(lab, vm_id)) == 1
            assert result["live"] and result["from"] == now["host"] and result["to"] == to
            assert result["outage_ms"] is not None, result
            seen = counter.answers
            wait_for("the counter to go on", lambda: counter.answers > seen + 5 or not counter.healthy())
            print(
                f"total {result['total_ms']} ms, downtime {result['downtime_ms']} ms, outage {result['outage_ms']} ms, "
                f"client's largest gap {counter.take_gap() * 1000:.0f} ms"
            )
            assert counter.healthy(), counter.wrong
    finally:
        answers = counter.end()
    assert answers > MOVES * 5
    events = lab.api().get(f"/events?entity={vm_id}&limit=50")["items"]
    assert sum(e["type"] == "VmMigratedEvent" for e in events) >= min(MOVES, 9)
    assert not [e for e in events if e["type"] in ("VmDiedEvent", "VmGuestShutdownEvent")]


def test_the_shell_tells_the_outage(lab: Lab, runner: dict[str, Any]) -> None:
    names = {h["id"]: h["name"] for h in lab.all("hosts")}
    here = vm(lab, runner["id"])["host"]
    there = others(lab, here)[0]
    ran = subprocess.run(
        [str(BUILD / "bin/drover"), "-c", f"Get-VM runner | Move-VM -Destination {names[there]} | % VMHost"],
        env={**os.environ, "DROVER_SERVERS": str(lab.dir / "etc/servers.json")}, capture_output=True, text=True, timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == names[there]
    assert f"{names[here]} -> {names[there]}" in ran.stderr and "outage" in ran.stderr


def test_a_paused_machine_moves_paused(lab: Lab) -> None:
    made = make(lab, "sleeper")
    service = Service(made["ip_address"])
    first = int(service.ask("count"))
    act(lab, made["id"], "pause")
    move(lab, made["id"], host=others(lab, made["host"])[0])
    after = vm(lab, made["id"])
    assert after["power_state"] == "paused" and after["host"] != made["host"]
    assert act(lab, made["id"], "resume")["power_state"] == "powered_on"
    assert int(service.ask("count")) == first + 1, "the same connection and the same counter"
    service.close()
    remove(lab, made["id"])


def test_disks_go_along(lab: Lab) -> None:
    """Shared-nothing: from the local datastore of one host to that of another."""
    made = make(lab, "nomad")
    service = Service(made["ip_address"])
    assert service.ask("write 8") == "ok"
    stores = [local_store(lab, made["host"]), local_store(lab, others(lab, made["host"])[0])]
    move(lab, made["id"], datastore=stores[0]["id"])
    at_home = vm(lab, made["id"])
    assert at_home["host"] == made["host"] and at_home["datastores"] == [stores[0]["id"]]
    assert service.ask("write 1") == "ok"
    act(lab, made["id"], "pause")
    before = content(lab, vm(lab, made["id"]))
    move(lab, made["id"], host=stores[1]["hosts"][0], datastore=stores[1]["id"])
    away = vm(lab, made["id"])
    assert content(lab, away) == before
    act(lab, made["id"], "resume")
    first = int(service.ask("count"))
    counter = Counter(made["ip_address"])
    back = move(lab, made["id"], host=made["host"], datastore=stores[0]["id"])
    assert back["live"]
    counter.end()
    assert int(service.ask("count")) > first and service.ask("write 1") == "ok"
    assert disk_files(lab, made["id"]) == [f"{stores[0]['name']}/vms/{made['id']}/{Path(vm(lab, made['id'])['disks'][0]['path']).name}"]
    service.close()
    remove(lab, made["id"])
    assert not disk_files(lab, made["id"])


def test_what_is_off_moves_by_copy(lab: Lab) -> None:
    made = make(lab, "cold", power_on=False)
    before = content(lab, made)
    there = others(lab, made["host"])[0]
    assert not move(lab, made["id"], host=there)["live"]
    assert vm(lab, made["id"])["host"] == there
    store = local_store(lab, others(lab, there)[0])
    # What it stands on goes there first.
    sent = move(lab, made["id"], host=store["hosts"][0], datastore=store["id"])
    assert sent["checksums"], sent
    after = vm(lab, made["id"])
    assert after["datastores"] == [store["id"]] and content(lab, after) == before
    act(lab, made["id"], "start")
    Service(vm(lab, made["id"])["ip_address"]).close()
    remove(lab, made["id"])
    assert not disk_files(lab, made["id"])


def test_what_cannot_move_says_why(lab: Lab, runner: dict[str, Any]) -> None:
    api = lab.api()
    here = vm(lab, runner["id"])["host"]
    path = f"/vms/{runner['id']}/migrate"
    with pytest.raises(ApiError) as caught:
        api.do("POST", path, {"host": here})
    assert "already" in caught.value.message, caught.value.message
    refused("not_found", "host-999", api.do, "POST", path, {"host": "host-999"})
    refused("invalid", "", api.do, "POST", path, {"host": "host-1", "nonsense": 1})
    there = others(lab, here)[0]
    store = local_store(lab, here)
    with pytest.raises(ApiError) as caught:
        api.do("POST", path, {"host": there, "datastore": store["id"]})
    assert store["name"] in caught.value.message, caught.value.message
    seen = api.call("POST", f"/vms/{runner['id']}/migrate-check", {"host": there, "datastore": store["id"]})
    assert not seen["possible"] and seen["obstacles"]
    assert api.call("POST", f"/vms/{runner['id']}/migrate-check", {"host": there})["possible"]


def test_twice_at_once(lab: Lab, runner: dict[str, Any]) -> None:
    here = vm(lab, runner["id"])["host"]
    a, b = others(lab, here)
    first = lab.api().call("POST", f"/vms/{runner['id']}/migrate", {"host": a})["task"]
    with pytest.raises(ApiError) as caught:
        lab.api().call("POST", f"/vms/{runner['id']}/migrate", {"host": b})
    assert caught.value.code == "busy", caught.value
    lab.api().wait(first)
    assert vm(lab, runner["id"])["host"] == a


def noisy(lab: Lab, name: str) -> dict[str, Any]:
    """A machine that writes memory faster than a slow wire takes it."""
    made = make(lab, name)
    service = Service(made["ip_address"])
    assert service.ask("mem 32") == "ok"
    assert service.ask("load 80 300") == "ok"
    service.close()
    return made


def test_a_cancelled_move_leaves_it_where_it_was(lab: Lab) -> None:
    made = noisy(lab, "stayer")
    counter = Counter(made["ip_address"])
    task = lab.api().call(
        "POST", f"/vms/{made['id']}/migrate", {"host": others(lab, made["host"])[0], "bandwidth_mb": 4}
    )["task"]
    wait_for("it to copy", lambda: lab.api().get(f"/tasks/{task['id']}")["done_bytes"] > 0, 30)
    lab.api().call("POST", f"/tasks/{task['id']}/cancel", {})
    with pytest.raises(ApiError) as caught:
        lab.api().wait(task)
    assert caught.value.code == "cancelled", caught.value
    assert counter.healthy(), counter.wrong
    counter.end()
    after = vm(lab, made["id"])
    assert after["host"] == made["host"] and after["power_state"] == "powered_on"
    assert len(processes(lab, made["id"])) == 1
    move(lab, made["id"], host=others(lab, made["host"])[0])
    remove(lab, made["id"])


def test_many_at_once_take_turns(lab: Lab) -> None:
    host = lab.all("hosts")[0]["id"]
    made = [make(lab, f"crowd-{i}", host=host) for i in range(4)]
    for one in made:
        Service(one["ip_address"]).close()
    counters = [Counter(one["ip_address"]) for one in made]
    tasks = [
        lab.api().call("POST", f"/vms/{one['id']}/migrate", {"host": others(lab, host)[i % 2]})["task"]
        for i, one in enumerate(made)
    ]
    for task in tasks:
        lab.api().wait(task)
    for counter in counters:
        counter.end()
    for one in made:
        assert len(processes(lab, one["id"])) == 1
        remove(lab, one["id"])


def test_a_target_that_goes_away(lab: Lab) -> None:
    """The target's agent is killed while memory is copied: the machine runs on at the source."""
    made = noisy(lab, "survivor")
    target = others(lab, made["host"])[0]
    agent = "agent-" + lab.api().get(f"/hosts/{target}")["name"].rsplit("-", 1)[1]
    counter = Counter(made["ip_address"])
    task = lab.api().call("POST", f"/vms/{made['id']}/migrate", {"host": target, "bandwidth_mb": 4})["task"]
    wait_for("it to copy", lambda: lab.api().get(f"/tasks/{task['id']}")["done_bytes"] > 0, 30)
    lab.kill(agent)
    wait_for("the machine to answer", lambda: counter.healthy() and counter.answers, 10)
    lab.restart_agent(agent)
    with pytest.raises(ApiError):
        lab.api().wait(task)
    begin = counter.answers
    wait_for("the counter to go on", lambda: counter.answers > begin + 5 or not counter.healthy())
    counter.end()
    assert vm(lab, made["id"])["host"] == made["host"]
    wait_for("one process", lambda: len(processes(lab, made["id"])) == 1, 20)
    remove(lab, made["id"])
