"""Real machines: their life, what agents survive, what the shell's user sees."""
import os
import signal
import socket
import threading
import time
from http.client import HTTPException
from typing import Any

import pytest
from conftest import Lab, alive, refused, wait_for
from lab_client import Api, ApiError


def make(lab: Lab, name: str, **more: Any) -> dict[str, Any]:
    """A machine that runs, or is off when power_on=False is asked."""
    body = {"name": name, "template": lab.find("templates", "tiny")["id"], "power_on": True, **more}
    started = lab.api().call("POST", "/vms", body)
    lab.api().wait(started["task"])
    return vm(lab, started["object"])


def vm(lab: Lab, vm_id: str) -> dict[str, Any]:
    return lab.api().get(f"/vms/{vm_id}")


def act(lab: Lab, vm_id: str, verb: str, body: Any = None) -> dict[str, Any]:
    lab.api().do("POST", f"/vms/{vm_id}/{verb}", body or {})
    return vm(lab, vm_id)


def remove(lab: Lab, vm_id: str) -> None:
    if vm(lab, vm_id)["power_state"] not in ("powered_off", "suspended"):
        act(lab, vm_id, "stop", {"mode": "kill"})
    lab.api().do("DELETE", f"/vms/{vm_id}")


class Service:
    """A connection to the machine's own TCP service."""

    def __init__(self, address: str, seconds: float = 180) -> None:
        self.address = address

        def connect() -> Any:
            try:
                return socket.create_connection((address, 7000), timeout=10)
            except OSError:
                return None

        self.sock = wait_for(f"{address} to answer on port 7000", connect, seconds)
        self.file = self.sock.makefile("rw", newline="\n")

    def ask(self, line: str) -> str:
        self.file.write(line + "\n")
        self.file.flush()
        return self.file.readline().strip()

    def close(self) -> None:
        self.sock.close()


def test_the_whole_life(lab: Lab) -> None:
    made = make(lab, "life")
    assert made["power_state"] == "powered_on" and made["host"] and made["ip_address"]
    service = Service(made["ip_address"])
    assert "life" in service.ask("hello")
    status, picture = lab.api().raw("GET", f"/api/v1/vms/{made['id']}/picture", None, {})
    assert status == 200 and picture.startswith(b"\x89PNG"), picture[:200]
    first = service.ask("count")
    assert act(lab, made["id"], "pause")["power_state"] == "paused"
    assert act(lab, made["id"], "resume")["power_state"] == "powered_on"
    assert service.ask("count") != first
    assert act(lab, made["id"], "suspend")["power_state"] == "suspended"
    assert act(lab, made["id"], "start")["power_state"] == "powered_on"
    again = Service(made["ip_address"])
    assert int(again.ask("count").split()[-1]) == int(first.split()[-1]) + 2, "memory came back"
    again.close()
    refused("bad_state", "powered.on|runs|off", lab.api().call, "DELETE", f"/vms/{made['id']}")
    assert act(lab, made["id"], "stop", {"mode": "acpi", "timeout_s": 60})["power_state"] == "powered_off"
    refused("bad_state", "off", act, lab, made["id"], "pause")
    assert act(lab, made["id"], "start")["power_state"] == "powered_on"
    assert act(lab, made["id"], "restart", {"mode": "reset"})["power_state"] == "powered_on"
    boots = Service(made["ip_address"])
    assert "life" in boots.ask("hello")
    boots.close()
    remove(lab, made["id"])
    refused("not_found", made["id"], vm, lab, made["id"])
    assert not list((lab.dir / "ds/shared").rglob(f"{made['id']}/*"))


