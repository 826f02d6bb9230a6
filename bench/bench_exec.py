#!/usr/bin/python3
"""A program inside a container by API, server and agent, against the runtime's own exec.

Both run /bin/true in the same container and alternate; what the way through server and
agent adds is wanted to be at most 15 ms."""
import configparser
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from lab_client import Api, arguments, lab_api, lab_pid, percentile, report

RUNTIME = "/usr/sbin/runc"
PROGRAM = "/bin/true"


class ByRuntime:
    """A helper in the agent's mount namespace, where the runtime's records lie."""

    def __init__(self, agent: int, root: str, vm_id: str) -> None:
        self.helper = subprocess.Popen(
            ["/usr/bin/nsenter", "-t", str(agent), "-m", sys.executable, "-c", HELPER,
             RUNTIME, "--root", root, "exec", vm_id, PROGRAM],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self) -> float:
        assert self.helper.stdin and self.helper.stdout
        self.helper.stdin.write("\n")
        self.helper.stdin.flush()
        return float(self.helper.stdout.readline())

    def end(self) -> None:
        self.helper.communicate()


HELPER = """
import subprocess, sys, time
for _ in sys.stdin:
    begin = time.perf_counter()
    subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    print(time.perf_counter() - begin, flush=True)
"""


def by_api(api: Api, vm_id: str) -> float:
    begin = time.perf_counter()
    done = api.call("POST", f"/vms/{vm_id}/exec", {"args": [PROGRAM]})
    took = time.perf_counter() - begin
    if done["exit_code"]:
        raise SystemExit(f"{PROGRAM}: {done}")
    return took


def a_container(api: Api) -> dict[str, Any]:
    for vm in api.get("/vms")["items"]:
        if vm["guest_type"] == "container" and vm["power_state"] == "powered_on":
            found: dict[str, Any] = vm
            return found
    raise SystemExit("no container runs in that lab")


def runtime_root(lab: Path, agent: str) -> str:
    """Where that agent's runtime keeps its records."""
    conf = configparser.ConfigParser()
    conf.read(lab / f"etc/{agent}.conf")
    return conf["run"]["dir"] + "/oci/runtime"


def main() -> None:
    p = arguments(__doc__)
    p.add_argument("--rounds", type=int, default=60)
    a = p.parse_args()
    if not a.lab:
        p.error("--lab with a container is needed")
    api = lab_api(a.lab)
    vm = a_container(api)
    agent = "agent-" + api.get(f"/hosts/{vm['host']}")["name"].rsplit("-", 1)[1]
    bare = ByRuntime(lab_pid(a.lab, agent), runtime_root(a.lab, agent), vm["id"])
    through: list[float] = []
    direct: list[float] = []
    try:
        by_api(api, vm["id"])  # both ways start with warm caches
        bare.run()
        for _ in range(a.rounds):
            through.append(by_api(api, vm["id"]))
            direct.append(bare.run())
    finally:
        bare.end()
    api_ms, bare_ms = percentile(through, 50) * 1000, percentile(direct, 50) * 1000
    report("exec_by_api_p50", api_ms, "ms")
    report("exec_by_runtime_p50", bare_ms, "ms")
    report("exec_added", api_ms - bare_ms, "ms")


main()
