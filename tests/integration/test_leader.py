"""Two servers on one database: the leader dies, stops or freezes; what was under way is done once."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from http.client import HTTPException
from pathlib import Path
from typing import Any, Iterator, Optional

import pytest
from conftest import BUILD, Lab, alive, wait_for
from bench_fleet import Bench
from lab_client import Api, ApiError
from lab_faults import signal_all
from test_kill_matrix import processes

SERVERS = ["droverd", "droverd-2"]
DEPLOYED = 50
MOMENT_S = 3  # shorter than a leader's lease
FLEET, FLEET_GUESTS = 100, 12


class Pair(Lab):
    """A lab whose api() is the leader's."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, 2, 0, "qemu")
        self.servers = 2
        self.token: Optional[str] = None

    def at(self, name: str) -> Api:
        api = Api("127.0.0.1", self.port_of(name), str(self.dir / "ca/ca.pem"))
        api.token = self.token
        return api

    def seen(self, name: str) -> dict[str, Any]:
        """Who leads, by the word of this server; {} if it says nothing."""
        try:
            return self.at(name).get("/system/leader")
        except (OSError, HTTPException, ApiError, ValueError):
            return {}

    def leader(self) -> str:
        return wait_for("a leader", lambda: next((n for n in SERVERS if self.runs(n) and self.leads(n)), None))

    def runs(self, name: str) -> bool:
        pid = self.pid(name)
        return alive(pid) and Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T"

    def leads(self, name: str) -> bool:
        try:
            return self.at(name).raw("GET", "/healthz", None, {})[0] == 200
        except (OSError, HTTPException):
            return False

    def api(self) -> Api:
        api = self.at(self.leader())
        if self.token is None:
            api.login("admin", self.password)
            self.token = api.token
        return api

    def port_of(self, name: str) -> int:
        return int(self.setting("port")) + 2 * SERVERS.index(name)

    def shell(self, line: str, first: str, *others: str) -> "subprocess.Popen[str]":
        """The admin shell, which knows these servers."""
        book = self.dir / f"book-{len(others)}.json"
        saved = {"address": "localhost", "port": self.port_of(first), "ca": str(self.dir / "ca/ca.pem"), "token": self.token,
                 "others": [f"localhost:{self.port_of(o)}" for o in others]}
        book.touch(0o600)
        book.write_text(json.dumps({"default": "lab", "servers": {"lab": saved}}))
        return subprocess.Popen(
            [BUILD / "bin/drover", "-e", "-c", line], env={**os.environ, "DROVER_SERVERS": str(book)},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )

    def follows(self, name: str) -> bool:
        return self.seen(name).get("state") == "following"


@pytest.fixture(scope="module")
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    if os.geteuid() != 0:
        pytest.skip("labs need root")
    made = Pair(Path(tempfile.mkdtemp(prefix="drover-lab-")) / "lab")
    try:
        made.up()
        yield made
        if request.session.testsfailed:
            print(made.logs())
    finally:
        made.destroy()
        shutil.rmtree(made.dir.parent, ignore_errors=True)


def other(name: str) -> str:
    return SERVERS[1 - SERVERS.index(name)]


def settled(pair: Pair) -> bool:
    return all(t["state"] in ("success", "error") for t in pair.all("tasks"))


def deploy(api: Api, name: str, **more: Any) -> Any:
    template = next(t for t in api.get("/templates")["items"] if t["name"] == "tiny")
    return api.call("POST", "/vms", {"name": name, "template": template["id"], **more})


def writes(pair: Pair, name: str, label: str) -> bool:
    try:
        pair.at(name).call("POST", "/datacenters", {"name": label})
    except (OSError, HTTPException, ApiError):
        return False
    return True


def test_agents_that_were_told_of_one_server_know_all(pair: Pair) -> None:
    """What follows has them find the second, of which their settings say nothing."""

    def known() -> list[str]:
        items = pair.api().get("/system/servers")["items"]
        return [i["agents_address"] for i in items] if [i["leads"] for i in items].count(True) == 1 else []

    def kept(host: int) -> list[str]:
        listed = pair.dir / f"hosts/{host}/state/servers"
        return listed.read_text().split() if listed.exists() else []

    wait_for("both to be there", lambda: len(known()) == len(SERVERS))
    for host in range(1, pair.hosts + 1):
        assert "," not in (pair.dir / f"etc/agent-{host}.conf").read_text().split("[server]")[1].split("\n")[1]
        wait_for("agents to be told", lambda: kept(host) == known())


