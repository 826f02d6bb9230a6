"""Faults of a lab's hosts, and witnesses of what runs there: what the tests and the benchmarks of HA share."""
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Callable, Optional

from lab_client import lab_pid, lab_setting

LAB_SH = Path(__file__).resolve().parents[1] / "deploy/lab.sh"
GROUPS = Path("/sys/fs/cgroup")
LOOK_S = 0.02
GONE_S = 30

# What of a host's network to a server is cut.
OUT, IN, BOTH = "out", "in", "both"
# What of a host's storage: its writes, all of it, or all of it and nobody says so.
WRITES, ALL, HANGS = "writes", "all", "hangs"


def state_of(pid: int) -> str:
    """One letter of proc(5), "" for none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


def alive(pid: int) -> bool:
    return state_of(pid) not in ("", "Z", "X")


def until(what: str, check: Callable[[], Any], seconds: float = GONE_S) -> None:
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for: {what}")
        time.sleep(LOOK_S)  # between looks


def signal_all(pids: set[int], how: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            continue


class Hosts:
    """The hosts of a lab as somebody sees them who stands beside the machines."""

    def __init__(self, lab: Path) -> None:
        self.lab = lab
        self.count = int(lab_setting(lab, "hosts"))
        self.hung: dict[tuple[int, str], int] = {}
        self.name, self.group, self.run_dir = self.ask("lab_name"), self.ask("lab_cgroup"), self.ask("lab_run_dir")
        # One tree is enough where each controller has its own.
        trees = [GROUPS / "pids", GROUPS / "unified", GROUPS]
        self.tree = next(t for t in trees if (t / self.group).is_dir())

    def ask(self, function: str) -> str:
        """What a function of deploy/lab.sh says of the lab."""
        ran = subprocess.run(
            ["bash", "-c", f'source "{LAB_SH}"; {function} "{self.lab}"'], check=True, capture_output=True, text=True
        )
        return ran.stdout.strip()

    @property
    def numbers(self) -> range:
        return range(1, self.count + 1)

    # ---- what runs there ----

    def copies(self, host: int) -> dict[str, set[int]]:
        """The processes of each guest in the host's control groups."""
        found: dict[str, set[int]] = {}
        for folder, _, files in os.walk(self.tree / self.group / f"h{host}"):  # which come and go meanwhile
            guest = next((part for part in folder.split("/") if part.startswith("vm-")), "")
            if not guest or "cgroup.procs" not in files:
                continue
            try:
                pids = {int(p) for p in Path(folder, "cgroup.procs").read_text().split()}
            except OSError:
                continue
            found.setdefault(guest, set()).update(p for p in pids if alive(p))
        return {guest: pids for guest, pids in found.items() if pids}

    def pids_of(self, host: int, guest: str) -> set[int]:
        return self.copies(host).get(guest, set())

    def hosts_of(self, guest: str) -> list[int]:
        return [h for h in self.numbers if guest in self.copies(h)]

    def all_pids(self, host: int) -> set[int]:
        """The agent, its guards, its guests: what a host that loses its power takes along."""
        found = {lab_pid(self.lab, f"agent-{host}")} | {p for pids in self.copies(host).values() for p in pids}
        net = os.stat(f"/run/netns/{self.netns(host)}")
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                at = os.stat(entry / "ns/net")
            except OSError:
                continue
            if (at.st_dev, at.st_ino) == (net.st_dev, net.st_ino):
                found.add(int(entry.name))
        return {p for p in found if alive(p)}

    # ---- ends ----

    def kill(self, host: int) -> None:
        """All at once, and what a host keeps in memory: /run of one that boots is empty."""
        self.stop(host)  # or they would see each other die
        doomed = self.all_pids(host)
        signal_all(doomed, signal.SIGKILL)
        until(f"nothing of host {host} to be left", lambda: not any(alive(p) for p in doomed))
        for entry in (self.lab / f"hosts/{host}/run").iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def stop(self, host: int) -> set[int]:
        """Freeze all of it; who was frozen."""
        pids = self.all_pids(host)
        signal_all(pids, signal.SIGSTOP)
        return pids

    def start(self, host: int, wrap: tuple[str, ...] = (), env: Optional[dict[str, str]] = None) -> None:
        """Its agent, with the settings that it had."""
        self.launch(f"agent-{host}", "drover-agent", "--host", str(host), wrap=wrap, env=env)

    def freeze(self, host: int) -> None:
        """Its agent is about to be exchanged; returns once its guests are safe."""
        subprocess.run(
            [str(LAB_SH.with_name("lab-run.sh")), "exec", str(self.lab), "--host", str(host), "--",
             f"{self.run_dir}/bin/drover-agent", "--config", f"{self.run_dir}/etc/agent-{host}.conf", "--freeze"],
            check=True, capture_output=True, timeout=60,
        )

    def start_server(self, name: str) -> None:
        self.launch(name, "droverd", "--user", "drover")

    def launch(
        self, name: str, program: str, *who: str, wrap: tuple[str, ...] = (), env: Optional[dict[str, str]] = None
    ) -> None:
        """wrap: programs that become it."""
        subprocess.run(
            [str(LAB_SH.with_name("lab-run.sh")), "start", str(self.lab), name, *who, "--",
             *wrap, f"{self.run_dir}/bin/{program}", "--config", f"{self.run_dir}/etc/{name}.conf"],
            env={**os.environ, **(env or {})}, check=True, capture_output=True, timeout=60,
        )

    # ---- cuts ----

    def netns(self, host: int) -> str:
        return f"{self.name}-h{host}"

    def in_net(self, host: int, *words: str, text: str = "") -> str:
        """A program in the host's network, and what it says."""
        ran = subprocess.run(
            ["ip", "netns", "exec", self.netns(host), *words], input=text, text=True, check=True, capture_output=True
        )
        return ran.stdout

    def nft(self, host: int, text: str) -> None:
        self.in_net(host, "nft", "-f", "-", text=text)

    @property
    def server(self) -> str:
        """The servers' address in the lab."""
        return (self.lab / "net/subnet").read_text().strip() + ".1"

    def cut_server(self, host: int, way: str) -> None:
        """Nothing between the host and this machine, where the servers are; guests are let alone."""
        chains = {
            OUT: f"chain out {{ type filter hook output priority 0; ip daddr {self.server} drop; }};",
            IN: f"chain in {{ type filter hook input priority 0; ip saddr {self.server} drop; }};",
        }
        wanted = chains.values() if way == BOTH else [chains[way]]
        self.nft(host, f"table ip cut {{ {' '.join(wanted)} }}")

    def mend_server(self, host: int) -> None:
        self.nft(host, "add table ip cut; delete table ip cut")

    def in_view(self, host: int, line: str, check: bool = True, pass_fds: tuple[int, ...] = ()) -> None:
        """In the agent's view of the files."""
        pid = lab_pid(self.lab, f"agent-{host}")
        subprocess.run(
            ["nsenter", f"--mount=/proc/{pid}/ns/mnt", "bash", "-c", line],
            check=check, capture_output=True, text=True, pass_fds=pass_fds,
        )

    def cut_store(self, host: int, what: str, store: str = "shared") -> None:
        """The datastore as one that was lost: not there any more, not to be written, or one that answers nothing.

        What the host has open of it stays so: guests may still write, and must be ended."""
        path = f"{self.run_dir}/ds/{store}"
        if what == ALL:
            self.in_view(host, f"mount -t tmpfs none {path}")
        elif what == HANGS:
            # A file system whose server takes no request: whoever asks waits until it is closed.
            fd = self.hung[host, store] = os.open("/dev/fuse", os.O_RDWR)
            options = f"fd={fd},rootmode=40000,user_id=0,group_id=0"
            self.in_view(host, f"mount -i -t fuse none {path} -o {options}", pass_fds=(fd,))
        else:
            self.in_view(host, f"mount --bind {path} {path} && mount -o remount,bind,ro {path}")

    def mend_store(self, host: int, store: str = "shared") -> None:
        if (host, store) in self.hung:
            os.close(self.hung.pop((host, store)))
        # The lab's folder may be in it twice, by its own path too.
        self.in_view(host, f"umount -l {self.run_dir}/ds/{store}", check=False)


