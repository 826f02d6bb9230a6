#!/usr/bin/python3
"""Login-checked GETs of one object over kept connections: rate, latency, the server's processor time."""
import threading
import time

from lab_client import Api, arguments, connect, cpu_seconds, lab_pid, percentile, report


def client(api: Api, path: str, count: int, out: list[float]) -> None:
    headers: dict[str, str] = {}
    for _ in range(count):
        begin = time.perf_counter()
        status, _ = api.raw("GET", path, None, dict(headers))
        out.append(time.perf_counter() - begin)
        if status != 200:
            raise SystemExit(f"{path} answered {status}")


def main() -> None:
    p = arguments(__doc__)
    p.add_argument("--pid", type=int, help="of droverd, where no lab is given")
    p.add_argument("--requests", type=int, default=4000)
    p.add_argument("--clients", type=int, default=4)
    a = p.parse_args()
    if not a.lab and not a.pid:
        p.error("--lab or --pid is needed")
    pid = a.pid or lab_pid(a.lab, "droverd")
    api = connect(a.lab)
    path = "/api/v1/vms/" + api.get("/vms?limit=1")["items"][0]["id"]
    took: list[list[float]] = [[] for _ in range(a.clients)]
    apis = [api.clone() for _ in range(a.clients)]
    for c in apis:
        c.get("/system")  # the handshake is not what is measured
    cpu, begin = cpu_seconds(pid), time.perf_counter()
    threads = [
        threading.Thread(target=client, args=(c, path, a.requests // a.clients, t)) for c, t in zip(apis, took)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    wall, used = time.perf_counter() - begin, cpu_seconds(pid) - cpu
    every = [x for t in took for x in t]
    report("api_get_rate", len(every) / wall, "1/s")
    report("api_get_rate_per_server_core", len(every) / max(used, 0.01), "1/s")
    report("api_get_p50", percentile(every, 50) * 1000, "ms")
    report("api_get_p99", percentile(every, 99) * 1000, "ms")


main()
