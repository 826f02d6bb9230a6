"""What the benchmarks and the integration tests share: a lab's server over HTTPS."""
import argparse
import http.client
import json
import os
import ssl
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Optional


IDLE_S = 30


class ApiError(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message = status, code, message


class Api:
    """One keep-alive connection with a bearer token."""

    def __init__(self, address: str, port: int, ca: str, token: str = "") -> None:
        self.address, self.port, self.ca, self.token = address, port, ca, token
        self.context = ssl.create_default_context(cafile=ca)
        self.conn: Optional[http.client.HTTPSConnection] = None
        self.used = 0.0

    def clone(self) -> "Api":
        return Api(self.address, self.port, self.ca, self.token)

    def login(self, user: str, password: str) -> Any:
        answer = self.call("POST", "/sessions", {"user": user, "password": password})
        self.token = answer["token"]
        return answer

    def raw(self, method: str, path: str, body: Optional[bytes], headers: dict[str, str]) -> tuple[int, bytes]:
        # The server closes what is idle for a minute; a request must not cross that.
        if self.conn and time.monotonic() - self.used > IDLE_S:
            self.conn.close()
            self.conn = None
        self.used = time.monotonic()
        if self.conn is None:
            self.conn = http.client.HTTPSConnection(self.address, self.port, context=self.context, timeout=70)
        if self.token:
            headers.setdefault("Authorization", "Bearer " + self.token)
        try:
            self.conn.request(method, path, body, headers)
            res = self.conn.getresponse()
            return res.status, res.read()
        except (OSError, http.client.HTTPException):
            self.conn.close()
            self.conn = None
            raise

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        status, text = self.raw(method, "/api/v1" + path, data, headers)
        answer = json.loads(text)
        if status >= 400:
            fault = answer["error"]
            raise ApiError(status, fault["code"], fault["message"])
        return answer

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def wait(self, task: dict[str, Any], seconds: float = 120) -> dict[str, Any]:
        """The task once it has ended; an ApiError when it failed."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            task = self.get(f"/tasks/{task['id']}?wait_ms=10000")
            if task["state"] == "success":
                return task
            if task["state"] == "error":
                raise ApiError(0, task["error_code"], task["error_message"])
        raise TimeoutError(f"{task['name']} ({task['id']}) is still {task['state']} at {task['step']}")

    def do(self, method: str, path: str, body: Any = None, seconds: float = 120) -> dict[str, Any]:
        """Submit a task and wait for its end."""
        return self.wait(self.call(method, path, body)["task"], seconds)


def saved(name: Optional[str] = None) -> Api:
    """The server that the shell would use."""
    path = Path(os.environ.get("DROVER_SERVERS", Path.home() / ".config/drover/servers.json"))
    book = json.loads(path.read_text())
    entry = book["servers"][name or book["default"]]
    return Api(entry["address"], entry["port"], entry["ca"], entry["token"])


def lab_setting(lab: Path, name: str) -> str:
    for line in (lab / "lab.conf").read_text().splitlines():
        key, _, value = line.partition("=")
        if key == name:
            return value
    raise KeyError(name)


def lab_pid(lab: Path, name: str) -> int:
    """The process of a lab's daemon."""
    return int((lab / f"run/{name}.pid").read_text().split()[0])


def lab_api(lab: Path) -> Api:
    """An administrator's connection to the lab in a folder."""
    api = Api("127.0.0.1", int(lab_setting(lab, "port")), str(lab / "ca/ca.pem"))
    api.login("admin", (lab / "password").read_text().strip())
    return api


class Servers:
    """Those of a lab, of which one leads."""

    def __init__(self, lab: Path) -> None:
        self.lab, self.token = lab, ""

    def servers(self) -> list[str]:
        count = int(lab_setting(self.lab, "servers"))
        return ["droverd", *(f"droverd-{n}" for n in range(2, count + 1))]

    def port(self, name: str) -> int:
        return int(lab_setting(self.lab, "port")) + 2 * self.servers().index(name)

    def at(self, name: str) -> Api:
        return Api("127.0.0.1", self.port(name), str(self.lab / "ca/ca.pem"), self.token)

    def leads(self, name: str) -> bool:
        try:
            return self.at(name).raw("GET", "/healthz", None, {})[0] == 200
        except OSError:
            return False

    def leader(self, seconds: float = 120) -> tuple[str, Api]:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for name in self.servers():
                if self.leads(name):
                    api = self.at(name)
                    if not self.token:
                        api.login("admin", (self.lab / "password").read_text().strip())
                        self.token = api.token
                    return name, api
            time.sleep(0.05)  # between looks
        raise TimeoutError("no server leads")


def everything(api: Api, plural: str) -> list[dict[str, Any]]:
    """All of a kind, however many pages they fill."""
    found: list[dict[str, Any]] = []
    page = f"/{plural}?limit=1000"
    while page:
        answer = api.get(page)
        found += answer["items"]
        page = (answer["next"] or "").removeprefix("/api/v1")
    return found


def guest_ids(api: Api) -> set[str]:
    return {str(vm["id"]) for vm in everything(api, "vms")}


def remove_guests(api: Api, guests: set[str], seconds: float = 300) -> None:
    """What still happens to them is waited for."""
    end = time.monotonic() + seconds
    while guests and time.monotonic() < end:
        for verb, path, body in (("POST", "/vms/{}/stop", {"mode": "kill"}), ("DELETE", "/vms/{}", None)):
            tasks = []
            for guest in guests:
                try:
                    tasks.append(api.call(verb, path.format(guest), body)["task"])
                except ApiError:
                    continue  # it is off, or busy: the next round tells
            for task in tasks:
                try:
                    api.wait(task, seconds)
                except ApiError:
                    continue
        guests = guests & guest_ids(api)
    if guests:
        raise TimeoutError(f"still there: {', '.join(sorted(guests))}")


@contextmanager
def no_guests_left(api: Api) -> Iterator[None]:
    """Whoever fails in it leaves none of the guests that it has made: the next one needs their room."""
    before = guest_ids(api)
    try:
        yield
    finally:
        fresh = api.clone()  # the server closes a connection that was idle for long
        remove_guests(fresh, guest_ids(fresh) - before)


def arguments(description: Optional[str]) -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=description)
    p.add_argument("--lab", type=Path, help="folder of a quickstart lab; without it, the server that the shell uses")
    return p


def connect(lab: Optional[Path]) -> Api:
    return lab_api(lab) if lab else saved()


def percentile(values: list[float], pct: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * pct / 100))]


def cpu_seconds(pid: int) -> float:
    """Of all its threads; to the nanosecond, where /proc/PID/stat counts ticks that a short turn escapes."""
    return sum(int(f.read_text().split()[0]) for f in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def resident_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ValueError(f"process {pid} has no resident memory")


def report(name: str, value: float, unit: str) -> None:
    print(f"{name} {value:.3f} {unit}", flush=True)
