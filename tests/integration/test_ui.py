"""The pages in a real browser; the journeys themselves are in tests/ui."""
import os
import shutil
import subprocess

import pytest
from conftest import BUILD, ROOT, Lab
from test_guests import make


def browse(lab: Lab, journey: str, **more: str) -> None:
    node = shutil.which("node")
    if not node or not os.path.exists("/usr/bin/chromium"):
        pytest.skip("node or chromium is not here")
    ran = subprocess.run(
        [node, "--test", str(ROOT / "tests/ui" / journey)],
        env={
            **os.environ,
            "DROVER_URL": f"https://127.0.0.1:{lab.port}",
            "DROVER_USER": "admin",
            "DROVER_PASSWORD": lab.password,
            **more,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]


def has_containers(lab: Lab) -> bool:
    return any(t["name"] == "busybox" for t in lab.api().get("/templates")["items"])


def test_journeys(lab: Lab) -> None:
    make(lab, "ui-witness")
    browse(lab, "journeys.mjs", DROVER_CONTAINERS="1" if has_containers(lab) else "")


def shell(lab: Lab, line: str) -> str:
    ran = subprocess.run(
        [str(BUILD / "bin/drover"), "-e", "-c", line],
        env={**os.environ, "DROVER_SERVERS": str(lab.dir / "etc/servers.json")},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )
    assert ran.returncode == 0, f"{line}: {ran.stderr}"
    return ran.stdout


def recommended_move(lab: Lab, name: str) -> None:
    """The balancer wants the machine elsewhere, says why, and has its will."""
    guest = lab.find("vms", name)
    elsewhere = next(h["id"] for h in lab.all("hosts") if h["id"] != guest["host"])
    cluster = lab.find("clusters", "cluster1")["id"]
    rule = {"name": "ui-there", "cluster": cluster, "type": "must_run_on", "vms": [guest["id"]], "hosts": [elsewhere]}
    made = lab.api().call("POST", "/rules", rule)
    lab.api().call("POST", f"/clusters/{cluster}/drs", {})
    rec = next(r for r in lab.all("recommendations") if r["vm"] == guest["id"] and r["state"] == "pending")
    lab.api().do("POST", f"/recommendations/{rec['id']}/apply", {})
    lab.api().call("DELETE", f"/rules/{made['id']}")


def hungry_pool(lab: Lab, cluster: str) -> None:
    """A guest that wants a whole CPU and gets a little of one."""
    pool = lab.api().call("POST", "/pools", {"name": "dev", "parent": cluster})["id"]
    busybox = lab.find("templates", "busybox")["id"]
    spin = ["/bin/sh", "-c", "while :; do :; done"]
    busy = make(lab, "ui-busy", template=busybox, pool=pool, args=spin)
    lab.api().do("PATCH", f"/vms/{busy['id']}", {"cpu_limit_mhz": 100})


def make_many(lab: Lab, pattern: str, power_on: bool) -> list[str]:
    body = {"name": pattern, "template": lab.find("templates", "tiny")["id"], "power_on": power_on}
    made = lab.api().call("POST", "/vms", body)["items"]
    for one in made:
        lab.api().wait(one["task"])
    return [one["object"] for one in made]


def tag(lab: Lab, name: str, guests: list[str]) -> None:
    category = lab.api().call("POST", "/categories", {"name": "ui-stage"})["id"]
    made = lab.api().call("POST", "/tags", {"name": name, "category": category})["id"]
    lab.api().call("POST", f"/tags/{made}/assign", {"objects": guests})


def test_admin_tasks(lab: Lab) -> None:
    """Pictures and the table of clicks and keys stay in the build tree."""
    cluster = lab.find("clusters", "cluster1")["id"]
    if has_containers(lab):
        hungry_pool(lab, cluster)
    lab.api().call("POST", "/pools", {"name": "prod", "parent": cluster})
    tag(lab, "prod", make_many(lab, "web-{01..03}", power_on=True))
    make_many(lab, "db-{07..08}", power_on=False)
    recommended_move(lab, "web-01")
    kept = BUILD / "ui-tasks"
    kept.mkdir(exist_ok=True)
    browse(
        lab, "tasks.mjs", SHOTS=str(kept), DROVER_TABLE=str(kept / "table.txt"), DROVER_SCRIPT=str(kept / "script.txt"),
        DROVER_CONTAINERS="1" if has_containers(lab) else "",
    )
    last = (kept / "script.txt").read_text().splitlines()[-1]
    shell(lab, last)


def test_administration(lab: Lab) -> None:
    """Pools as a picture, many objects at once, and what administrators make and change."""
    cluster = lab.find("clusters", "cluster1")["id"]
    settings = {"cpu_reservation_mhz": 400, "mem_reservation_mb": 64, "cpu_limit_mhz": 1500}
    tier = lab.api().call("POST", "/pools", {"name": "tier", "parent": cluster, **settings})["id"]
    inside = {"cpu_reservation_mhz": 300, "cpu_shares_level": "high", "mem_limit_mb": 512, "cpu_expandable": False}
    lab.api().call("POST", "/pools", {"name": "tier-a", "parent": tier, **inside})
    lab.api().call("POST", "/pools", {"name": "tier-b", "parent": tier, "cpu_reservation_mhz": 50})
    make_many(lab, "sel-{1..3}", power_on=False)
    browse(lab, "administration.mjs", DROVER_POOLS=shell(lab, "Get-ResourcePool | ConvertTo-Json"))


def test_consoles(lab: Lab) -> None:
    machine = make(lab, "ui-shown")["id"]
    container = ""
    if has_containers(lab):
        busybox = next(t["id"] for t in lab.api().get("/templates")["items"] if t["name"] == "busybox")
        container = make(lab, "ui-entered", template=busybox)["id"]
    browse(lab, "consoles.mjs", DROVER_MACHINE=machine, DROVER_CONTAINER=container)
