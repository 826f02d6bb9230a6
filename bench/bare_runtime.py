"""Containers by the runtime alone, from ready bundles: what ours are measured against.

The bundles have the namespaces, mounts and rights that the agent gives a container; they lack
its network card, its limits and its layers."""
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

RUNTIME = "/usr/sbin/runc"
GROUP = "drover-bench"
CONTROLLERS = Path("/sys/fs/cgroup")


def bare_config(of_agent: dict[str, Any], root: Path, name: str) -> dict[str, Any]:
    """The same without what the agent's stage prepares: wires, console, layers."""
    config = json.loads(json.dumps(of_agent))
    config.pop("hooks", None)
    config.pop("annotations", None)
    config["process"]["args"] = ["/sbin/init"]
    config["root"] = {"path": str(root), "readonly": False}
    config["mounts"] = [m for m in config["mounts"] if m["type"] != "bind"]
    config["linux"]["cgroupsPath"] = f"/{GROUP}/{name}"
    config["linux"]["devices"] = []
    return config


class Bare:
    """Bundles on one root, unpacked from a template's archive."""

    def __init__(self, work: Path, archive: Path, of_agent: dict[str, Any]) -> None:
        self.work, self.of_agent = work, of_agent
        self.root = work / "root"
        self.root.mkdir(parents=True)
        subprocess.run(["tar", "-xf", str(archive), "-C", str(self.root)], check=True)
        base = of_agent["linux"]["uidMappings"][0]["hostID"]
        subprocess.run(["chown", "-R", f"{base}:{base}", str(self.root)], check=True)
        for folder in [self.root, *self.root.resolve().parents]:
            if folder != Path("/tmp") and folder != Path("/"):
                folder.chmod(folder.stat().st_mode | 0o111)
        self.names: list[str] = []

    def command(self, *words: str, cwd: str = "/") -> None:
        subprocess.run([RUNTIME, "--root", str(self.work / "records"), *words], cwd=cwd, check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def bundle(self, name: str) -> Path:
        path = self.work / name
        path.mkdir()
        (path / "config.json").write_text(json.dumps(bare_config(self.of_agent, self.root, name)))
        return path

    def run(self, name: str, bundle: Path) -> None:
        self.names.append(name)
        self.command("run", "-d", name, cwd=str(bundle))

    def pid(self, name: str) -> int:
        state = json.loads((self.work / "records" / name / "state.json").read_text())
        return int(state["init_process_pid"])

    def delete(self, name: str) -> None:
        self.names.remove(name)
        self.command("delete", "-f", name)

    def end(self) -> None:
        for name in list(self.names):
            self.delete(name)
        for controller in CONTROLLERS.glob(f"*/{GROUP}"):
            controller.rmdir()
        shutil.rmtree(self.work)
