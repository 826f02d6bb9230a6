"""droverd by itself: starting, stopping, leading, and what it does without its database."""
import http.client
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Iterator, Optional

import pytest
from conftest import BUILD, ROOT, wait_for
from lab_client import Api, ApiError

POSTGRES = Path("/usr/lib/postgresql/15/bin")
DEADLINE_MS = 1000
PASSWORD = "long enough"


class Postgres:
    """A database server of the test's own, on a socket in its folder only."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.process = folder, None  # type: Path, Optional[subprocess.Popen[bytes]]
        self.user: dict[str, Any] = {}
        if os.geteuid() == 0:
            self.user = {"user": "postgres", "group": pwd.getpwnam("postgres").pw_gid, "extra_groups": []}
            folder.mkdir()
            shutil.chown(folder, "postgres")
        self.run("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    def run(self, program: str, *words: str) -> None:
        subprocess.run([POSTGRES / program, *words], cwd="/", check=True, capture_output=True, **self.user)

    def start(self) -> None:
        self.process = subprocess.Popen(
            [POSTGRES / "postgres", "-D", self.folder / "data", "-k", self.folder, "-h", ""],
            cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.user,
        )
        ready = [str(POSTGRES / "pg_isready"), "-q", "-h", str(self.folder)]
        wait_for("PostgreSQL", lambda: subprocess.run(ready).returncode == 0)

    def stop(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)
            self.process = None


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Server:
    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.port = folder, free_port()
        self.log = folder / f"{name}.log"
        self.conf = folder / f"{name}.conf"
        self.notes = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notes.bind(str(folder / f"{name}.notify"))
        self.notes.settimeout(60)
        self.process: Optional[subprocess.Popen[bytes]] = None
        self.conf.write_text(
            f"[database]\nconninfo = host={folder}/pg user=postgres dbname=postgres\n"
            f"deadline_ms = {DEADLINE_MS}\nmigrations = {ROOT}/db/migrations\n"
            f"[listen]\naddress = 127.0.0.1\nport = {self.port}\n"
            f"[agents]\naddress = 127.0.0.1\nport = 0\n"
            f"[tls]\ncert = {folder}/pki/server.pem\nkey = {folder}/pki/server.key\n"
            f"ca = {folder}/pki/ca.pem\nca_key = {folder}/pki/ca.key\n"
            f"[stats]\ndir = {folder}/stats\n"
        )

    def command(self, *words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [BUILD / "bin/droverd", "--config", self.conf, *words],
            input=stdin, text=True, capture_output=True, timeout=60,
        )

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [BUILD / "bin/droverd", "--config", self.conf], stderr=log,
                env={**os.environ, "NOTIFY_SOCKET": self.notes.getsockname()},
            )

    def ready(self) -> None:
        assert self.notes.recv(100) == b"READY=1"

    def end(self) -> int:
        assert self.process
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(30)

    def api(self) -> Api:
        return Api("127.0.0.1", self.port, str(self.folder / "pki/ca.pem"))

    def page(self, path: str) -> tuple[int, str]:
        """Status and whereto it leads."""
        conn = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.api().context)
        conn.request("GET", path)
        res = conn.getresponse()
        res.read()
        conn.close()
        return res.status, res.getheader("location", "")

    def admin(self) -> Api:
        api = self.api()
        api.login("admin", PASSWORD)
        return api


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    if not (POSTGRES / "initdb").exists():
        pytest.skip("PostgreSQL 15 is not installed")
    made = Path(tempfile.mkdtemp(prefix="drover-server-"))
    made.chmod(0o755)
    for words in (["mkca.sh", made / "pki"], ["mkcert.sh", made / "pki", "server", "DNS:localhost", "IP:127.0.0.1"]):
        subprocess.run([ROOT / "deploy/tls" / words[0], *words[1:]], check=True, capture_output=True)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def postgres(folder: Path) -> Iterator[Postgres]:
    made = Postgres(folder / "pg")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def server(folder: Path, postgres: Postgres) -> Iterator[Server]:
    made = Server(folder, "first")
    made.command("--init-admin", "admin", stdin=PASSWORD + "\n")
    made.start()
    made.ready()
    yield made
    assert made.end() == 0, made.log.read_text()
    (folder / "first.notify").unlink()


def test_settings_are_checked(folder: Path, postgres: Postgres) -> None:
    server = Server(folder, "checked")
    assert server.command("--check").returncode == 0
    for setting, why in [
        ("listen.prot=1", "listen.prot"),
        ("listen.port=65536", "listen.port"),
        ("log.level=loud", "loud"),
        ("tls.key=/nowhere/x.key", "/nowhere/x.key"),
        ("tls.cert=", "tls.cert is not set"),
    ]:
        ran = server.command("--set", setting, "--check")
        assert ran.returncode != 0 and why in ran.stderr, (setting, ran.stderr)
    sample = server.command("--print-config").stdout
    server.conf.write_text(re.sub(r"(?m)^#(\w+ =)", r"\1", sample))
    assert "tls.cert is not set" in server.command("--check").stderr


def test_first_administrator_is_made_once(folder: Path, postgres: Postgres) -> None:
    server = Server(folder, "admin")
    for words, stdin, why in [
        (["--init-admin", "admin"], "short\n", "password"),
        (["--init-admin", "admin"], "", "password"),
        (["--init-admin", "a/b"], PASSWORD, "user name"),
        (["--init-admin", "admin", "--password-file", "/nowhere/pw"], "", "/nowhere/pw"),
    ]:
        ran = server.command(*words, stdin=stdin)
        assert ran.returncode != 0 and why in ran.stderr, ran.stderr
    ran = server.command("--init-admin", "admin", stdin=PASSWORD + "\n")
    assert ran.returncode == 0, ran.stderr
    assert "exists already" in server.command("--init-admin", "admin", stdin=PASSWORD).stderr
    assert "administrator already" in server.command("--init-admin", "other", stdin=PASSWORD).stderr


def test_reload_and_orderly_stop(server: Server) -> None:
    assert server.process
    server.conf.write_text(server.conf.read_text() + "[log]\nlevel = debug\n[session]\nmax_h = 3\n")
    server.process.send_signal(signal.SIGHUP)
    wait_for("the settings to be read", lambda: "settings read again" in server.log.read_text())
    assert "session.max_h was changed" in server.log.read_text()
    server.conf.write_text("[nonsense]\nkey = 1\n")
    server.process.send_signal(signal.SIGHUP)
    wait_for("the refusal", lambda: "the settings stay as they were" in server.log.read_text())
    assert server.end() == 0
    assert server.notes.recv(100) == b"STOPPING=1"


def test_second_server_follows_the_first(folder: Path, server: Server) -> None:
    second = Server(folder, "second")
    second.start()
    second.ready()
    assert "following epoch" in second.log.read_text()
    assert second.api().raw("GET", "/healthz", None, {})[0] == 503
    with pytest.raises(ApiError) as caught:
        second.api().get("/datacenters")
    assert caught.value.code == "unavailable" and f"127.0.0.1:{server.port} leads" in caught.value.message
    seen, led = second.api().get("/system/leader"), server.api().get("/system/leader")
    assert (seen["state"], led["state"]) == ("following", "leading")
    assert seen["epoch"] == led["epoch"] and seen["address"] == f"127.0.0.1:{server.port}"
    assert second.page("/hosts") == (307, f"https://127.0.0.1:{server.port}/hosts")
    assert second.page("/a%3cb") == (307, f"https://127.0.0.1:{server.port}/")
    ran = second.command("--init-admin", "late", stdin=PASSWORD)
    assert ran.returncode != 0 and "is at work on this database" in ran.stderr
    server.admin().call("POST", "/datacenters", {"name": "handed over"})
    assert server.end() == 0
    second.ready()
    names = [d["name"] for d in second.admin().get("/datacenters")["items"]]
    assert "handed over" in names
    assert second.end() == 0


def test_restored_database_goes_on_higher(folder: Path, postgres: Postgres) -> None:
    server = Server(folder, "restored")
    server.start()
    server.ready()
    before = server.admin().get("/system/leader")["epoch"]
    number = int(server.admin().call("POST", "/datacenters", {"name": "before"})["id"].split("-")[1])
    ran = server.command("--restored")
    assert ran.returncode != 0 and "is at work on this database" in ran.stderr
    assert server.end() == 0
    ran = server.command("--restored")
    assert ran.returncode == 0 and "HA is off" in ran.stdout, ran.stderr
    server.start()
    while server.notes.recv(100) != b"READY=1":
        pass
    assert server.admin().get("/system/leader")["epoch"] > before + 1000000
    made = server.admin().call("POST", "/datacenters", {"name": "after"})
    assert int(made["id"].split("-")[1]) > number + 1000000
    assert server.admin().get("/audit/check")["whole"]
    assert server.end() == 0


class Writer(threading.Thread):
    """Makes datacenters one after the other until told to stop."""

    def __init__(self, server: Server, token: str, number: int) -> None:
        super().__init__()
        self.api, self.number, self.stopped = server.api(), number, False
        self.api.token = token
        self.acked: list[str] = []
        self.refused: dict[str, tuple[float, float]] = {}  # begun, lasted
        self.other: list[str] = []

    def run(self) -> None:
        i = 0
        while not self.stopped:
            name = f"storm-{self.number}-{i}"
            i += 1
            begun = time.monotonic()
            try:
                self.api.call("POST", "/datacenters", {"name": name})
                self.acked.append(name)
            except ApiError as e:
                if e.code == "unavailable":
                    self.refused[name] = (begun, time.monotonic() - begun)
                else:
                    self.other.append(str(e))
            except (OSError, http.client.HTTPException):
                return  # the server was killed


def test_outage_of_the_database_under_load(server: Server, postgres: Postgres) -> None:
    api = server.admin()
    writers = [Writer(server, api.token, n) for n in range(4)]
    for w in writers:
        w.start()
    try:
        wait_for("writes", lambda: all(len(w.acked) > 20 for w in writers))
        postgres.stop()
        gone = time.monotonic()
        assert api.get("/system")["database"].startswith("unavailable: ")
        wait_for("refusals", lambda: sum(len(w.refused) for w in writers) >= 8)
        before = [len(w.acked) for w in writers]
        postgres.start()
        wait_for("writes again", lambda: all(len(w.acked) > b + 20 for w, b in zip(writers, before)))
    finally:
        for w in writers:
            w.stopped = True
        for w in writers:
            w.join()
    assert not [o for w in writers for o in w.other]
    refused = {name: times for w in writers for name, times in w.refused.items()}
    assert all(lasted < DEADLINE_MS / 1000 + 1.5 for _, lasted in refused.values())
    names = set()
    for offset in range(0, 100000, 1000):
        page = api.get(f"/datacenters?limit=1000&offset={offset}")["items"]
        names |= {d["name"] for d in page}
        if not page:
            break
    acked = {n for w in writers for n in w.acked}
    assert acked <= names
    # Only of what was on its way in the moment of the break was the outcome unknown.
    assert all(refused[n][0] < gone for n in names - acked if n.startswith("storm-"))
    types = [e["type"] for e in api.get("/events?limit=1000")["items"]]
    assert types.count("DatabaseUnavailableEvent") == 1 and types.count("DatabaseAvailableEvent") == 1
    assert server.process and server.process.poll() is None


def test_acknowledged_writes_survive_a_kill(server: Server) -> None:
    api = server.admin()
    writers = [Writer(server, api.token, n + 10) for n in range(2)]
    for w in writers:
        w.daemon = True
        w.start()
    wait_for("writes", lambda: all(len(w.acked) > 20 for w in writers))
    assert server.process
    server.process.kill()
    server.process.wait()
    for w in writers:
        w.stopped = True
    acked = {n for w in writers for n in w.acked}
    server.start()
    server.ready()
    page = server.admin().get("/datacenters?limit=1000&q=storm-1")
    assert acked <= {d["name"] for d in page["items"]}


def test_a_new_password_ends_tokens_for_good(server: Server) -> None:
    admin = server.admin()
    user = admin.call("POST", "/users", {"name": "robbed", "password": PASSWORD, "role": "operator"})
    theirs = server.api()
    theirs.login("robbed", PASSWORD)
    theirs.token = theirs.call("POST", "/tokens", {"name": "the thief's"})["token"]
    assert theirs.get("/sessions/current")["user"] == "robbed"
    admin.call("PATCH", f"/users/{user['id']}", {"password": PASSWORD + " now"})
    with pytest.raises(ApiError, match="unauthenticated"):
        theirs.get("/sessions/current")
    assert server.process
    server.process.kill()
    server.process.wait()
    server.start()
    server.ready()
    with pytest.raises(ApiError, match="unauthenticated"):
        theirs.clone().get("/sessions/current")


@pytest.fixture
def small(folder: Path) -> Iterator[Path]:
    """A file system on which there is little room, for a database of its own."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    made = folder / "small"
    made.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m,mode=755", "none", str(made)], check=True)
    (made / "pki").symlink_to(folder / "pki")
    yield made
    subprocess.run(["umount", str(made)], check=True)


def fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as f:
        try:
            while True:
                f.write(b"\0" * 65536)
        except OSError:
            pass


def test_full_disk_of_the_database(small: Path) -> None:
    """Changes are refused, reading goes on, and what was acknowledged is there once there is room."""
    database = Postgres(small / "pg")
    database.start()
    server = Server(small, "full")
    server.command("--init-admin", "admin", stdin=PASSWORD + "\n")
    server.start()
    server.ready()
    acked: list[str] = []
    refused: list[ApiError] = []
    api = server.admin()

    def write() -> None:
        name = f"dc-{len(acked) + len(refused)}"
        try:
            api.call("POST", "/datacenters", {"name": name})
            acked.append(name)
        except ApiError as e:
            refused.append(e)

    try:
        write()
        fill(small / "ballast")
        wait_for("a write to be refused", lambda: write() or refused, 60)
        assert api.get("/datacenters?limit=1")["items"]
        (small / "ballast").unlink()
        taken = len(acked)
        wait_for("writes to be taken", lambda: write() or len(acked) > taken + 3)
        assert {e.code for e in refused} == {"unavailable"}, refused[:3]
        wait_for("all to be there", lambda: set(acked) <= {d["name"] for d in api.get("/datacenters?limit=1000")["items"]})
    finally:
        ended = server.end()
        server.notes.close()  # or the file system stays in use
        database.stop()
    assert ended == 0, server.log.read_text()
