"""PostgreSQL goes away for half a minute under load, and comes back."""
import subprocess
import threading
import time

from conftest import ROOT, Lab, wait_for
from lab_client import ApiError


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
