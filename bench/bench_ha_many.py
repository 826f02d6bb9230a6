#!/usr/bin/python3
"""A host of many protected guests is killed: how soon the last of them runs on the others.

For a lab of invented machines (quickstart --engine sim --hosts 16), where what is counted is what HA itself takes:
leases, placement, claims on the datastore, orders; not a hypervisor's start times a hundred on two processors."""
import argparse
import re
import time
from typing import Any

from lab_client import Api, arguments, lab_api, no_guests_left, percentile, report
from lab_faults import Hosts

WAIT_S = 180
LOOK_S = 0.1
MEMORY_MB = 32


def wait(what: str, check: Any) -> None:
    end = time.monotonic() + WAIT_S
    while not check():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {WAIT_S} s for: {what}")
        time.sleep(LOOK_S)  # between looks


def named(api: Api, plural: str) -> dict[str, dict[str, Any]]:
    return {o["name"]: o for o in api.get(f"/{plural}?limit=1000")["items"]}


def enlarge(api: Api, hosts: Hosts, guests: int) -> None:
    """The first host has room for all: each offers a part of this machine, of which invented guests use nothing."""
    conf, memory_mb = hosts.lab / "etc/agent-1.conf", 2 * MEMORY_MB * guests
    text = re.sub(r"(?m)^memory_mb = .*$", f"memory_mb = {memory_mb}", conf.read_text())
    conf.write_text(re.sub(r"(?m)^cpus = .*$", f"cpus = {guests}", text))
    hosts.kill(1)
    hosts.start(1)

    def offers() -> bool:
        host = named(api, "hosts")["host-1"]
        return host["memory_total_mb"] >= memory_mb and host["cpu_cores"] >= guests

    wait("the host to offer it", offers)


def make(api: Api, count: int, home: str) -> set[str]:
    template = named(api, "templates")["tiny"]["id"]
    asked = [
        api.call("POST", "/vms", {
            "name": f"bench-many-{i}", "template": template, "host": home, "memory_mb": MEMORY_MB, "power_on": True,
        })
        for i in range(count)
    ]
    for one in asked:
        api.wait(one["task"], WAIT_S)
    return {one["object"] for one in asked}


def main(args: argparse.Namespace) -> None:
    api, hosts = lab_api(args.lab), Hosts(args.lab)
    enlarge(api, hosts, args.guests)
    cluster = api.get("/clusters")["items"][0]["id"]
    api.call("PATCH", f"/clusters/{cluster}", {"ha_enabled": True, "ha_admission": "off"})
    wait("the hosts to join", lambda: all(h["ha_state"] == "up" for h in named(api, "hosts").values()))
    lost = named(api, "hosts")["host-1"]
    with no_guests_left(api):
        mine = make(api, args.guests, lost["id"])

        def ours() -> list[dict[str, Any]]:
            return [v for v in named(api, "vms").values() if v["id"] in mine]

        wait("all to be protected", lambda: all(v["ha_protected"] for v in ours()))
        begin = time.perf_counter()
        hosts.kill(1)
        took: dict[str, float] = {}

        def look() -> bool:
            for v in ours():
                if v["power_state"] == "powered_on" and v["host"] != lost["id"]:
                    took.setdefault(v["id"], time.perf_counter() - begin)
            return len(took) == len(mine)

        wait("all to run elsewhere", look)
        report("ha_many_first", min(took.values()), "s")
        report("ha_many_p50", percentile(list(took.values()), 50), "s")
        report("ha_many_last", max(took.values()), "s")
        hosts.start(1)
        wait("the host to be back", lambda: all(h["ha_state"] == "up" for h in named(api, "hosts").values()))


if __name__ == "__main__":
    p = arguments(__doc__)
    p.add_argument("--guests", type=int, default=100)
    main(p.parse_args())
