"""Faults at random, under watch that no guest ever runs twice; at the end each runs once, where the inventory has it.

DROVER_CHAOS_SEED makes the faults of an earlier run again, DROVER_CHAOS_SECONDS makes more of them."""
import os
import random
import re
import shutil
import signal
import tempfile
import time
from http.client import HTTPException
from pathlib import Path
from typing import Callable, Iterator, NamedTuple

import pytest
from conftest import wait_for
from lab_client import ApiError
from lab_faults import ALL, BOTH, IN, OUT, WRITES, Hosts, LockWitness, Witness, alive, signal_all
from test_leader import SERVERS, Pair

HOSTS = 4
MACHINES, CONTAINERS = 4, 4
SECONDS = float(os.environ.get("DROVER_CHAOS_SECONDS", "60"))
SEED = int(os.environ.get("DROVER_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
# One at a time would let each heal alone; where half of the hosts are away nothing can be shown.
LANES = 2
BETWEEN_S = (0.5, 4.0)
JOIN_S, START_S, SETTLE_S = 120, 180, 300
BAD_WORDS = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|assertion|ASSERT")


class Fault(NamedTuple):
    """What is done to which host or guest, for how long, and how what is cut is cut."""

    at_s: float
    what: str
    host: int
    guest: int
    for_s: float
    way: str

    @property
    def way_counts(self) -> bool:
        return self.what.endswith("cut off")


# What there is, how often, and how long it lasts.
KINDS: dict[str, tuple[int, tuple[float, float]]] = {
    "host dies": (3, (3, 20)),
    "host freezes": (2, (4, 16)),
    "agent dies": (3, (0.2, 14)),
    "agent freezes": (2, (2, 14)),
    "server dies": (2, (0.5, 8)),
    "server freezes": (1, (2, 8)),
    "server is cut off": (3, (2, 18)),
    "storage is cut off": (2, (2, 16)),
    "guest dies": (3, (0, 1)),
}


def draw(seed: int, seconds: float) -> list[Fault]:
    """Each lane has hosts of its own: no two faults at once on one host, any two on others."""
    dice = random.Random(seed)
    drawn: list[Fault] = []
    for lane in range(LANES):
        at = dice.uniform(*BETWEEN_S)
        while at < seconds:
            what = dice.choices(list(KINDS), [often for often, _ in KINDS.values()])[0]
            for_s = dice.uniform(*KINDS[what][1])
            host = dice.randrange(lane, HOSTS, LANES) + 1
            way = dice.choice([WRITES, ALL] if what.startswith("storage") else [IN, OUT, BOTH])
            drawn.append(Fault(at, what, host, dice.randrange(MACHINES + CONTAINERS), for_s, way))
            at += for_s + dice.uniform(*BETWEEN_S)
    return sorted(drawn)


class Chaos:
    """Carries the faults out and heals them."""

    def __init__(self, pair: Pair, hosts: Hosts, guests: list[str]) -> None:
        self.pair, self.hosts, self.guests = pair, hosts, guests

    def begin(self, f: Fault) -> Callable[[], None]:
        """Do it; what heals it."""
        return getattr(self, "begin_" + f.what.replace(" ", "_"))(f)

    def words_of(self, f: Fault) -> str:
        if f.what == "guest dies":
            return f"{f.what}: {self.guests[f.guest]}"
        if f.what.startswith("server") and not f.way_counts:
            return f"{f.what}: {self.server(f)}"
        return f"{f.what}{f' ({f.way})' if f.way_counts else ''}: host {f.host}"

    def agent(self, f: Fault) -> int:
        return self.pair.pid(f"agent-{f.host}")

    def thaw(self, pids: set[int]) -> Callable[[], None]:
        return lambda: signal_all({p for p in pids if alive(p)}, signal.SIGCONT)

    def begin_host_dies(self, f: Fault) -> Callable[[], None]:
        self.hosts.kill(f.host)
        return lambda: self.hosts.start(f.host)

    def begin_host_freezes(self, f: Fault) -> Callable[[], None]:
        return self.thaw(self.hosts.stop(f.host))

    def begin_agent_dies(self, f: Fault) -> Callable[[], None]:
        self.pair.kill(f"agent-{f.host}")
        return lambda: self.hosts.start(f.host)

    def begin_agent_freezes(self, f: Fault) -> Callable[[], None]:
        signal_all({self.agent(f)}, signal.SIGSTOP)
        return self.thaw({self.agent(f)})

    def server(self, f: Fault) -> str:
        """Lanes meet here: one server is the first lane's, one the second's."""
        return SERVERS[f.host % LANES]

    def begin_server_dies(self, f: Fault) -> Callable[[], None]:
        name = self.server(f)
        self.pair.kill(name)
        return lambda: self.pair.start(name)

    def begin_server_freezes(self, f: Fault) -> Callable[[], None]:
        pid = self.pair.pid(self.server(f))
        signal_all({pid}, signal.SIGSTOP)
        return self.thaw({pid})

    def begin_server_is_cut_off(self, f: Fault) -> Callable[[], None]:
        self.hosts.cut_server(f.host, f.way)
        return lambda: self.hosts.mend_server(f.host)

    def begin_storage_is_cut_off(self, f: Fault) -> Callable[[], None]:
        self.hosts.cut_store(f.host, f.way)
        return lambda: self.hosts.mend_store(f.host)

    def begin_guest_dies(self, f: Fault) -> Callable[[], None]:
        guest = self.guests[f.guest]
        for host in self.hosts.hosts_of(guest):
            signal_all(self.hosts.pids_of(host, guest), signal.SIGKILL)
        return lambda: None

    def run(self, faults: list[Fault]) -> None:
        began = time.monotonic()
        todo = list(faults)
        heal: list[tuple[float, Callable[[], None]]] = []
        while todo or heal:
            now = time.monotonic() - began
            for one in [h for h in heal if h[0] <= now]:
                heal.remove(one)
                one[1]()
            if todo and todo[0].at_s <= now:
                f = todo.pop(0)
                print(f"{now:6.1f} s  {self.words_of(f)}, for {f.for_s:.1f} s")
                heal.append((f.at_s + f.for_s, self.begin(f)))
            time.sleep(0.02)  # until the next is due


@pytest.fixture(scope="module")
def chaos(request: pytest.FixtureRequest) -> Iterator[tuple[Pair, Hosts, LockWitness]]:
    """Two servers, hosts with HA whose machines start under a lock of their own."""
    if os.geteuid() != 0:
        pytest.skip("labs need root")
    made = Pair(Path(tempfile.mkdtemp(prefix="drover-lab-")) / "lab")
    made.hosts = HOSTS
    try:
        made.up()
        locks = LockWitness(made.dir, made.setting_of("lab_run_dir"))
        for number in range(1, HOSTS + 1):
            locks.install(made.dir / f"etc/agent-{number}.conf")
            made.kill(f"agent-{number}")
            made.start(f"agent-{number}")
        wait_for("the hosts", lambda: made.linked() == HOSTS, JOIN_S)
        yield made, Hosts(made.dir), locks
        if request.session.testsfailed:
            print(made.logs())
    finally:
        made.destroy()
        shutil.rmtree(made.dir.parent, ignore_errors=True)


def protect(pair: Pair) -> None:
    cluster = pair.all("clusters")[0]["id"]
    pair.api().call("PATCH", f"/clusters/{cluster}", {"ha_enabled": True, "ha_admission": "off"})
    wait_for("the hosts to join", lambda: all(h["ha_state"] == "up" for h in pair.all("hosts")), JOIN_S)


def make_guests(pair: Pair) -> list[str]:
    """Machines, and containers where the hosts run any; all run and are protected."""
    kinds = [("tiny", MACHINES)]
    if any(t["name"] == "busybox" for t in pair.all("templates")):
        kinds.append(("busybox", CONTAINERS))
    started = [
        pair.api().call("POST", "/vms", {
            "name": f"{template}-{i}", "template": pair.find("templates", template)["id"], "power_on": True,
            "host": pair.find("hosts", f"host-{i % HOSTS + 1}")["id"],
        })
        for template, count in kinds for i in range(count)
    ]
    for one in started:
        pair.api().wait(one["task"], START_S)
    ids = [one["object"] for one in started]
    wait_for("all to be protected", lambda: all(v["ha_protected"] for v in pair.all("vms")), JOIN_S)
    return ids * (1 if len(kinds) > 1 else 2)


def one_each(pair: Pair, hosts: Hosts, guests: list[str]) -> list[str]:
    """What is not yet as it should be."""
    try:
        rows = {v["id"]: v for v in pair.all("vms")}
        at = {h["id"]: int(h["name"].rsplit("-", 1)[1]) for h in pair.all("hosts")}
        states = [f"{h['name']} is {h['ha_state']}" for h in pair.all("hosts") if h["ha_state"] != "up"]
    except (OSError, HTTPException, ApiError, ValueError) as e:
        return [f"the server: {e}"]
    bad = states
    for guest in sorted(set(guests)):
        row, on = rows[guest], hosts.hosts_of(guest)
        if row["power_state"] != "powered_on" or not row["ha_protected"] or on != [at[row["host"]]]:
            bad.append(f"{guest} is {row['power_state']} on {at.get(row['host'])}, runs on {on}: {row['power_reason']}")
    return bad


def test_no_fault_makes_two_of_one(chaos: tuple[Pair, Hosts, LockWitness]) -> None:
    pair, hosts, locks = chaos
    protect(pair)
    guests = make_guests(pair)
    print(f"\nDROVER_CHAOS_SEED={SEED} DROVER_CHAOS_SECONDS={SECONDS:g}")
    faults = draw(SEED, SECONDS)
    with Witness(hosts) as witness:
        Chaos(pair, hosts, guests).run(faults)
        began = time.monotonic()
        while (left := one_each(pair, hosts, guests)) and time.monotonic() - began < SETTLE_S:
            witness.check()
            locks.check()
            time.sleep(0.2)  # between looks
        print("\n".join(left) or f"all well {time.monotonic() - began:.1f} s after the last was healed")
        print(f"{len(faults)} faults, {witness.looks} looks, {len(locks.starts())} starts of machines")
    witness.check()
    locks.check()
    assert not left, left
    said = {p.name: BAD_WORDS.findall(p.read_text(errors="replace")) for p in (pair.dir / "log").glob("*.log")}
    assert not any(said.values()), said


def test_the_same_seed_draws_the_same() -> None:
    assert draw(7, 300) == draw(7, 300) != draw(8, 300)
    kinds = {f.what for f in draw(7, 600)}
    assert kinds == set(KINDS)
