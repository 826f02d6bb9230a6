"""What hosts have to bear for a while: faults that nobody is to be fenced for, and one that somebody is."""
import os
import queue
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from typing import Any, Optional

from conftest import BUILD
from lab_faults import Hosts

HOUR_S, TEN_YEARS_S = 3600, 10 * 365 * 86400
BEAR_S = 20  # three leases
DELAY_S = 2.0


RUNS, MOVES, EITHER = "runs on", "runs elsewhere", "runs on, or once more"


class Ordeal:
    """begin, turn again and again, heal; what becomes of the guest."""

    what = ""
    guest = RUNS

    def __init__(self, lab: Any, hosts: Hosts, number: int, spare: int) -> None:
        self.lab, self.hosts, self.number, self.spare = lab, hosts, number, spare
        self.agent = f"agent-{number}"
        self.conf = hosts.lab / f"etc/{self.agent}.conf"

    def begin(self) -> None:
        raise NotImplementedError

    def turn(self, since_s: float) -> None:
        """What has to be done all the while."""

    def heal(self) -> None:
        raise NotImplementedError

    def proof(self) -> str:
        """That it was one; "" if it was none."""
        return self.what

    def exchange(self, wrap: tuple[str, ...] = (), env: Optional[dict[str, str]] = None) -> None:
        """The agent by another, as a package does it."""
        self.hosts.freeze(self.number)
        self.lab.kill(self.agent, signal.SIGTERM)
        self.hosts.start(self.number, wrap, env)


class Exchanged(Ordeal):
    what = "its agent is away, after --freeze"

    def begin(self) -> None:
        self.hosts.freeze(self.number)
        self.lab.kill(self.agent, signal.SIGTERM)

    def heal(self) -> None:
        self.hosts.start(self.number)


class Gone(Ordeal):
    what = "its agent was killed"
    guest = MOVES

    def begin(self) -> None:
        self.lab.kill(self.agent)

    def heal(self) -> None:
        self.hosts.start(self.number)


class Lossy(Ordeal):
    what = "30 % of what goes between it and the server is lost"

    def begin(self) -> None:
        server = self.hosts.server
        self.hosts.nft(self.number, "\n".join([
            "table ip lossy {",
            f"chain out {{ type filter hook output priority 0; ip daddr {server} numgen random mod 100 < 30 counter drop; }}",
            f"chain in {{ type filter hook input priority 0; ip saddr {server} numgen random mod 100 < 30 counter drop; }}",
            "}",
        ]))

    def heal(self) -> None:
        self.hosts.nft(self.number, "delete table ip lossy")

    def proof(self) -> str:
        ran = self.hosts.in_net(self.number, "nft", "list", "table", "ip", "lossy")
        dropped = sum(int(n) for n in re.findall(r"packets (\d+)", ran))
        return f"{dropped} packets were lost" if dropped else ""


class Narrow(Ordeal):
    what = "256 kbit/s, both ways"

    def begin(self) -> None:
        for netns, link in self.ends():
            self.tc(netns, "add", "dev", link, "root", "tbf", "rate", "256kbit", "burst", "4kb", "latency", "4s")

    def heal(self) -> None:
        for netns, link in self.ends():
            self.tc(netns, "del", "dev", link, "root")

    def ends(self) -> list[tuple[str, str]]:
        return [(self.hosts.netns(self.number), "uplink"), (f"{self.hosts.name}-sw", f"h{self.number}")]

    def tc(self, netns: str, *words: str) -> None:
        subprocess.run(["ip", "netns", "exec", netns, "tc", "qdisc", *words], check=True, capture_output=True)


class Slow(Ordeal):
    what = "each byte to and from the server takes two seconds"

    def begin(self) -> None:
        self.text = self.conf.read_text()
        found = re.search(r"(?m)^address = ([\d.]+):(\d+)$", self.text)
        assert found, self.text
        self.wire = SlowWire((found[1], 0), (found[1], int(found[2])), DELAY_S)
        self.conf.write_text(self.text.replace(found[0], f"address = {found[1]}:{self.wire.port}"))
        self.exchange()

    def heal(self) -> None:
        self.conf.write_text(self.text)
        self.exchange()
        self.wire.close()

    def proof(self) -> str:
        return f"{self.wire.carried} bytes were late" if self.wire.carried else ""


