"""Two servers on a PostgreSQL with a standby, under Patroni: the primary dies, and nothing that was acknowledged is lost."""
import os
import shutil
import subprocess
import tempfile
import threading
import time
from http.client import HTTPException
from pathlib import Path
from typing import Iterator

import pytest
from conftest import ROOT, wait_for
from lab_client import ApiError
from test_leader import SERVERS, Pair

FAILOVER_S = 60  # Patroni gives a primary 20 s
WRITERS = 2


class Replicated(Pair):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.engine, self.database = "sim", "patroni"

    def patroni(self, verb: str) -> str:
        words = [str(ROOT / "deploy/ha/lab-patroni.sh"), verb, str(self.dir)]
        return subprocess.run(words, check=True, capture_output=True, text=True, timeout=120).stdout


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest) -> Iterator[Replicated]:
    if os.geteuid() != 0:
        pytest.skip("labs need root")
    if not shutil.which("patroni") or not shutil.which("etcd"):
        pytest.skip("the packages patroni and etcd-server are not installed")
    made = Replicated(Path(tempfile.mkdtemp(prefix="drover-lab-")) / "lab")
    try:
        made.up()
        yield made
        if request.session.testsfailed:
            print(made.logs())
    finally:
        made.destroy()
        shutil.rmtree(made.dir.parent, ignore_errors=True)


class Writer(threading.Thread):
    """Makes datacenters, one after the other, on whichever server takes them."""

    def __init__(self, lab: Replicated, number: int) -> None:
        super().__init__(daemon=True)
        self.lab, self.number, self.over = lab, number, threading.Event()
        self.taken: list[tuple[float, str]] = []
        self.refused = 0

    def run(self) -> None:
        apis = [self.lab.at(name) for name in SERVERS]
        for i in range(100000):
            name = f"w{self.number}-{i}"
            for api in apis:
                try:
                    api.call("POST", "/datacenters", {"name": name})
                    self.taken.append((time.monotonic(), name))
                    break
                except (OSError, HTTPException, ApiError):
                    self.refused += 1
            if self.over.wait(0.05):
                return


def names(lab: Replicated) -> set[str]:
    found: set[str] = set()
    while page := lab.api().get(f"/datacenters?limit=1000&offset={len(found)}")["items"]:
        found |= {d["name"] for d in page}
    return found


def test_a_primary_dies_under_load(lab: Replicated) -> None:
    first = lab.leader()
    lab.api()
    epoch = lab.seen(first)["epoch"]
    writers = [Writer(lab, i) for i in range(WRITERS)]
    for w in writers:
        w.start()
    wait_for("writes", lambda: all(len(w.taken) > 20 for w in writers))
    lost = lab.patroni("kill").strip()
    killed = time.monotonic()
    wait_for("writes to be refused", lambda: all(w.refused for w in writers), FAILOVER_S)
    before = [len(w.taken) for w in writers]
    wait_for("writes to go on", lambda: all(len(w.taken) > n + 20 for n, w in zip(before, writers)), FAILOVER_S)
    first_after = min(at for w in writers for at, _ in w.taken if at > killed + 2)
    for w in writers:
        w.over.set()
        w.join(30)
    taken = {name for w in writers for _, name in w.taken}
    print(f"{lost} killed: the first write after {first_after - killed:.1f} s; {len(taken)} acknowledged, {len(taken - names(lab))} lost")
    assert taken <= names(lab)
    assert lab.linked() == lab.hosts
    assert lab.seen(lab.leader())["epoch"] - epoch <= 1
    assert not any("ERROR" in line or "runtime error" in line for n in SERVERS for line in (lab.dir / f"log/{n}.log").read_text().splitlines())


def test_it_comes_back_as_the_standby(lab: Replicated) -> None:
    """Commits wait for it again; nothing has to be done by hand."""
    lab.patroni("start")
    states = sorted(line.split()[-1] for line in lab.patroni("status").splitlines())
    assert states == ["primary", "standby"]
    lab.api().call("POST", "/datacenters", {"name": "in order again"})
    assert "in order again" in names(lab)