def test_leader_is_killed_in_the_midst_of_work(pair: Pair) -> None:
    first = pair.leader()
    wait_for("the other to follow", lambda: pair.follows(other(first)))
    epoch = pair.seen(first)["epoch"]
    made = pair.api().do("POST", "/vms", {"name": "moved", "template": pair.find("templates", "tiny")["id"]})
    vm = pair.find("vms", "moved")
    pair.api().do("POST", f"/vms/{vm['id']}/start", {})
    vm = pair.find("vms", "moved")
    there = next(h["id"] for h in pair.all("hosts") if h["id"] != vm["host"])
    assert made["entity"] == vm["id"] and len(processes(pair, vm["id"])) == 1

    move = pair.api().call("POST", f"/vms/{vm['id']}/migrate", {"host": there})
    for i in range(DEPLOYED):
        deploy(pair.api(), f"web-{i}")
    second = other(first)
    asked = pair.shell("(Get-VM moved).Name", second)
    assert asked.communicate(timeout=60)[0] == "moved\n"
    pair.kill(first)
    begun = time.monotonic()
    waiting = pair.shell("New-Datacenter by-shell | % Name", first, second)
    wait_for("a write to be taken", lambda: writes(pair, second, "after"), 30)
    taken = time.monotonic() - begun
    wait_for("the hosts", lambda: pair.linked() == pair.hosts)
    print(f"failover: a write after {taken:.1f} s, all hosts after {time.monotonic() - begun:.1f} s")

    assert pair.seen(second)["epoch"] == epoch + 1
    said = waiting.communicate(timeout=60)[0]
    assert said.endswith("by-shell\n") and "this server stands by" in said, said
    wait_for("the work to be done", lambda: settled(pair), 240)
    deployed = [v for v in pair.all("vms") if v["name"].startswith("web-")]
    assert sorted(v["name"] for v in deployed) == sorted(f"web-{i}" for i in range(DEPLOYED))
    for v in deployed:
        assert len(list((pair.dir / "ds").rglob(v["id"]))) == 1
    assert all(t["state"] == "success" for t in pair.all("tasks") if t["op"] == "vm.create")
    task = pair.api().get(f"/tasks/{move['task']['id']}")
    vm = pair.find("vms", "moved")
    assert vm["power_state"] == "powered_on" and (vm["host"] == there) == (task["state"] == "success")
    wait_for("one copy", lambda: len(processes(pair, vm["id"])) == 1)
    pair.start(first)
    wait_for("the first to follow", lambda: pair.follows(first))


def test_frozen_leader_finds_itself_replaced(pair: Pair) -> None:
    first = pair.leader()
    second, pid = other(first), pair.pid(first)
    epoch = pair.seen(first)["epoch"]
    wait_for("the other to follow", lambda: pair.follows(second))
    late = pair.at(first)
    late.get("/system")  # connected: what follows waits in the frozen server's socket
    os.kill(pid, signal.SIGSTOP)
    answers: list[str] = []

    def ask() -> None:
        try:
            answers.append(str(late.call("POST", "/datacenters", {"name": "by the frozen"})))
        except (OSError, HTTPException, ApiError) as e:
            answers.append(f"refused: {e}")

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        wait_for("the other to lead", lambda: pair.leads(second))
        wait_for("the hosts", lambda: pair.linked() == pair.hosts)
        deploy(pair.at(second), "while-frozen")
        wait_for("the work to be done", lambda: settled(pair), 60)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for("the frozen one to follow", lambda: pair.follows(first))
    asking.join(60)
    assert answers and answers[0].startswith("refused")
    assert f"epoch {epoch} is over" in (pair.dir / f"log/{first}.log").read_text()
    assert pair.pid(first) == pid and pair.seen(first)["epoch"] == pair.seen(second)["epoch"] == epoch + 1
    assert not [d for d in pair.all("datacenters") if d["name"] == "by the frozen"]
    assert len([v for v in pair.all("vms") if v["name"] == "while-frozen"]) == 1
    assert pair.linked() == pair.hosts


def datacenters(pair: Pair) -> list[str]:
    return [d["name"] for d in pair.all("datacenters")]