class Twin(Ordeal):
    """The disk of a host that was cloned while it ran starts on another machine, which has other processes and groups."""

    what = "a copy of its disk is started elsewhere"

    def begin(self) -> None:
        home, twin = self.hosts.lab / f"hosts/{self.number}", self.hosts.lab / f"hosts/{self.number}-twin"
        shutil.copytree(home, twin, ignore=shutil.ignore_patterns("run", "lock"), symlinks=True)
        (twin / "run").mkdir()
        self.name = f"{self.agent}-twin"
        text = self.conf.read_text().replace(f"/hosts/{self.number}/", f"/hosts/{self.number}-twin/")
        (self.hosts.lab / f"etc/{self.name}.conf").write_text(text)
        hide = f"for g in /sys/fs/cgroup/*/{self.hosts.group}/h{self.number}; do mount -t tmpfs none $g; done; exec \"$@\""
        self.hosts.launch(
            self.name, "drover-agent", "--host", str(self.spare),
            wrap=("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", hide, "twin"),
        )

    def heal(self) -> None:
        self.lab.kill(self.name)

    def proof(self) -> str:
        """It is refused by the leader, and finds on the datastore that somebody else is what it says to be."""
        told = [e["message"] for e in self.lab.all("events") if e["type"] == "HostConnectionRefusedEvent"]
        log = (self.hosts.lab / f"log/{self.name}.log").read_text()
        both = any("two agents have its identity" in m for m in told) and "another agent" in log
        return "refused, and no lease" if both else ""


class WrongTime(Ordeal):
    """Its agent has another time of day, which jumps."""

    what = "its wall clock jumps by an hour and ten years, to and fro"
    shifts = (HOUR_S, -HOUR_S, TEN_YEARS_S, -TEN_YEARS_S, 0)

    def begin(self) -> None:
        self.file = self.hosts.lab / "wall-shift"
        self.set(0)
        self.exchange(("env", f"LD_PRELOAD={BUILD}/bin/wall_shift.so"), {
            "WALL_SHIFT": f"{self.hosts.run_dir}/wall-shift",
            "ASAN_OPTIONS": "verify_asan_link_order=0",
        })

    def set(self, seconds: int) -> None:
        self.shift = seconds
        with open(self.file, "r+b" if self.file.exists() else "wb") as f:
            f.write(struct.pack("q", seconds))

    def turn(self, since_s: float) -> None:
        # Some seconds of each; towards the end it does not stand still.
        shift = self.shifts[int(since_s / 3 if since_s < 12 else since_s * 10) % len(self.shifts)]
        if shift != self.shift:
            self.set(shift)
            os.kill(self.lab.pid(self.agent), signal.SIGHUP)  # it says at what time it has heard of that

    def heal(self) -> None:
        self.set(0)
        self.exchange()

    def proof(self) -> str:
        this_year = time.gmtime().tm_year
        years = {int(y) for y in re.findall(r"(?m)ts=(\d{4})-", (self.hosts.lab / f"log/{self.agent}.log").read_text())}
        return f"its log is of {sorted(years)}" if any(abs(y - this_year) > 8 for y in years) else ""


class CrashLoop(Ordeal):
    """Whether one of them lives for long enough to have a lease renewed is the machine's business."""

    what = "its agent is killed every other second"
    guest = EITHER

    def begin(self) -> None:
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.crash, daemon=True)
        self.starts = 0
        self.thread.start()

    def crash(self) -> None:
        while not self.over.wait(2):
            self.lab.kill(self.agent)
            self.hosts.start(self.number)
            self.starts += 1

    def heal(self) -> None:
        self.over.set()
        self.thread.join()

    def proof(self) -> str:
        return f"{self.starts} agents" if self.starts > 2 else ""


class SlowWire:
    """TCP connections, in which each byte is on its way for so long."""

    def __init__(self, at: tuple[str, int], to: tuple[str, int], delay_s: float) -> None:
        self.to, self.delay_s, self.carried = to, delay_s, 0
        self.listener = socket.create_server(at)
        self.port = int(self.listener.getsockname()[1])
        self.open: list[socket.socket] = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                near = self.listener.accept()[0]
                far = socket.create_connection(self.to)
            except OSError:
                return  # closed
            self.open += [near, far]
            self.carry(near, far)
            self.carry(far, near)

    def carry(self, source: socket.socket, target: socket.socket) -> None:
        late: "queue.Queue[tuple[float, bytes]]" = queue.Queue()

        def read() -> None:
            data = b"?"
            while data:
                try:
                    data = source.recv(65536)
                except OSError:
                    data = b""
                late.put((time.monotonic() + self.delay_s, data))

        def write() -> None:
            data = b"?"
            while data:
                due, data = late.get()
                time.sleep(max(0.0, due - time.monotonic()))  # this is what it is for
                self.carried += len(data)
                try:
                    if data:
                        target.sendall(data)
                    else:
                        target.shutdown(socket.SHUT_WR)
                except OSError:
                    return

        for run in (read, write):
            threading.Thread(target=run, daemon=True).start()

    def close(self) -> None:
        for s in (self.listener, *self.open):
            s.close()


# Begun in this order and healed the other way round: nobody may be away for a whole minute.
ORDEALS: list[type[Ordeal]] = [Slow, WrongTime, Twin, CrashLoop, Lossy, Narrow, Gone, Exchanged]
