"""PostgreSQL goes away for half a minute under load, and comes back; or comes back as it was earlier."""
import signal
import subprocess
import threading
import time
from typing import Any

from conftest import ROOT, Lab, wait_for
from lab_client import ApiError
from test_guests import act, make, vm
from test_kill_matrix import processes


def pg(lab: Lab, verb: str) -> None:
    subprocess.run([str(ROOT / "deploy/lab-pg.sh"), verb, str(lab.dir)], check=True, capture_output=True, timeout=120)


def test_nothing_acknowledged_is_lost(lab: Lab) -> None:
    parent = lab.all("datacenters")[0]["id"]
    acknowledged: list[str] = []
    answers: list[tuple[float, str]] = []
    stop = threading.Event()

    def write(worker: int) -> None:
        api, n = lab.api(), 0
        while not stop.is_set():
            n += 1
            name = f"load-{worker}-{n}"
            begin = time.monotonic()
            try:
                api.call("POST", "/folders", {"name": name, "parent": parent})
                acknowledged.append(name)
                answers.append((time.monotonic() - begin, "ok"))
            except ApiError as e:
                answers.append((time.monotonic() - begin, e.code))
                stop.wait(0.1)

    writers = [threading.Thread(target=write, args=(i,)) for i in range(3)]
    for w in writers:
        w.start()
    try:
        wait_for("some writes", lambda: len(acknowledged) > 20)
        pg(lab, "stop")
        away = time.monotonic()
        wait_for("a write to be refused", lambda: any(code == "unavailable" for _, code in answers), 20)
        assert lab.api().get("/vms?limit=1"), "reading goes on"
        assert "unavailable" in lab.api().get("/system")["database"]
        wait_for("half a minute to pass", lambda: time.monotonic() - away > 30, 40)
        pg(lab, "start")
        before = len(acknowledged)
        wait_for("writing to go on by itself", lambda: len(acknowledged) > before + 20, 30)
    finally:
        stop.set()
        for w in writers:
            w.join()
        subprocess.run([str(ROOT / "deploy/lab-pg.sh"), "start", str(lab.dir)], capture_output=True)
    assert {code for _, code in answers} <= {"ok", "unavailable"}
    assert max(t for t, _ in answers) < 15, "a write is answered within its deadline"
    kept = {f["name"] for f in lab.all("folders", "&q=load-*")}
    offset = 1000
    while len(more := lab.api().get(f"/folders?q=load-*&limit=1000&offset={offset}")["items"]) > 0:
        kept |= {f["name"] for f in more}
        offset += 1000
    assert set(acknowledged) <= kept
    assert lab.connected() == 3, "the hosts stayed connected throughout"


def test_a_task_waits_for_the_database(lab: Lab) -> None:
    tiny = lab.find("templates", "tiny")
    started = lab.api().call("POST", "/vms", {"name": "patient", "template": tiny["id"], "power_on": True})
    pg(lab, "stop")
    pg(lab, "start")
    lab.api().wait(started["task"])
    vm = lab.api().get(f"/vms/{started['object']}")
    assert vm["power_state"] == "powered_on"
    lab.api().do("POST", f"/vms/{vm['id']}/stop", {"mode": "kill"})
    lab.api().do("DELETE", f"/vms/{vm['id']}")


def client(lab: Lab, program: str, *words: str) -> None:
    """One of PostgreSQL's, at the lab's."""
    subprocess.run(
        [program, "-h", str(lab.dir / "pg/socket"), "-U", "drover", *words], check=True, capture_output=True, timeout=120
    )


def restore(lab: Lab, backup: str) -> None:
    """As docs/operations.md says."""
    run = lab.setting_of("lab_run_dir")
    lab.kill("droverd", signal.SIGTERM)
    client(lab, "dropdb", "drover")
    client(lab, "createdb", "drover")
    client(lab, "pg_restore", "-d", "drover", backup)
    subprocess.run(
        [str(ROOT / "deploy/lab-run.sh"), "exec", str(lab.dir), "--user", "drover", "--",
         f"{run}/bin/droverd", "--config", f"{run}/etc/droverd.conf", "--restored"],
        check=True, capture_output=True, timeout=60,
    )
    lab.start("droverd")
    lab.wait_healthy()


def told(lab: Lab, kind: str, name: str) -> bool:
    return any(e["type"] == kind and name in e["message"] for e in lab.all("events"))


def test_an_older_backup_while_machines_run(lab: Lab) -> None:
    """Nobody is touched; what the backup does not know is named, and what is ordered next is above all that hosts have seen."""
    stays, moves = (make(lab, name) for name in ("stays", "moves"))
    epoch = lab.api().get("/system/leader")["epoch"]
    backup = str(lab.dir / "backup")
    client(lab, "pg_dump", "-Fc", "-f", backup, "drover")
    there = next(h["id"] for h in lab.all("hosts") if h["id"] != moves["host"])
    lab.api().do("POST", f"/vms/{moves['id']}/migrate", {"host": there})
    moves, late = vm(lab, moves["id"]), make(lab, "late")
    ours: list[dict[str, Any]] = [stays, moves, late]
    before = [processes(lab, m["id"]) for m in ours]
    assert all(len(p) == 1 for p in before)

    restore(lab, backup)
    wait_for("the hosts", lambda: lab.linked() == lab.hosts, 60)
    wait_for("the one that is not in it to be named", lambda: told(lab, "VmUnknownOnHostEvent", late["id"]), 60)
    assert [processes(lab, m["id"]) for m in ours] == before
    assert lab.api().get("/system/leader")["epoch"] > epoch + 1000000
    now = vm(lab, stays["id"])
    assert (now["power_state"], now["host"]) == ("powered_on", stays["host"])
    made = make(lab, "after")
    assert int(made["id"].split("-")[1]) > 1000000
    # The agent obeys: the generation is above the one that it has seen.
    act(lab, stays["id"], "stop", {"mode": "kill"})
    assert act(lab, stays["id"], "start")["run_gen"] > 1000000
    assert [processes(lab, m["id"]) for m in (moves, late)] == before[1:]
