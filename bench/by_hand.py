"""Machines made by hand beside Drover's: the same QEMU command line with paths where the agent passes open files."""
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Optional

from lab_client import Api


class Qmp:
    """One connection; what comes as an event meanwhile is dropped."""

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

    def ask(self, command: str, **arguments: Any) -> Any:
        order = {"execute": command, **({"arguments": arguments} if arguments else {})}
        self.file.write(json.dumps(order) + "\n")
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']['desc']}")

    def wait_status(self, status: str) -> None:
        while self.ask("query-status")["status"] != status:
            time.sleep(0.001)  # between looks


class ByHand:
    """Processes after the model of a running machine's, in a folder on the shared datastore."""

    def __init__(self, lab: Path, pid: int, tap: str) -> None:
        self.lab, self.tap = lab, tap
        self.folder = Path(tempfile.mkdtemp(prefix="bench-", dir=lab / "ds/shared"))
        self.disk = self.folder / "disk.qcow2"
        self.base = lab / template_of(pid)
        self.words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")

    def on_host(self, host: int) -> list[str]:
        name = subprocess.run(
            ["bash", "-c", f'source "{Path(__file__).parents[1]}/deploy/lab.sh"; lab_netns "{self.lab}" {host}'],
            check=True, capture_output=True, text=True,
        ).stdout.strip()
        return ["nsenter", f"--net=/run/netns/{name}"]

    def line(self, sockets: str) -> list[str]:
        """The agent's command line for somebody who passes no open files."""
        out: list[str] = []
        it = iter(self.words)
        for word in it:
            if word == "-S":
                continue
            if word == "-add-fd":
                next(it)
                continue
            if word.startswith("socket,id="):
                name = word.split(",")[1].removeprefix("id=")
                word = f"socket,id={name},path={self.folder}/{sockets}-{name}.sock,server=on,wait=off"
            elif word.startswith("tap,id="):
                word = word.split(",fd=")[0] + f",ifname={self.tap},script=no,downscript=no"
            elif word == "unix:vnc.sock":
                word = f"unix:{self.folder}/{sockets}-vnc.sock"
            elif "/dev/fdset/" in word:
                node = json.loads(word)
                node["filename"] = str(self.base if node.get("read-only") else self.disk)
                word = json.dumps(node)
            out.append(word)
        left = [w for w in out if "fd=" in w or "fdset" in w]
        if left:
            raise RuntimeError(f"cannot do by hand: {left}")
        return out

    def make_disk(self) -> None:
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(self.base), "-F", "qcow2", str(self.disk)], check=True
        )

    def start(self, name: str, host: int, *more: str) -> tuple[subprocess.Popen[bytes], Qmp]:
        """A process whose wire is in the host's bridge."""
        on_host, log = self.on_host(host), self.folder / f"{name}.log"
        with log.open("wb") as f:
            process = subprocess.Popen(
                [*on_host, *self.line(name), *more], cwd=self.folder, stdin=subprocess.DEVNULL, stderr=f
            )
        try:
            qmp = Qmp(self.folder / f"{name}-qmp.sock")
            subprocess.run([*on_host, "ip", "link", "set", self.tap, "master", "br0", "up"], check=True)
        except (OSError, subprocess.CalledProcessError) as e:
            process.kill()
            process.wait()
            raise SystemExit(f"QEMU by hand: {e}: {log.read_text()}")
        return process, qmp

    def clear(self) -> None:
        for path in self.folder.iterdir():
            path.unlink()

    def remove(self) -> None:
        shutil.rmtree(self.folder)


def template_of(pid: int) -> Path:
    """The read-only image of a running machine, below the lab's folder."""
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        link = os.readlink(fd)
        if "/ds/" in link and "/templates/" in link:
            return Path("ds") / link.split("/ds/", 1)[1]
    raise RuntimeError(f"process {pid} has no template open")


def create(api: Api, template: str, name: str, **more: Any) -> tuple[float, dict[str, Any]]:
    """Seconds until it runs, and the machine."""
    begin = time.perf_counter()
    started = api.call("POST", "/vms", {"name": name, "template": template, "power_on": True, **more})
    api.wait(started["task"])
    took = time.perf_counter() - begin
    vm = api.get(f"/vms/{started['object']}")
    if vm["power_state"] != "powered_on":
        raise SystemExit(f"{name} is {vm['power_state']}")
    return took, vm


def pid_of(api: Api, vm: dict[str, Any], other_than: Optional[int] = None) -> int:
    """Known with the host's next report."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        pid = api.get(f"/vms/{vm['id']}")["pid"]
        if pid and pid != other_than:
            return int(pid)
        time.sleep(0.05)  # between looks
    raise TimeoutError(f"no process is known for {vm['name']}")


def remove(api: Api, vm: dict[str, Any]) -> None:
    api.do("POST", f"/vms/{vm['id']}/stop", {"mode": "kill"})
    api.do("DELETE", f"/vms/{vm['id']}")


def tiny_of(api: Api) -> str:
    return next(t["id"] for t in api.get("/templates")["items"] if t["name"] == "tiny")
