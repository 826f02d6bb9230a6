"""Resource pools bind: on a host and over two, for machines and containers, while guests run.

Bounds are wider than what bench_pools.py measures, and none asks for more CPU time than a busy machine has to give."""
import os
import sys
from pathlib import Path
from typing import Iterator

import pytest
from conftest import ROOT, Lab, refused, wait_for
from test_guests import agent_of, vm

sys.path.insert(0, str(ROOT / "bench"))
import bench_memory  # noqa: E402
import bench_pools  # noqa: E402
from bench_pools import CGROUPS, Stage, group_of, groups, text_of  # noqa: E402

SECONDS = 8.0
ACTS = 2.0  # seconds within which a changed setting acts


@pytest.fixture(scope="module", autouse=True)
def able(lab: Lab) -> None:
    if not any(e["name"] == "oci" and e["usable"] for h in lab.all("hosts") for e in h["engines"]):
        pytest.skip("no host of this machine can run containers")
    if not (CGROUPS / "cpuacct").is_dir():
        pytest.skip("this machine has no control groups v1 to count with")


@pytest.fixture
def stage(lab: Lab) -> Iterator[Stage]:
    with Stage(lab.api()) as s:
        yield s


def inside(lab: Lab, vm_id: str, path: str) -> None:
    wait_for(f"{vm_id} to be in {path}", lambda: group_of(lab.dir, vm_id) == Path(path), ACTS)


def in_group(lab: Lab, path: str, file: str) -> str:
    return next(filter(None, (text_of(base / path / file) for base in groups(lab.dir, "cpu"))), "")


def quota(lab: Lab, path: str) -> int:
    """CPU time in 100 ms, in us; 0: no such group."""
    return int(in_group(lab, path, "cpu.cfs_quota_us") or 0)


def weight(lab: Lab, path: str) -> int:
    return int(in_group(lab, path, "cpu.shares") or 0)


def test_time_goes_by_shares(lab: Lab) -> None:
    got = bench_pools.shares(lab.api(), lab.dir, SECONDS)
    assert all(abs(is_ - wanted) < 5 for is_, wanted in zip(got, (50, 25, 25))), got


def test_a_limit_holds_for_machines_and_containers_together(lab: Lab) -> None:
    got = bench_pools.limit(lab.api(), lab.dir, 0.5, spread=False, seconds=SECONDS)
    assert 0.05 < got < 0.5 * 1.05, got


def test_a_limit_holds_over_two_hosts(lab: Lab) -> None:
    got = bench_pools.limit(lab.api(), lab.dir, 0.3, spread=True, seconds=SECONDS)
    assert 0.05 < got < 0.3 * 1.05, got


def test_a_reservation_holds_among_the_greedy(lab: Lab) -> None:
    got = bench_pools.reservation(lab.api(), lab.dir, greedy=5, seconds=SECONDS)
    assert got > 85, f"{got} percent of what was reserved"


def test_settings_act_while_guests_run(lab: Lab, stage: Stage) -> None:
    outer = stage.pool("outer", cpu_limit_mhz=stage.cpus(0.5))
    inner = stage.pool("inner", parent=outer)
    guest = stage.burner("moved", inner)
    api = lab.api()
    pid = wait_for("its pid", lambda: vm(lab, guest)["pid"])
    inside(lab, guest, f"{outer}/{inner}/{guest}")
    api.call("PATCH", f"/pools/{outer}", {"cpu_limit_mhz": stage.cpus(0.2)})
    wait_for("the limit", lambda: abs(quota(lab, outer) - 20000) < 200, ACTS)
    api.do("PATCH", f"/vms/{guest}", {"cpu_shares": 3333, "cpu_limit_mhz": stage.cpus(0.1)})
    path = f"{outer}/{inner}/{guest}"
    wait_for("its own", lambda: weight(lab, path) == 3333 and abs(quota(lab, path) - 10000) < 100, ACTS)

    api.call("PATCH", f"/pools/{inner}", {"parent": stage.cluster})
    inside(lab, guest, f"{inner}/{guest}")
    api.do("PATCH", f"/vms/{guest}", {"pool": outer})
    inside(lab, guest, f"{outer}/{guest}")
    root = next(p["id"] for p in lab.all("pools") if p["is_root"])
    api.do("PATCH", f"/vms/{guest}", {"pool": root})
    inside(lab, guest, guest)
    wait_for("empty groups to go", lambda: not quota(lab, outer) and not quota(lab, inner), ACTS)
    assert vm(lab, guest)["pid"] == pid, "it ran on through all of this"


def test_an_agent_that_was_killed_finds_guests_in_their_pools(lab: Lab, stage: Stage) -> None:
    pool = stage.pool("kept", cpu_limit_mhz=stage.cpus(0.2))
    guest = stage.burner("kept", pool)
    inside(lab, guest, f"{pool}/{guest}")
    lab.restart_agent(agent_of(lab, vm(lab, guest)["host"]))
    assert group_of(lab.dir, guest) == Path(pool, guest)
    lab.api().call("PATCH", f"/pools/{pool}", {"cpu_limit_mhz": stage.cpus(0.1)})
    wait_for("the limit", lambda: abs(quota(lab, pool) - 10000) < 100, 2 * ACTS)


def test_what_is_run_inside_counts_too(lab: Lab, stage: Stage) -> None:
    pool = stage.pool("visited", cpu_limit_mhz=stage.cpus(0.2))
    guest = stage.burner("visited", pool)
    api = lab.api()
    body = {"args": ["/bin/sh", "-c", "(while :; do :; done) >/dev/null 2>&1 & echo $!"], "timeout_s": 20}
    api.call("POST", f"/vms/{guest}/exec", body)

    def gathered() -> bool:
        beside = [Path(folder) for b in groups(lab.dir, "cpu") for folder, _, _ in os.walk(b / guest)]
        return not any(text_of(folder / "cgroup.procs") for folder in beside)

    wait_for("it to be gathered", gathered)


def test_a_limit_of_memory_holds_for_machines_and_containers_together(lab: Lab) -> None:
    _, _, held = bench_memory.limit(lab.api(), lab.dir, most=260)
    assert 200 < held <= 260, held


def test_a_machine_that_keeps_its_memory_is_told_of_and_bounded(lab: Lab, stage: Stage) -> None:
    # What tiny starts with is in use: it cannot come down to a third.
    guest = stage.machine("keeps", stage.pool("squeezed", mem_limit_mb=64))
    told = wait_for("the event", lambda: [e for e in lab.all("events", f"&entity={guest}")
                                          if e["type"] == "VmResourceRefusedEvent"], 90)
    assert "its balloon does not follow; its control group holds it" in told[0]["message"]
    wait_for("its group to be bounded", lambda: 0 < bench_memory.bound(lab.dir, guest) < 4096, ACTS)
    assert vm(lab, guest)["power_state"] == "powered_on"


def test_refusals_name_the_pool(lab: Lab, stage: Stage) -> None:
    fixed = stage.pool("fixed", cpu_reservation_mhz=200, cpu_expandable=False)
    guest = stage.burner("asks", fixed, cpu_reservation_mhz=150)
    refused("no_capacity", 'pool "fixed" lacks 50 MHz of CPU', lab.api().do, "PATCH", f"/vms/{guest}",
            {"cpu_reservation_mhz": 250})
