"""deploy/quickstart as a user meets it: up, again, an agent killed, stop, start, destroy."""
import json
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Iterator

import pytest
from conftest import BUILD, ROOT, Lab, wait_for
from lab_client import Api

HOSTS, MACHINES = 3, 6


class Quickstart(Lab):
    """As a user has it: his home gets the saved server, his shell uses it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "lab", HOSTS, MACHINES, "qemu")
        self.home = folder / "home"
        self.home.mkdir()
        self.env = {k: v for k, v in os.environ.items() if k not in ("SUDO_USER", "DROVER_SERVERS")}
        self.env["HOME"] = str(self.home)

    def destroy(self) -> None:
        if (self.dir / "lab.conf").exists():
            self.order("destroy")

    def order(self, *words: str) -> str:
        return self.quickstart(*words, env={"HOME": str(self.home), "SUDO_USER": ""})

    def shell(self, line: str) -> Any:
        words = [str(BUILD / "bin/drover"), "-c", line + " | ConvertTo-Json"]
        ran = subprocess.run(words, env=self.env, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        answer = json.loads(ran.stdout or "[]")
        return answer if isinstance(answer, list) else [answer]

    def saved(self) -> Api:
        book = json.loads((self.home / ".config/drover/servers.json").read_text())
        entry = book["servers"][book["default"]]
        return Api(entry["address"], entry["port"], entry["ca"], entry["token"])

    def guests(self, kind: str) -> list[dict[str, Any]]:
        return [vm for vm in self.saved().get("/vms?sort=name")["items"] if vm["guest_type"] == kind]

    def machines(self) -> list[dict[str, Any]]:
        return self.guests("machine")

    def runs_containers(self) -> bool:
        engines = [e for h in self.saved().get("/hosts")["items"] for e in h["engines"]]
        return any(e["name"] == "oci" and e["usable"] for e in engines)

    def agents(self) -> list[int]:
        return [self.pid(f"agent-{n + 1}") for n in range(HOSTS)]

    @property
    def name(self) -> str:
        words = ["bash", "-c", f". '{ROOT}/deploy/lab.sh' && lab_name '{self.dir}'"]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def output(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def hello(address: str) -> str:
    """What the machine at address answers on its service; "" while it does not."""
    try:
        with socket.create_connection((address, 7000), timeout=2) as conn:
            conn.sendall(b"hello\n")
            return conn.makefile().readline().strip()
    except OSError:
        return ""


def traces(name: str, folder: Path) -> list[str]:
    """All that a lab has on this machine outside its folder, and the folder."""
    found = [str(p) for p in Path("/run/netns").glob(f"{name}*")]
    found += [line for line in output("ip", "-o", "link").splitlines() if name in line]
    found += [line for line in Path("/proc/mounts").read_text().splitlines() if name in line]
    found += output("find", "/sys/fs/cgroup", "-type", "d", "-name", f"drover-{name[3:]}").split()
    found += [str(p) for p in Path("/run/drover").glob(f"{name}*")]
    backings = [p.read_text().strip() for p in Path("/sys/block").glob("loop*/loop/backing_file")]
    found += [f"loop device of {b}" for b in backings if f"/{name}/" in b]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().decode(errors="replace")
            mounts = (process / "mountinfo").read_text()
        except OSError:
            continue
        if name in line or f"/run/drover/{name}" in mounts:
            found.append(f"process {process.name}: {line}")
    return found + ([str(folder)] if folder.exists() else [])


@pytest.fixture(scope="module")
def lab() -> Iterator[Quickstart]:
    if os.geteuid() != 0:
        pytest.skip("labs need root")
    folder = Path(tempfile.mkdtemp(prefix="drover-quickstart-"))
    q = Quickstart(folder)
    try:
        q.order("--build-dir", str(BUILD), "--hosts", str(HOSTS), "--vms", str(MACHINES))
        yield q
    finally:
        q.destroy()
        shutil.rmtree(folder, ignore_errors=True)


def test_machines_run_on_all_hosts_and_answer(lab: Quickstart) -> None:
    vms = lab.shell("Get-VM | Where-Object Kind -eq Machine")
    assert len(vms) == MACHINES
    assert {vm["PowerState"] for vm in vms} == {"PoweredOn"}
    machines = lab.machines()
    assert len({vm["host"] for vm in machines}) == HOSTS
    for vm in machines:
        assert hello(vm["ip_address"]).startswith(vm["name"] + " ")


def test_a_container_runs_beside_them(lab: Quickstart) -> None:
    names = [vm["Name"] for vm in lab.shell("Get-Container | Select-Object Name, IPAddress")]
    assert names == (["ct-1"] if lab.runs_containers() else [])
    for vm in lab.guests("container"):
        assert hello(vm["ip_address"]).startswith("ct-1 ")


def test_password_and_saved_server_are_private(lab: Quickstart) -> None:
    for path in (lab.dir / "password", lab.home / ".config/drover/servers.json", lab.dir / "ca/ca.key"):
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_second_run_changes_nothing(lab: Quickstart) -> None:
    before = {vm["id"]: (vm["pid"], vm["host"]) for vm in lab.machines()}
    agents = lab.agents()
    lab.order("up")
    assert {vm["id"]: (vm["pid"], vm["host"]) for vm in lab.machines()} == before
    assert lab.agents() == agents


def test_machines_outlive_a_killed_agent(lab: Quickstart) -> None:
    host = lab.saved().get("/hosts?sort=name")["items"][0]
    wait_for("the pids to be reported", lambda: all(vm["pid"] for vm in lab.machines()))
    mine = {vm["name"]: vm for vm in lab.machines() if vm["host"] == host["id"]}
    boots = {name: hello(vm["ip_address"]) for name, vm in mine.items()}
    assert mine and all(boots.values())
    lab.kill("agent-1")
    wait_for("the server to notice", lambda: lab.saved().get(f"/hosts/{host['id']}")["connection_state"] != "connected")
    assert {name: hello(vm["ip_address"]) for name, vm in mine.items()} == boots
    lab.order("up")

    def same_again() -> bool:
        now = {vm["name"]: vm for vm in lab.machines()}
        return all(now[n]["power_state"] == "powered_on" and now[n]["pid"] == vm["pid"] for n, vm in mine.items())

    wait_for("the agent to find its machines", same_again)
    assert {name: hello(vm["ip_address"]) for name, vm in mine.items()} == boots


def test_stop_and_start_bring_back_what_ran(lab: Quickstart) -> None:
    lab.shell("Stop-VM vm-02 -Kill -Confirm:$false")
    lab.order("stop")
    name = lab.name
    assert traces(name, lab.dir) == [str(lab.dir)]
    lab.order("start")
    states = {vm["name"]: vm["power_state"] for vm in lab.machines()}
    assert states.pop("vm-02") == "powered_off"
    assert set(states.values()) == {"powered_on"}
    assert all(hello(vm["ip_address"]) for vm in lab.guests("container"))


def test_destroy_leaves_nothing(lab: Quickstart) -> None:
    name = lab.name
    assert len(traces(name, lab.dir)) > HOSTS
    lab.order("destroy")
    assert traces(name, lab.dir) == []
    book = lab.home / ".config/drover/servers.json"
    assert not book.exists() or json.loads(book.read_text())["servers"] == {}


@pytest.mark.parametrize("how", ["exit 1", "false"])
def test_a_step_that_fails_is_told(tmp_path: Path, how: str) -> None:
    script = f"""set -e
        source "{ROOT}/deploy/progress.sh"
        progress_begin "{tmp_path}/log" 1
        fails() {{ echo "this is why"; {how}; }}
        step "a title" fails"""
    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert ran.returncode == 1
    assert 'step 1 of 1, "a title", failed' in ran.stdout and "this is why" in ran.stdout
