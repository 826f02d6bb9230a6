"""The scripts of docs/scripts do what they say, on a cluster of simulated guests."""
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Iterator

import pytest
from conftest import BUILD, ROOT, Lab, make_lab

SCRIPTS = ROOT / "docs/scripts"


@pytest.fixture(scope="module")
def sim() -> Iterator[Lab]:
    if os.geteuid() != 0:
        pytest.skip("labs need root")
    made = make_lab(3, 2, "sim")
    try:
        made.up()
        yield made
    finally:
        made.destroy()
        shutil.rmtree(made.dir.parent, ignore_errors=True)


def run(lab: Lab, *args: str, status: int = 0) -> list[str]:
    """What the shell prints, as lines that are not empty."""
    env = {**os.environ, "DROVER_SERVERS": str(lab.dir / "etc/servers.json"), "COLUMNS": "160"}
    ran = subprocess.run([str(BUILD / "bin/drover"), *args], env=env, capture_output=True, text=True, timeout=120)
    assert ran.returncode == status, f"{args}: {ran.stdout}{ran.stderr}"
    return [line for line in ran.stdout.splitlines() if line]


def script(lab: Lab, name: str, *args: str, status: int = 0) -> list[str]:
    return run(lab, str(SCRIPTS / name), *args, status=status)