def test_leader_that_was_frozen_for_a_moment(pair: Pair) -> None:
    """It leads on, or finds itself replaced if the machine was busy; in neither case do two lead."""
    first = pair.leader()
    second = other(first)
    wait_for("the other to follow", lambda: pair.follows(second))
    epoch = pair.seen(first)["epoch"]
    os.kill(pair.pid(first), signal.SIGSTOP)
    began = time.monotonic()
    try:
        wait_for("a moment to pass", lambda: time.monotonic() - began > MOMENT_S)
    finally:
        os.kill(pair.pid(first), signal.SIGCONT)
    wait_for("one of them to take a write", lambda: any(writes(pair, n, "after a moment") for n in SERVERS))
    wait_for("one to lead and one to follow", lambda: sorted(pair.seen(n).get("state", "") for n in SERVERS) == ["following", "leading"])
    now = pair.seen(pair.leader())["epoch"]
    print(f"frozen for {MOMENT_S} s: the leader's epoch is {'the same' if now == epoch else 'another'}")
    assert now == epoch if pair.leader() == first else now == epoch + 1
    assert datacenters(pair).count("after a moment") == 1
    wait_for("the hosts", lambda: pair.linked() == pair.hosts)


def postgres(pair: Pair) -> set[int]:
    """Its first process and those that it has started."""
    first = pair.pid("postgres")
    return {first} | {int(pid) for pid in Path(f"/proc/{first}/task/{first}/children").read_text().split()}


def test_a_frozen_database_is_waited_for(pair: Pair) -> None:
    running = processes(pair, pair.find("vms", "moved")["id"])
    assert len(running) == 1 and writes(pair, pair.leader(), "before the frost")
    frozen = postgres(pair)
    signal_all(frozen, signal.SIGSTOP)
    began = time.monotonic()
    try:
        wait_for("a write to be refused", lambda: not any(writes(pair, n, f"in the frost {time.monotonic()}") for n in SERVERS))
        wait_for("the lease of the leader to be over", lambda: time.monotonic() - began > 2 * MOMENT_S)
    finally:
        signal_all(frozen, signal.SIGCONT)
    wait_for("a write to be taken", lambda: any(writes(pair, n, "after the frost") for n in SERVERS))
    print(f"frozen for {time.monotonic() - began:.1f} s, until the first write after it")
    wait_for("the hosts", lambda: pair.linked() == pair.hosts)
    names = datacenters(pair)
    assert "before the frost" in names and names.count("after the frost") == 1
    assert processes(pair, pair.find("vms", "moved")["id"]) == running


def test_machines_do_not_miss_the_servers(pair: Pair) -> None:
    vm = pair.find("vms", "moved")
    running = processes(pair, vm["id"])
    for name in SERVERS:
        pair.kill(name)
    began = time.monotonic()
    wait_for("longer than any lease", lambda: time.monotonic() - began > 2 * MOMENT_S)
    for name in SERVERS:
        pair.start(name)
    wait_for("the hosts", lambda: pair.linked() == pair.hosts, 60)
    assert processes(pair, vm["id"]) == running and len(running) == 1
    assert pair.find("vms", "moved")["power_state"] == "powered_on"


def test_leader_that_stops_hands_over(pair: Pair) -> None:
    first = pair.leader()
    second = other(first)
    wait_for("the other to follow", lambda: pair.follows(second))
    os.kill(pair.pid(first), signal.SIGTERM)
    begun = time.monotonic()
    wait_for("a write to be taken", lambda: writes(pair, second, "handed over"))
    print(f"hand-over: a write after {time.monotonic() - begun:.1f} s")
    assert "was given up" in (pair.dir / f"log/{second}.log").read_text()


def test_a_fleet_comes_back_and_nothing_is_lost(pair: Pair) -> None:
    """Hosts with real links and invented guests, many at once: docs/ha.md tells of the measurement with 2,000."""
    for name in SERVERS:
        if not pair.runs(name):
            pair.start(name)
    wait_for("the other to follow", lambda: pair.follows(other(pair.leader())))
    bench = Bench(pair.dir, FLEET, FLEET_GUESTS)
    try:
        bench.prepare()
        bench.cut()
        assert bench.fail_over() < FLEET, "the one that follows has their links already"
        bench.restart()
        bench.settle()
        assert bench.losses() == []
    finally:
        bench.close()
