"""docs/drs.md and docs/pools.md say what the shell says."""
import os
import re
import shutil
import subprocess
from typing import Iterator

import pytest
from conftest import BUILD, ROOT, Lab, make_lab, wait_for


@pytest.fixture(scope="module")
def sim() -> Iterator[Lab]:
    if os.geteuid() != 0:
        pytest.skip("labs need root")
    made = make_lab(3, 0, "sim")
    try:
        made.up()
        yield made
    finally:
        made.destroy()
        shutil.rmtree(made.dir.parent, ignore_errors=True)


def examples(doc: str) -> list[tuple[str, str]]:
    """Each command with what it answers."""
    blocks = re.findall(r"^```\n(.*?)^```", (ROOT / doc).read_text(), re.S | re.M)
    found = [re.findall(r"^> (.*)\n((?:(?!> ).*\n)*)", b, re.M) for b in blocks]
    return [pair for block in found for pair in block]


@pytest.mark.parametrize("doc", ["docs/drs.md", "docs/pools.md"])
def test_every_example(sim: Lab, doc: str) -> None:
    env = {**os.environ, "DROVER_SERVERS": str(sim.dir / "etc/servers.json")}
    pairs = examples(doc)
    assert len(pairs) > 15
    for command, wanted in pairs:
        ran = subprocess.run([str(BUILD / "bin/drover"), "-c", command], env=env, capture_output=True, text=True, timeout=120)
        # An error goes on with the line it is about.
        said = ran.stdout + "".join(ran.stderr.splitlines(keepends=True)[:1])
        assert said == wanted, f"{command}\n{ran.stderr}"


def said(sim: Lab, line: str) -> str:
    env = {**os.environ, "DROVER_SERVERS": str(sim.dir / "etc/servers.json")}
    ran = subprocess.run([str(BUILD / "bin/drover"), "-c", line], env=env, capture_output=True, text=True, timeout=120)
    return ran.stdout + ran.stderr


def test_high_availability_is_set_and_tells_how_it_stands(sim: Lab) -> None:
    """Settings, admission control, capacity and a failover that is only tried, through the shell."""
    said(sim, "New-VM ha-1, ha-2 -Template tiny -VMHost host-1 -PowerOn")
    assert "True 2 Low" in said(sim, "Set-Cluster cluster1 -HAFailoverLevel 2 -VMMonitoring Low | "
                                     '% { "$($_.HAEnabled) $($_.HAFailoverLevel) $($_.VMMonitoring)" }')
    assert "so at most 2 may be lost, not 3" in said(sim, "Set-Cluster cluster1 -HAFailoverLevel 3")
    assert "goes round" in said(sim, "Set-VM ha-1 -HADependsOn ha-2 | Out-Null; Set-VM ha-2 -HADependsOn ha-1")
    wait_for("a look at what can be lost", lambda: "survives 2 hosts" in said(sim, "(Get-Cluster).HACapacity"))
    wait_for("how hosts are fenced", lambda: said(sim, "(Get-HAStatus cluster1).VMHost").count("software fencing") == 3)
    said(sim, "Set-VM ha-2 -HARestartPriority High | Out-Null")
    tried = said(sim, 'Test-HAFailover host-1, host-2 | % { "$($_.VM) $($_.Outcome) $($_.Target)" }')
    assert [line for line in tried.split("\n") if line.startswith("ha-")] == ["ha-2 Restarted host-3", "ha-1 Restarted host-3"]
    said(sim, "New-VM ha-3 -Template tiny -VMHost host-3; Set-Cluster cluster1 -HACpuPercent 100")
    assert "nothing fits while so much is kept" in said(sim, "Start-VM ha-3")
    said(sim, "Set-Cluster cluster1 -HAFailoverHost host-3")
    assert "is kept free for the guests of lost hosts" in said(sim, "Start-VM ha-3")
    assert "is kept free for the guests of lost hosts" in said(sim, "Move-VM ha-1 -Destination host-3")
    said(sim, "Set-Cluster cluster1 -HAEnabled $false")
    assert "PoweredOn" in said(sim, "Start-VM ha-3")
    said(sim, "Get-VM ha-* | Stop-VM -Confirm:$false | Remove-VM -Confirm:$false")