def test_two_of_one_name_at_one_moment(lab: Lab, tiny: dict[str, Any]) -> None:
    body = {"name": "twin", "template": tiny["id"]}
    outcomes: list[Any] = []

    def create() -> None:
        try:
            outcomes.append(lab.api().do("POST", "/vms", body))
        except ApiError as e:
            outcomes.append(e)

    lab.api()
    threads = [threading.Thread(target=create) for _ in range(5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    failed = [o for o in outcomes if isinstance(o, ApiError)]
    assert len(failed) == 4 and all(e.code == "exists" for e in failed), outcomes
    twins = [v for v in lab.all("vms") if v["name"] == "twin"]
    assert len(twins) == 1
    remove(lab, twins[0]["id"])


def test_deleting_while_starting_is_refused(lab: Lab) -> None:
    made = make(lab, "busy", power_on=False)
    task = lab.api().call("POST", f"/vms/{made['id']}/start", {})["task"]
    with pytest.raises(ApiError) as caught:
        lab.api().call("DELETE", f"/vms/{made['id']}")
    assert caught.value.code in ("busy", "bad_state"), caught.value
    lab.api().wait(task)
    remove(lab, made["id"])


def test_no_room_says_what_and_where(lab: Lab, tiny: dict[str, Any]) -> None:
    host = lab.all("hosts")[0]
    big = {"name": "big", "template": tiny["id"], "memory_mb": host["memory_total_mb"] * 2, "power_on": True}
    with pytest.raises(ApiError) as caught:
        lab.api().do("POST", "/vms", big)
    assert caught.value.code == "no_capacity"
    assert "memory" in caught.value.message and str(big["memory_mb"]) in caught.value.message
    with pytest.raises(ApiError) as caught:
        lab.api().do("POST", "/vms", {**big, "host": host["id"]})
    assert host["name"] in caught.value.message and "free" in caught.value.message
    assert not [v for v in lab.all("vms") if v["name"] == "big"], "what failed leaves nothing"


def test_a_killed_machine_is_seen_and_reported(lab: Lab) -> None:
    made = make(lab, "victim")
    pid = wait_for("its pid", lambda: vm(lab, made["id"])["pid"])
    os.kill(pid, signal.SIGKILL)
    begin = time.monotonic()
    wait_for("the server to know", lambda: vm(lab, made["id"])["power_state"] == "powered_off", 5)
    assert time.monotonic() - begin < 2
    assert "SIGKILL" in vm(lab, made["id"])["power_reason"]
    events = lab.api().get(f"/events?entity={made['id']}&limit=5")["items"]
    assert any(e["type"] == "VmDiedEvent" and "SIGKILL" in e["message"] for e in events)
    remove(lab, made["id"])


def agent_of(lab: Lab, host_id: str) -> str:
    name = lab.api().get(f"/hosts/{host_id}")["name"]
    return "agent-" + name.rsplit("-", 1)[1]


def test_an_agent_may_die_and_machines_do_not_notice(lab: Lab) -> None:
    made = make(lab, "unmoved")
    pid = wait_for("its pid", lambda: vm(lab, made["id"])["pid"])
    service = Service(made["ip_address"])
    before = int(service.ask("count").split()[-1])
    lab.kill(agent_of(lab, made["host"]))
    assert int(service.ask("count").split()[-1]) == before + 1
    wait_for("the host to be missed", lambda: lab.connected() == 2)
    lab.up()
    wait_for("the host to be back", lambda: lab.connected() == 3)
    assert alive(pid)
    assert wait_for("its pid", lambda: vm(lab, made["id"])["pid"]) == pid
    assert vm(lab, made["id"])["power_state"] == "powered_on"
    assert int(service.ask("count").split()[-1]) == before + 2, "the connection itself lived on"
    service.close()
    act(lab, made["id"], "stop", {"mode": "kill"})
    assert not alive(pid), "the new agent has it in hand"
    remove(lab, made["id"])


def test_an_agent_killed_while_a_machine_starts(lab: Lab) -> None:
    made = make(lab, "halfway", power_on=False)
    host = lab.all("hosts")[0]
    task = lab.api().call("POST", f"/vms/{made['id']}/start", {"host": host["id"]})["task"]
    lab.kill(agent_of(lab, host["id"]))
    lab.up()
    lab.api().wait(task)
    pid = wait_for("its pid", lambda: vm(lab, made["id"])["pid"])
    assert alive(pid)
    Service(made["ip_address"]).close()
    remove(lab, made["id"])


def test_ten_machines_and_a_killed_server(lab: Lab, tiny: dict[str, Any]) -> None:
    """Each client repeats its request under the same op id, as the shell does."""
    names = [f"ten-{i}" for i in range(10)]
    done: dict[str, str] = {}

    def create(api: Api, i: int) -> None:
        op = f"00000000-0000-4000-8000-{i:012d}"
        end = time.monotonic() + 120
        while time.monotonic() < end:
            try:
                answer = api.call(
                    "POST", "/vms", {"name": names[i], "template": tiny["id"], "power_on": True},
                    **{"X-Drover-Op": op},
                )
                api.wait(answer["task"])
                done[names[i]] = answer["task"]["id"]
                return
            except (OSError, ValueError, HTTPException):
                time.sleep(0.1)  # the server is away; the deadline above ends this
            except ApiError as e:
                if e.code != "unavailable":
                    done[names[i]] = str(e)
                    return

    threads = [threading.Thread(target=create, args=(lab.api(), i)) for i in range(10)]
    for t in threads:
        t.start()
    wait_for("some to be under way", lambda: len([v for v in lab.all("vms") if v["name"] in names]) >= 3)
    lab.kill("droverd")
    lab.up()
    for t in threads:
        t.join()
    mine = [v for v in lab.all("vms") if v["name"] in names]
    assert sorted(v["name"] for v in mine) == sorted(names), done
    assert {v["power_state"] for v in mine} == {"powered_on"}, done
    assert len({v["ip_address"] for v in mine}) == 10
    assert len({v["host"] for v in mine}) == 3, "spread over the hosts"
    for v in mine:
        Service(v["ip_address"]).close()
    for v in mine:
        remove(lab, v["id"])
