"""Labs of real processes: PostgreSQL, droverd and agents in network namespaces, made by deploy/quickstart."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from http.client import HTTPException
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from lab_client import Api, ApiError  # noqa: E402  (needs the path above)
from lab_faults import alive  # noqa: E402  (and for those who import it from here)

BUILD = Path(os.environ.get("DROVER_BUILD", ROOT / "build-asan"))


def wait_for(what: str, check: Callable[[], Any], seconds: float = 30) -> Any:
    """The first true answer of check; fails naming what when the time is over."""
    end = time.monotonic() + seconds
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds} s for: {what}")
        time.sleep(0.05)  # between looks, not instead of them


class Lab:
    def __init__(self, folder: Path, hosts: int, vms: int, engine: str, containers: int = 0) -> None:
        self.dir, self.hosts, self.vms, self.engine, self.containers = folder, hosts, vms, engine, containers
        self.servers, self.database = 1, "single"
        self._api: Optional[Api] = None
        self._said: dict[str, str] = {}

    def quickstart(self, *words: str, env: Optional[dict[str, str]] = None) -> str:
        ran = subprocess.run(
            [str(ROOT / "deploy/quickstart"), "--dir", str(self.dir), *words],
            env={**os.environ, "DROVER_CRASH_DIR": self.crash_dir, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        if ran.returncode:
            pytest.fail(f"quickstart {' '.join(words)}: {ran.returncode}\n{ran.stdout}\n{ran.stderr}")
        return ran.stdout

    def up(self, env: Optional[dict[str, str]] = None) -> None:
        self.quickstart(
            "--build-dir", str(BUILD), "--engine", self.engine, "--hosts", str(self.hosts),
            "--vms", str(self.vms), "--containers", str(self.containers), "--servers", str(self.servers),
            "--database", self.database,
            "--no-save", "up", env=env,
        )

    def destroy(self) -> None:
        if (self.dir / "lab.conf").exists():
            self.quickstart("destroy")

    def setting(self, name: str) -> str:
        for line in (self.dir / "lab.conf").read_text().splitlines():
            key, _, value = line.partition("=")
            if key == name:
                return value
        raise KeyError(name)

    def setting_of(self, function: str) -> str:
        """What a function of deploy/lab.sh says of this lab; none changes its mind."""
        if function not in self._said:
            ran = subprocess.run(
                ["bash", "-c", f'source "{ROOT}/deploy/lab.sh"; {function} "{self.dir}"'],
                check=True, capture_output=True, text=True,
            )
            self._said[function] = ran.stdout.strip()
        return self._said[function]

    @property
    def crash_dir(self) -> str:
        """Where daemons look for what crash_at has told them, as they see it."""
        return f"{self.setting_of('lab_run_dir')}/crash"

    @property
    def port(self) -> int:
        return int(self.setting("port"))

    @property
    def password(self) -> str:
        return (self.dir / "password").read_text().strip()

    def anonymous(self) -> Api:
        return Api("127.0.0.1", self.port, str(self.dir / "ca/ca.pem"))

    def api(self) -> Api:
        """An administrator's connection; the login is kept."""
        if self._api is None:
            self._api = self.anonymous()
            self._api.login("admin", self.password)
        return self._api.clone()

    def pid(self, name: str) -> int:
        return int((self.dir / f"run/{name}.pid").read_text().split()[0])

    def kill(self, name: str, how: int = signal.SIGKILL) -> int:
        pid = self.pid(name)
        os.kill(pid, how)
        wait_for(f"{name} to be gone", lambda: not alive(pid))
        return pid

    def crash_at(self, name: str, point: str) -> int:
        """The daemon that runs under this name kills itself at the point; its pid."""
        pid = self.pid(name)
        (self.dir / "crash").mkdir(exist_ok=True)
        (self.dir / "crash" / str(pid)).write_text(point)
        return pid

    def start(self, name: str, crash_at: Optional[str] = None) -> None:
        """A daemon that was killed, alone and with the settings it had; the rest of the lab is up."""
        run_dir = self.setting_of("lab_run_dir")
        program, who = ("droverd", ["--user", "drover"])
        if not name.startswith("droverd"):
            program, who = ("drover-agent", ["--host", name.rsplit("-", 1)[1]])
        env = {**os.environ, "DROVER_CRASH_DIR": self.crash_dir}
        if crash_at:
            env["DROVER_CRASH_AT"] = crash_at
        subprocess.run(
            [str(ROOT / "deploy/lab-run.sh"), "start", str(self.dir), name, *who, "--",
             f"{run_dir}/bin/{program}", "--config", f"{run_dir}/etc/{name}.conf"],
            env=env, check=True, capture_output=True, timeout=60,
        )

    def healthy(self) -> bool:
        try:
            return self.anonymous().raw("GET", "/healthz", None, {})[0] == 200
        except (OSError, HTTPException):
            return False

    def wait_healthy(self, seconds: float = 60) -> None:
        wait_for("the server to answer", self.healthy, seconds)

    def all(self, plural: str, query: str = "") -> list[dict[str, Any]]:
        return self.api().get(f"/{plural}?limit=1000{query}")["items"]

    def find(self, plural: str, name: str) -> dict[str, Any]:
        for o in self.all(plural):
            if o["name"] == name:
                return o
        raise KeyError(f"no {name} among {plural}")

    def connected(self) -> int:
        return sum(h["connection_state"] == "connected" for h in self.all("hosts"))

    def linked(self) -> int:
        """Hosts that have a link now; "connected" are those too that are expected back."""
        return int(self.api().get("/system")["hosts_connected"])

    def restart_agent(self, name: str, crash_at: Optional[str] = None) -> None:
        """Kill it if it lives, start it; returns once the server has heard it, or it is killed again."""
        if alive(self.pid(name)):
            self.kill(name)
        wait_for(f"{name} to be missed", lambda: self.linked() < self.hosts)
        self.start(name, crash_at)
        wait_for(f"{name} to be heard", lambda: self.linked() == self.hosts or not alive(self.pid(name)))

    def restart_server(self) -> None:
        if alive(self.pid("droverd")):
            self.kill("droverd")
        self.start("droverd")
        self.wait_healthy()
        wait_for("the hosts", lambda: self.linked() == self.hosts)

    def sql(self, text: str) -> None:
        """As somebody would who got at the database behind the server's back."""
        subprocess.run(
            ["psql", "-q", "-v", "ON_ERROR_STOP=1", "-h", str(self.dir / "pg/socket"), "-U", "drover", "-d", "drover", "-c", text],
            check=True, capture_output=True, text=True,
        )

    def logs(self) -> str:
        return "\n".join(f"== {p.name}\n{p.read_text(errors='replace')[-4000:]}" for p in sorted((self.dir / "log").glob("*")))


def make_lab(hosts: int, vms: int, engine: str) -> Lab:
    return Lab(Path(tempfile.mkdtemp(prefix="drover-lab-")) / "lab", hosts, vms, engine)


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Three hosts with real machines, template tiny, no machine yet. One for each file."""
    if os.geteuid() != 0:
        pytest.skip("labs need root")
    made = make_lab(3, 0, "qemu")
    try:
        made.up()
        yield made
        if request.session.testsfailed:
            print(made.logs())
    finally:
        made.destroy()
        shutil.rmtree(made.dir.parent, ignore_errors=True)


@pytest.fixture
def api(lab: Lab) -> Api:
    return lab.api()


@pytest.fixture
def tiny(lab: Lab) -> dict[str, Any]:
    return lab.find("templates", "tiny")


def refused(code: str, words: str, run: Callable[..., Any], *args: Any) -> ApiError:
    """run must be refused with this code, and the message must say the words."""
    with pytest.raises(ApiError) as caught:
        run(*args)
    assert caught.value.code == code, caught.value
    assert re.search(words, caught.value.message), caught.value.message
    return caught.value
