"""Containers by the runtime alone, from ready bundles: what ours are measured against.

The bundles are of the same kind: the agent's own config.json with its namespaces, id map, mounts,
rights, filters, first process and hook.  All that they lean on lies ready before: a root of layers
that is mounted, a bridge, a file for the console.  What the hook finds is either a pair of links that
waits to be taken in, as people who run containers by a runtime alone have it, or nothing: it makes the
pair in the container's network namespace as it does for the agent, which is faster.  They lack limits."""
import ctypes
import itertools
import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

RUNTIME = "/usr/sbin/runc"
GROUP = "drover-bench"
CONTROLLERS = Path("/sys/fs/cgroup")
CLONE_NEWNET = 0x40000000
HOOK_BRIDGE = 9  # of drover-stage nic LINK NAME MAC ADDRESS GATEWAY GUEST SLOT BRIDGE …


def bridge_of(config: dict[str, Any]) -> str:
    """What the agent's hook plugs its link in."""
    return next((str(h["args"][HOOK_BRIDGE]) for h in config["hooks"]["prestart"] if h["args"][2:] != ["lo"]), "br0")


def bare_config(of_agent: dict[str, Any], bundle: Path, link: str) -> dict[str, Any]:
    """The same with what lies ready in the bundle in the places of what the agent's stage makes."""
    config: dict[str, Any] = json.loads(json.dumps(of_agent))
    config.pop("annotations", None)
    config["root"] = {"path": str(bundle / "root"), "readonly": False}
    config["linux"]["cgroupsPath"] = f"/{GROUP}/{bundle.name}"
    config["linux"]["devices"] = []
    for mount in config["mounts"]:
        if mount["destination"] == "/dev/console":
            mount["source"] = str(bundle / "console")
    for hook in config["hooks"]["prestart"]:
        if hook["args"][2:] != ["lo"]:
            hook["args"][2] = link
    return config


class Bare:
    """Bundles on one root, unpacked from a template's archive, in a network namespace of their own."""

    def __init__(self, work: Path, archive: Path, of_agent: dict[str, Any]) -> None:
        self.work, self.of_agent = work, of_agent
        self.root = work / "layer"
        self.root.mkdir(parents=True)
        subprocess.run(["tar", "-xf", str(archive), "-C", str(self.root)], check=True)
        self.base = of_agent["linux"]["uidMappings"][0]["hostID"]
        subprocess.run(["chown", "-R", f"{self.base}:{self.base}", str(self.root)], check=True)
        for folder in [self.root, *self.root.resolve().parents]:
            if folder != Path("/tmp") and folder != Path("/"):
                folder.chmod(folder.stat().st_mode | 0o111)
        self.names: list[str] = []
        self.mounts: list[Path] = []
        self.numbers = itertools.count()
        self.netns = f"{GROUP}-{os.getpid()}"
        subprocess.run(["ip", "netns", "add", self.netns], check=True)
        subprocess.run(["ip", "-n", self.netns, "link", "set", "lo", "up"], check=True)  # CRIU looks what TCP can do
        subprocess.run(["ip", "-n", self.netns, "link", "add", bridge_of(of_agent), "type", "bridge"], check=True)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """What is started in it begins in the network namespace, at no cost of its own."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/self/ns/net", "rb") as home, open(f"/run/netns/{self.netns}", "rb") as there:
            if libc.setns(there.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"cannot enter {self.netns}")
            try:
                yield
            finally:
                libc.setns(home.fileno(), CLONE_NEWNET)

    def command(self, *words: str, cwd: str = "/") -> None:
        subprocess.run([RUNTIME, "--root", str(self.work / "records"), *words], cwd=cwd, check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def mount_root(self, path: Path) -> None:
        for name in ("upper", "work", "root"):
            (path / name).mkdir()
            os.chown(path / name, self.base, self.base)
        layers = f"lowerdir={self.root},upperdir={path / 'upper'},workdir={path / 'work'}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(path / "root")], check=True)
        self.mounts.append(path / "root")

    def bundle(self, name: str, link_waits: bool = True) -> Path:
        path = self.work / name
        path.mkdir()
        self.mount_root(path)
        (path / "console").touch(0o622)
        os.chown(path / "console", self.base, self.base)
        n = next(self.numbers)
        if link_waits:
            pair = ["link", "add", f"outer{n}", "type", "veth", "peer", "name", f"inner{n}"]
            subprocess.run(["ip", "-n", self.netns, *pair], check=True)
        (path / "config.json").write_text(json.dumps(bare_config(self.of_agent, path, f"inner{n}")))
        return path

    def run(self, name: str, bundle: Path) -> None:
        self.names.append(name)
        with self.inside():
            self.command("run", "-d", name, cwd=str(bundle))

    def pid(self, name: str) -> int:
        state = json.loads((self.work / "records" / name / "state.json").read_text())
        return int(state["init_process_pid"])

    def delete(self, name: str) -> None:
        self.names.remove(name)
        self.command("delete", "-f", name)
        root = self.work / name / "root"
        subprocess.run(["umount", str(root)], check=True)
        self.mounts.remove(root)

    def end(self) -> None:
        for name in list(self.names):
            self.delete(name)
        for root in self.mounts:
            subprocess.run(["umount", str(root)], check=False)
        subprocess.run(["ip", "netns", "del", self.netns], check=True)
        for controller in CONTROLLERS.glob(f"*/{GROUP}"):
            controller.rmdir()
        shutil.rmtree(self.work)