@pytest.fixture
def machines(sim: Lab, request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Two machines of this test's own, on."""
    stem = request.node.name.replace("test_", "").replace("_", "-")
    names = run(sim, "-c", f"New-VM -Name '{stem}-{{1..2}}' -Template tiny -MemoryMB 128 -PowerOn | ForEach-Object Name")
    yield names
    run(sim, "-c", f"Get-VM {stem}-* | Stop-VM -Kill -Confirm:$false | Out-Null; Get-VM {stem}-* | Remove-VM -Confirm:$false")


def test_all_are_run_here() -> None:
    here = Path(__file__).read_text()
    scripts = sorted(p.name for p in SCRIPTS.glob("*.ps1"))
    assert len(scripts) >= 10
    assert [name for name in scripts if f'"{name}"' not in here] == []


def test_over_provisioned(sim: Lab, machines: list[str], tmp_path: Path) -> None:
    said = run(sim, "-c", f"& '{SCRIPTS}/over-provisioned.ps1' -UnusedPercent 1 | Out-String")
    assert any(line.startswith(machines[0]) for line in said)
    page = tmp_path / "report.html"
    assert script(sim, "over-provisioned.ps1", "-UnusedPercent", "1", "-Html", str(page))[-1].endswith(f"in {page}")
    assert f"<td>{machines[0]}</td>" in page.read_text()


def test_rolling_maintenance(sim: Lab, machines: list[str]) -> None:
    path = SCRIPTS / "rolling-maintenance.ps1"
    said = run(sim, "-c", f"& '{path}' cluster1 {{ param($h) \"$($h.Name) $(@(Get-VM -Location $h).Count)\" }}")
    assert said == [line for n in (1, 2, 3) for line in (f"host-{n} 0", f"host-{n}: done")]
    assert run(sim, "-c", "(Get-VMHost | Where-Object Maintenance -ne None | Measure-Object).Count") == ["0"]


def test_maintenance_stops_where_the_work_fails(sim: Lab) -> None:
    path = SCRIPTS / "rolling-maintenance.ps1"
    try:
        run(sim, "-c", f"& '{path}' cluster1 {{ throw 'no power' }}", status=1)
        assert run(sim, "-c", "Get-VMHost | Where-Object Maintenance -ne None | ForEach-Object Name") == ["host-1"]
    finally:
        run(sim, "-c", "Set-VMHost host-1 -State Connected -Confirm:$false | Out-Null")


def test_old_snapshots(sim: Lab, machines: list[str]) -> None:
    run(sim, "-c", f"New-Snapshot -VM {machines[0]} -Name before | Out-Null")
    assert script(sim, "old-snapshots.ps1", "-Days", "1") == []
    assert script(sim, "old-snapshots.ps1", "-Days", "0")[-1].split()[:2] == [machines[0], "before"]
    script(sim, "old-snapshots.ps1", "-Days", "0", "-Remove")
    assert run(sim, "-c", f"(Get-Snapshot {machines[0]} | Measure-Object).Count") == ["0"]


def test_deploy_from_csv(sim: Lab, tmp_path: Path) -> None:
    table = tmp_path / "machines.csv"
    table.write_text("Name,Template,NumCpu,MemoryMB,ResourcePool\ncsv-1,tiny,1,128,cluster1\ncsv-2,nope,1,128,cluster1\n")
    try:
        said = script(sim, "deploy-from-csv.ps1", str(table), "-PowerOn", status=1)
        assert said[0].startswith("csv-1: made on host-")
        assert said[1] == 'csv-2: -Template: there is no template "nope"'
        assert script(sim, "deploy-from-csv.ps1", str(table), status=1)[0] == "csv-1: is there"
    finally:
        run(sim, "-c", "Get-VM csv-* | Stop-VM -Kill -Confirm:$false | Remove-VM -Confirm:$false")


def test_capacity(sim: Lab) -> None:
    rows = json.loads("\n".join(run(sim, "-o", "json", str(SCRIPTS / "capacity.ps1"))))
    row = rows[0] if isinstance(rows, list) else rows
    assert (row["Cluster"], row["Hosts"]) == ("cluster1", 3)
    assert row["WithOneHostLess"] == pytest.approx(row["MemoryPercent"] * 1.5, abs=0.2)


def test_power_schedule(sim: Lab, machines: list[str]) -> None:
    run(sim, "-c", f"Set-VM {machines[0]} -Notes 'hours:8-18' | Out-Null; Set-VM {machines[1]} -Notes 'hours:20-6' | Out-Null")
    assert script(sim, "power-schedule.ps1", "-Hour", "12") == [f"{machines[1]}: off"]
    assert sorted(script(sim, "power-schedule.ps1", "-Hour", "23")) == [f"{machines[0]}: off", f"{machines[1]}: on"]
    assert script(sim, "power-schedule.ps1", "-Hour", "23") == []


def test_datastore_report(sim: Lab) -> None:
    said = script(sim, "datastore-report.ps1", "-FreePercent", "100")
    assert all("% free" in line for line in said[2:])
    assert [line.split()[0] for line in said[2:]] == ["local-1", "local-2", "local-3", "shared"]


def test_who_did_what(sim: Lab, machines: list[str]) -> None:
    assert any(line.endswith("x VmPoweredOnEvent") for line in script(sim, "who-did-what.ps1"))
    assert f"{machines[1]} runs on" in "\n".join(script(sim, "who-did-what.ps1", "-Entity", machines[1]))


def test_empty_datastore(sim: Lab, machines: list[str]) -> None:
    host = run(sim, "-c", f"\"$((Get-VM {machines[0]}).VMHost)\"")[0]
    local = host.replace("host", "local")
    run(sim, "-c", f"Get-VM -Datastore shared | Where-Object {{ \"$($_.VMHost)\" -ne '{host}' }} | Move-VM -Destination {host} | Out-Null")
    assert script(sim, "empty-datastore.ps1", "shared", local)[-1] == "0 guests are left on shared"
    assert script(sim, "empty-datastore.ps1", local, "shared")[-1] == f"0 guests are left on {local}"


def test_inventory_changes(sim: Lab, machines: list[str], tmp_path: Path) -> None:
    seen = str(tmp_path / "seen.json")
    assert script(sim, "inventory-changes.ps1", "-Seen", seen) == []
    run(sim, "-c", f"Stop-VM {machines[0]} -Kill -Confirm:$false | Out-Null; New-VM -Name fresh -Template tiny | Out-Null")
    try:
        said = script(sim, "inventory-changes.ps1", "-Seen", seen)
        assert sorted(said) == [f"  {machines[0]}: PowerState PoweredOn -> PoweredOff", "+ fresh"]
    finally:
        run(sim, "-c", "Remove-VM fresh -Confirm:$false")
    assert script(sim, "inventory-changes.ps1", "-Seen", seen) == ["- fresh"]


@pytest.fixture
def webs(sim: Lab) -> Iterator[None]:
    """Three machines that are off and tagged, and a pool."""
    run(sim, "-c", "New-VM -Name 'web-{01..03}' -Template tiny -MemoryMB 128 -VMHost host-1 | Out-Null;"
                   "New-ResourcePool prod -Location cluster1 | Out-Null; New-TagCategory Environment | Out-Null;"
                   "New-Tag prod -Category Environment | Out-Null; Get-VM web-* | New-TagAssignment prod | Out-Null")
    yield
    run(sim, "-c", "Set-VMHost host-2 -State Connected | Out-Null; Get-VM web-0? | Stop-VM -Kill -Confirm:$false | Out-Null;"
                   "Get-VM web-0? | Remove-VM -Confirm:$false; Remove-ResourcePool prod -Confirm:$false;"
                   "Remove-TagCategory Environment -Confirm:$false")


def test_tasks_a_line_each(sim: Lab, webs: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines of docs/shell.md, in their order; invented guests never wait for a CPU, nor move by themselves."""
    page = (ROOT / "docs/shell.md").read_text()
    part = page[page.index("## Tasks, a line each") : page.index("## The language")]
    lines = dict(re.findall(r"    # (.*)\n    (.*)\n", part))
    assert len(lines) == 11
    monkeypatch.chdir(tmp_path)
    said = {task: run(sim, "-c", line) for task, line in lines.items() if "Get-History" not in line}
    of = [said[next(task for task in said if word in task)] for word in
          ("find", "migrate", "who moved", "plan", "survive", "prod", "console")]
    found, moved, who, plan, lost, prod, console = of
    assert sum("PoweredOn" in line for line in found) == 3
    assert sum(line.startswith("web-0") for line in moved) == 3
    assert any("admin" in line and "to host-2" in line for line in who)
    assert sum(line.startswith("web-0") and "host-2" in line for line in plan) == 3 and "Maintenance" in plan[-1]
    assert lost == [], "two of three hosts are enough"
    assert "0.500" in prod[-1]
    assert re.fullmatch(r"https://.*/#/vm-\d+/console", console[0])
    assert (tmp_path / "cpu.csv").exists()
