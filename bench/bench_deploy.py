#!/usr/bin/python3
"""A machine from the API's call until it runs, against the same machine made by hand.

By hand means qemu-img create, the command line that the agent used for the machine (with
paths where it has open files, and without its stop before the first instruction), and
the tap put into the bridge; the clock stops when QMP says "running".  Both alternate."""
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from lab_client import Api, arguments, lab_api, lab_setting, percentile, report

TAP = "bench0"
HOST = 1


class Qmp:
    def __init__(self, path: Path, seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        self.sock = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.sock.connect(str(path))
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.001)  # between looks
        self.file = self.sock.makefile("rw")
        self.file.readline()
        self.ask("qmp_capabilities")

    def ask(self, command: str) -> Any:
        self.file.write(json.dumps({"execute": command}) + "\n")
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']['desc']}")

    def wait_running(self) -> None:
        while self.ask("query-status")["status"] != "running":
            time.sleep(0.001)  # between looks


class ByHand:
    """One machine in a folder on the shared datastore, on the lab's first host."""

    def __init__(self, lab: Path, pid: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bench-", dir=lab / "ds/shared"))
        self.disk = self.folder / "disk.qcow2"
        self.base = lab / template_of(pid)
        name = subprocess.run(
            ["bash", "-c", f'source "{Path(__file__).parents[1]}/deploy/lab.sh"; lab_netns "{lab}" {HOST}'],
            check=True, capture_output=True, text=True,
        ).stdout.strip()
        self.on_host = ["nsenter", f"--net=/run/netns/{name}"]
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
        self.line = self.plain(words)

    def plain(self, words: list[str]) -> list[str]:
        """The agent's command line for somebody who passes no open files."""
        out: list[str] = []
        it = iter(words)
        for word in it:
            if word == "-S":
                continue
            if word == "-add-fd":
                next(it)
                continue
            if word.startswith("socket,id="):
                name = word.split(",")[1].removeprefix("id=")
                word = f"socket,id={name},path={self.folder}/{name}.sock,server=on,wait=off"
            elif word.startswith("tap,id="):
                word = word.split(",fd=")[0] + f",ifname={TAP},script=no,downscript=no"
            elif "/dev/fdset/" in word:
                node = json.loads(word)
                node["filename"] = str(self.base if node.get("read-only") else self.disk)
                word = json.dumps(node)
            out.append(word)
        left = [w for w in out if "fd=" in w or "fdset" in w]
        if left:
            raise RuntimeError(f"cannot do by hand: {left}")
        return out

    def run(self) -> float:
        log = self.folder / "log"
        begin = time.perf_counter()
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(self.base), "-F", "qcow2", str(self.disk)],
            check=True,
        )
        with log.open("wb") as f:
            process = subprocess.Popen([*self.on_host, *self.line], cwd=self.folder, stdin=subprocess.DEVNULL, stderr=f)
        try:
            qmp = Qmp(self.folder / "qmp.sock")
            subprocess.run([*self.on_host, "ip", "link", "set", TAP, "master", "br0", "up"], check=True)
            qmp.wait_running()
            took = time.perf_counter() - begin
        except OSError as e:
            raise SystemExit(f"QEMU by hand: {e}: {log.read_text()}")
        finally:
            process.kill()
            process.wait()
        for path in self.folder.iterdir():
            path.unlink()
        return took

    def remove(self) -> None:
        shutil.rmtree(self.folder)


def template_of(pid: int) -> Path:
    """The read-only image of a running machine, below the lab's folder."""
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        link = os.readlink(fd)
        if "/ds/" in link and "/templates/" in link:
            return Path("ds") / link.split("/ds/", 1)[1]
    raise RuntimeError(f"process {pid} has no template open")


def create(api: Api, template: str, name: str) -> tuple[float, dict[str, Any]]:
    begin = time.perf_counter()
    started = api.call("POST", "/vms", {"name": name, "template": template, "power_on": True})
    api.wait(started["task"])
    took = time.perf_counter() - begin
    vm = api.get(f"/vms/{started['object']}")
    if vm["power_state"] != "powered_on":
        raise SystemExit(f"{name} is {vm['power_state']}")
    return took, vm


def pid_of(api: Api, vm: dict[str, Any]) -> int:
    """Known with the host's next report."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        pid = api.get(f"/vms/{vm['id']}")["pid"]
        if pid:
            return int(pid)
        time.sleep(0.05)  # between looks
    raise TimeoutError(f"no process is known for {vm['name']}")


def remove(api: Api, vm: dict[str, Any]) -> None:
    api.do("POST", f"/vms/{vm['id']}/stop", {"mode": "kill"})
    api.do("DELETE", f"/vms/{vm['id']}")


def main() -> None:
    p = arguments(__doc__)
    p.add_argument("--rounds", type=int, default=12)
    a = p.parse_args()
    if not a.lab or lab_setting(a.lab, "engine") != "qemu":
        p.error("--lab with real machines is needed")
    api = lab_api(a.lab)
    template = next(t["id"] for t in api.get("/templates")["items"] if t["name"] == "tiny")
    _, vm = create(api, template, f"bench-{os.getpid()}")  # both ways start with warm caches
    hand = ByHand(a.lab.resolve(), pid_of(api, vm))
    remove(api, vm)
    by_api: list[float] = []
    by_hand: list[float] = []
    try:
        hand.run()
        for i in range(a.rounds):
            took, vm = create(api, template, f"bench-{os.getpid()}-{i}")
            by_api.append(took)
            remove(api, vm)
            by_hand.append(hand.run())
    finally:
        hand.remove()
    api_s, hand_s = percentile(by_api, 50), percentile(by_hand, 50)
    report("deploy_by_api_p50", api_s * 1000, "ms")
    report("deploy_by_hand_p50", hand_s * 1000, "ms")
    report("deploy_ratio", api_s / hand_s, "x")


main()