class Witness:
    """Looks all the time whether a guest has processes on two hosts at once."""

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts
        self.twice: list[str] = []
        self.looks = 0
        self.failure: Optional[BaseException] = None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def look(self) -> None:
        seen: dict[str, dict[int, set[int]]] = {}
        for host in self.hosts.numbers:
            for guest, pids in self.hosts.copies(host).items():
                seen.setdefault(guest, {})[host] = pids
        for guest, on in seen.items():
            # The looks at two hosts were not at one moment.
            on = {h: living for h, pids in on.items() if (living := {p for p in pids if alive(p)})}
            if len(on) > 1:
                self.twice.append(f"{time.monotonic():.2f} {guest}: {on}")
        self.looks += 1

    def watch(self) -> None:
        try:
            while not self.over.wait(LOOK_S):
                self.look()
        except BaseException as e:  # whoever asks is to know that nobody looked
            self.failure = e

    def __enter__(self) -> "Witness":
        self.thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.over.set()
        self.thread.join()

    def check(self) -> None:
        assert self.failure is None, self.failure
        assert self.looks > 20 and self.twice == [], self.twice[:5]


class LockWitness:
    """The kernel's word: each machine's process holds a lock that a second copy would not get.

    It stands between agent and QEMU as a program of its own; the lock lasts exactly as long as the process that it
    becomes, whatever holds that up."""

    def __init__(self, lab: Path, run_dir: str) -> None:
        self.folder = lab / "witness"
        self.folder.mkdir(mode=0o1777)
        self.folder.chmod(0o1777)
        seen = f"{run_dir}/witness"
        program = lab / "bin/witness-qemu"
        program.write_text(
            "#!/bin/bash\n"
            "real=$(command -v qemu-system-x86_64)\n"
            'for word; do [[ $word != guest=vm-* ]] || { vm=${word#guest=}; vm=${vm%%,*}; }; done\n'
            '[[ -n ${vm:-} && " $* " != *" -incoming "* ]] || exec "$real" "$@"\n'
            f'exec {{lock}}>>"{seen}/$vm"\n'
            f'flock -n "$lock" || echo "$vm" >>"{seen}/second"\n'
            f'echo "$vm" >>"{seen}/starts"\n'
            'exec "$real" "$@"\n'
        )
        program.chmod(0o755)
        for name in ("second", "starts"):
            (self.folder / name).touch()
            (self.folder / name).chmod(0o666)
        self.program = f"{run_dir}/bin/witness-qemu"

    def install(self, conf: Path) -> None:
        """In an agent's settings, whose last section is that of QEMU."""
        text = conf.read_text()
        assert text.rstrip().rsplit("[", 1)[1].startswith("engine.qemu]"), text
        conf.write_text(f"{text.rstrip()}\nbinary = {self.program}\n")

    def starts(self) -> list[str]:
        return (self.folder / "starts").read_text().split()

    def check(self) -> None:
        second = (self.folder / "second").read_text().split()
        assert not second, f"a second copy of {', '.join(second)}"
        assert self.starts(), "no machine was started with a lock"
