#!/usr/bin/python3
"""A small server of docs/api.md over a fixed inventory, for the tests of the shell.

It keeps what is changed in memory, ends tasks after some polls, and misbehaves as the
World's fail and drop say.
"""

import datetime
import http.server
import json
import os
import re
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

GB = 1 << 30
TIME = "2026-01-02T03:04:05.000Z"
PLURAL = {
    "datacenters": "dc", "folders": "folder", "clusters": "cluster", "hosts": "host", "pools": "pool",
    "vms": "vm", "templates": "template", "datastores": "datastore", "networks": "network",
    "tasks": "task", "users": "user", "snapshots": "snap", "custspecs": "custspec",
    "rules": "rule", "recommendations": "rec", "groups": "group",
    "categories": "category", "tags": "tag",
}
# What each creation takes: required, then optional fields.
FIELDS = {
    "datacenters": (["name"], []),
    "folders": (["name", "parent"], []),
    "clusters": (["name", "datacenter"], ["memory_overcommit_permille", "vcpus_per_core", "ha_enabled", "ha_failover_level"]),
    "networks": (["name", "datacenter", "bridge"],
                 ["vlan", "cidr", "gateway", "range_first", "range_last", "dns"]),
    "datastores": (["name", "datacenter", "path", "hosts", "shared"], []),
    "templates": (["name", "datastore", "path", "format"],
                  ["parent", "num_cpu", "memory_mb", "notes", "version", "keep_source", "guest_type",
                   "reference", "args", "env"]),
    "vms": (["name", "template"], ["parent", "cluster", "pool", "host", "datastore", "network", "num_cpu",
                                   "memory_mb", "notes", "power_on", "full", "custspec", "disk_mb", "guest_type",
                                   "ip_address", "host_name", "dns", "swap_limit_mb", "pids_limit", "io_weight",
                                   "args", "env", "devices"]),
    "custspecs": (["name"], ["host_name", "domain", "address_mode", "dns", "ssh_keys", "user_name", "user_data",
                             "notes"]),
    "users": (["name", "password"], ["role"]),
    "categories": (["name"], ["cardinality", "description"]),
    "tags": (["name", "category"], ["description"]),
}
HA_CLUSTER = ("ha_enabled", "ha_admission", "ha_failover_level", "ha_cpu_percent", "ha_memory_percent", "ha_slot_cpu_mhz",
              "ha_slot_memory_mb", "ha_failover_hosts", "ha_degradation_percent", "ha_restart_priority", "ha_gate",
              "ha_gate_limit_s", "ha_isolation_response", "ha_isolation_addresses", "ha_isolation_s", "ha_monitoring",
              "ha_terms", "ha_proactive", "ha_proactive_moderate", "ha_proactive_severe")
HA_GUEST = ("ha_restart_priority", "ha_isolation_response", "ha_monitoring", "ha_depends", "ha_ready_port")
CONTAINER = ("host_name", "dns", "swap_limit_mb", "pids_limit", "io_weight", "args", "env", "devices")
RESOURCES = tuple(f"{r}_{k}" for r, unit in (("cpu", "mhz"), ("mem", "mb"))
                  for k in ("shares_level", "shares", f"reservation_{unit}", f"limit_{unit}"))
FOREVER = 1 << 30  # polls
TASKS = {"vms", "datastores", "templates"}


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class World:
    """The inventory and what happened to it."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.objects: dict[str, dict] = {}
        self.next = 100
        self.answers: dict[str, tuple[int, dict]] = {}
        self.fail = self.drop = 0  # changes to refuse, answers to lose
        self.page = 1000
        self.ops: list[str] = []
        self.requests: set[tuple[str, str, tuple[str, ...]]] = set()  # method, path, fields
        self.files: dict[str, bytes] = {}
        self.tokens = [{"id": "tok1", "name": "backup", "user_name": "admin", "created_at": TIME,
                        "expires_at": TIME, "seen_at": None}]
        self.events = [
            {"id": 3, "type": "VmDiedEvent", "severity": "error", "time": "2026-01-02T03:06:00.000Z",
             "entity": "vm-2", "entity_name": "db-01", "task": None, "user": None, "message": "db-01 died"},
            {"id": 2, "type": "VmPoweredOnEvent", "severity": "info", "time": "2026-01-02T03:05:00.000Z",
             "entity": "vm-1", "entity_name": "web-01", "task": "task-1", "user": "admin",
             "message": "web-01 is on"},
            {"id": 1, "type": "HostConnectedEvent", "severity": "info", "time": TIME, "entity": "host-1",
             "entity_name": "esx1", "task": None, "user": None, "message": "esx1 is connected"},
        ]
        self.fill()

    def add(self, oid: str, name: str, parent: str | None, **fields) -> dict:
        kind = oid.rsplit("-", 1)[0]
        o = {"id": oid, "kind": kind, "name": name, "parent": parent, "rev": 1, "created_at": TIME, **fields}
        self.objects[oid] = o
        return o

    def fill(self) -> None:
        self.add("dc-1", "Lab", None)
        self.add("folder-1", "web tier", "dc-1")
        self.add("cluster-1", "main", "dc-1", drs_enabled=True, drs_automation_level="FullyAutomated",
                 ha_enabled=False, ha_failover_level=1, ha_admission="percentage", ha_restart_priority="medium",
                 ha_isolation_response="leave_on", ha_monitoring="off", memory_overcommit_permille=1000, vcpus_per_core=8)
        for i, state, use in ((1, "connected", "none"), (2, "connected", "in"), (3, "not_responding", "in")):
            self.add(f"host-{i}", f"esx{i}", "cluster-1", connection_state=state, maintenance=use, state_reason=None,
                     cpu_cores=8, cpu_mhz=2000, cpu_total_mhz=16000, cpu_usage_mhz=1000 * i,
                     memory_total_mb=32768, memory_usage_mb=4096 * i, agent_version="0.1.0", kernel="6.1",
                     cpu_model="Test CPU", machine="x86_64", address="10.0.0.1", boot_time=TIME, last_seen=TIME)
        self.add("pool-1", "Resources", "cluster-1", is_root=True, cpu_shares_level="normal", cpu_shares=4000,
                 cpu_reservation_mhz=0, cpu_limit_mhz=0, mem_shares_level="normal", mem_shares=4000,
                 mem_reservation_mb=0, mem_limit_mb=0)
        self.add("datastore-1", "shared1", "dc-1", type="folder", path="/ds", shared=True,
                 hosts=["host-1", "host-2"], accessible=True, capacity_bytes=2000 * GB,
                 free_bytes=1234 * GB + GB // 2)
        self.add("network-1", "lan", "dc-1", bridge="br0", vlan=0, cidr="10.1.0.0/24", gateway="10.1.0.1")
        self.add("template-1", "tiny", "dc-1", lifecycle="ready", datastore="datastore-1", path="tiny.qcow2",
                 format="qcow2", virtual_bytes=GB, file_bytes=GB // 8, num_cpu=1, memory_mb=192)
        self.vm("vm-1", "web-01", "folder-1", "host-1", "powered_on", 2, 2048)
        self.objects["vm-1"]["counters"] = [
            {"name": "memory", "unit": "bytes", "current": 4096, "peak": 8192, "limit": 65536, "failures": 3},
            {"name": "processes", "unit": "count", "current": 5, "peak": 0, "limit": 0, "failures": 0}]
        self.vm("vm-2", "db-01", "dc-1", "host-2", "powered_off", 4, 8192)
        self.vm("vm-3", "web-02", "folder-1", "host-2", "powered_off", 1, 192)
        for i, name in ((1, "Environment"), (2, "Use")):
            self.add(f"category-{i}", name, None, cardinality="single", description=None)
            self.add(f"tag-{i}", "prod", f"category-{i}", description=None)
        self.add("tag-3", "test", "category-1", description="may stop")
        for oid, tags in (("vm-1", ["tag-1"]), ("vm-2", ["tag-2"]), ("vm-3", ["tag-3", "tag-2"]), ("host-1", ["tag-1"])):
            self.objects[oid]["tags"] = tags
        self.add("user-1", "admin", None, role="administrator", enabled=True, last_login=TIME)
        self.add("task-1", "vm.start", None, op="vm.start", entity="vm-1", entity_name="web-01", state="success",
                 step=None, progress=100, user_name="admin", started_at=TIME, finished_at=TIME)

    def second(self) -> None:
        """Another server's inventory: the same ids, some of the names."""
        for oid, name in (("vm-1", "app-01"), ("vm-3", "app-02"), ("host-1", "far1"), ("host-2", "far2"),
                          ("user-1", "root"), ("datastore-1", "shared9")):
            self.objects[oid]["name"] = name

    def vm(self, oid: str, name: str, parent: str, host: str | None, power: str, cpus: int, mb: int) -> dict:
        return self.add(oid, name, parent, guest_type="machine", lifecycle="ready", power_state=power, host=host,
                        pool="pool-1", template="template-1", engine="qemu", num_cpu=cpus, memory_mb=mb, notes=None,
                        disks=[{"name": "disk0", "datastore": "datastore-1", "path": name, "format": "qcow2",
                                "size_bytes": GB}],
                        nics=[], ha_restart_priority=None, ha_isolation_response=None,
                        ip_address="10.1.0.9" if power == "powered_on" else None,
                        datastores=["datastore-1"], networks=["network-1"], started_at=None)

    def new_id(self, kind: str) -> str:
        self.next += 1
        return f"{kind}-{self.next}"

    def task(self, op: str, entity: dict | None, polls: int, error: str | None = None) -> dict:
        oid = self.new_id("task")
        t = self.add(oid, op, None, op=op, entity=entity and entity["id"],
                     entity_name=entity and entity["name"], state="running", step="work", progress=10,
                     user_name="admin", started_at=TIME, finished_at=None, error_code=None, error_message=None)
        t["_polls"], t["_error"] = polls, error
        return t

    def finish(self, t: dict) -> None:
        if t["state"] != "running":
            return
        t["_polls"] -= 1
        if t["_polls"] > 0:
            return
        t["finished_at"], t["progress"] = TIME, 100
        t["state"] = "error" if t["_error"] else "success"
        if t["_error"]:
            t["error_code"], t["error_message"] = t["_error"].split(":", 1)


def shown(o: dict) -> dict:
    return {k: v for k, v in o.items() if not k.startswith("_")}


def check(body: dict, required: list[str], optional: list[str]) -> None:
    for key in body:
        if key not in required + optional:
            raise Refused(400, "invalid", f'unknown field "{key}"')
    for key in required:
        if key not in body:
            raise Refused(400, "invalid", f"{key}: is missing")


def wild(pattern: str, s: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), s, re.I) is not None


def fits(term: str, o: dict) -> bool:
    """The two fields of the server's filters that the shell asks for."""
    field, _, value = term.partition(":")
    if field == "tag":
        return any(wild(v, tag) for v in value.split("|") for tag in o.get("tags", []))
    return field != "name" or wild(value, o["name"])


def is_wanted(event: dict, q: dict) -> bool:
    ms = datetime.datetime.fromisoformat(event["time"]).timestamp() * 1000
    types = q.get("types", "*").split(",")
    return (any(wild(t, event[key]) for t in types for key in ("type", "severity"))
            and int(q.get("start", 0)) <= ms <= int(q.get("end", 1 << 60)))


class Api:
    """The routes; every method answers (status, body)."""

    def __init__(self, world: World) -> None:
        self.w = world

    def need(self, oid: str) -> dict:
        o = self.w.objects.get(oid)
        if not o:
            raise Refused(404, "not_found", f"there is no {oid}")
        return o

    def listing(self, plural: str, q: dict) -> tuple[int, dict]:
        items = [shown(o) for o in self.w.objects.values() if o["id"].rsplit("-", 1)[0] == PLURAL[plural]]
        items = [o for o in items if all(fits(term, o) for term in q.get("q", "").split())]
        offset, limit = int(q.get("offset", 0)), int(q.get("limit", 200))
        limit = min(limit, self.w.page)
        more = offset + limit < len(items)
        q = {**q, "offset": str(offset + limit)}
        return 200, {"items": items[offset:offset + limit], "total": len(items), "rev": 1,
                     "next": f"/api/v1/{plural}?{urllib.parse.urlencode(q)}" if more else None}

    def create(self, plural: str, body: dict) -> tuple[int, dict]:
        check(body, *FIELDS[plural])
        name = body["name"]
        if pattern := re.fullmatch(r"(.*)\{(\d+)\.\.(\d+)\}(.*)", name):
            front, first, last, rest = pattern.groups()
            return 202, {"items": [self.create(plural, {**body, "name": f"{front}{i:0{len(first)}}{rest}"})[1]
                                   for i in range(int(first), int(last) + 1)]}
        if not name or "/" in name or len(name) > 80:
            raise Refused(400, "invalid", f'{PLURAL[plural]} name "{name[:40]}" is not allowed')
        parent = body.get("parent") or body.get("datacenter") or (None if plural == "datacenters" else "dc-1")
        if plural == "tags":
            parent = body["category"]
        if any(o["name"] == name and o["kind"] == PLURAL[plural] and (plural != "tags" or o["parent"] == parent) for o in self.w.objects.values()):
            raise Refused(409, "exists", f'{PLURAL[plural]} "{name}" exists')
        for key in ("template", "host", "pool", "cluster", "datastore", "network", "parent", "datacenter", "category"):
            if key in body:
                self.need(body[key])
        oid = self.w.new_id(PLURAL[plural])
        if plural == "vms":
            power = "powered_on" if body.get("power_on") else "powered_off"
            o = self.w.vm(oid, name, body.get("parent", "dc-1"), body.get("host", "host-1"), power,
                          body.get("num_cpu", 1), body.get("memory_mb", 192))
            o["notes"] = body.get("notes")
            if body.get("guest_type") == "container":
                o["guest_type"] = "container"
                o["ip_address"] = body.get("ip_address")
                o["container"] = {k: body[k] for k in CONTAINER if k in body}
                o["disks"][0]["size_bytes"] = body.get("disk_mb", 8192) << 20
            if o["memory_mb"] > 1 << 20:
                del self.w.objects[oid]
                raise Refused(409, "no_capacity",
                              f'no host can take "{name}": memory {o["memory_mb"]} MB asked, 28672 MB free on esx1')
        else:
            o = self.w.add(oid, name, parent, **{k: v for k, v in body.items()
                                                 if k not in ("name", "parent", "password", "datacenter", "category")})
        if plural in TASKS:
            error = f'io:"{name}" could not be made: disk full' if name.startswith("fail") else None
            t = self.w.task(f"{PLURAL[plural]}.create", o, FOREVER if name.startswith("slow") else 2, error)
            return 202, {"task": shown(t), "object": oid}
        return 201, shown(o)

    def patch(self, o: dict, body: dict) -> tuple[int, dict]:
        settings = ["host_name", "dns", "swap_limit_mb", "pids_limit", "io_weight", "args", "env", "devices"]
        known = {"vm": ["name", "notes", "num_cpu", "memory_mb", "parent", "pool", *RESOURCES, *HA_GUEST, *settings],
                 "cluster": ["name", "drs_enabled", "drs_automation_level", *HA_CLUSTER],
                 "user": ["role", "password", "enabled"],
                 "category": ["name", "cardinality", "description"], "tag": ["name", "description"],
                 "custspec": ["name", *FIELDS["custspecs"][1]]}
        check(body, [], known.get(o["kind"], ["name"]))
        o.update({k: None if v == "cluster" else v for k, v in body.items() if k != "password"})
        if any(k in body for k in settings):
            o["notes"] = " ".join(f"{k}={body[k]}" for k in settings if k in body)
        if o["kind"] == "vm":
            return 202, {"task": shown(self.w.task("vm.update", o, 1)), "object": o["id"]}
        return 200, shown(o)

    def delete(self, o: dict) -> tuple[int, dict]:
        if o["kind"] == "vm" and o["power_state"] != "powered_off":
            raise Refused(409, "bad_state", f'vm "{o["name"]}" is on; stop it first')
        if o["kind"] == "category":
            for tag in [x for x in self.w.objects.values() if x.get("parent") == o["id"]]:
                self.delete(tag)
        for x in self.w.objects.values():
            if o["id"] in x.get("tags", []):
                x["tags"] = [tag for tag in x["tags"] if tag != o["id"]]
        if any(x.get("parent") == o["id"] for x in self.w.objects.values()):
            raise Refused(409, "bad_state", f'{o["kind"]} "{o["name"]}" is not empty')
        del self.w.objects[o["id"]]
        if o["kind"] in ("vm", "datastore", "template", "snap"):
            return 202, {"task": shown(self.w.task(f'{o["kind"]}.delete', o, 1)), "object": o["id"]}
        return 200, {}

    def tag(self, tag: dict, verb: str, body: dict) -> tuple[int, dict]:
        check(body, ["objects"], [])
        for o in (self.need(oid) for oid in body["objects"]):
            siblings = [self.need(t) for t in o.get("tags", []) if t != tag["id"]]
            if verb == "assign" and any(t["parent"] == tag["parent"] for t in siblings):
                raise Refused(409, "bad_state", f'{o["kind"]} "{o["name"]}" has a tag of that category already')
            o["tags"] = [t["id"] for t in siblings] + ([tag["id"]] if verb == "assign" else [])
        return 201, shown(tag)

    def power(self, o: dict, verb: str, body: dict) -> tuple[int, dict]:
        check(body, [], {"start": ["host"], "stop": ["mode", "timeout_s"], "restart": ["mode", "timeout_s"],
                         "suspend": []}[verb])
        on = o["power_state"] == "powered_on"
        if verb == "start" and on:
            raise Refused(409, "bad_state", f'vm "{o["name"]}" is on already')
        if verb != "start" and not on:
            raise Refused(409, "bad_state", f'vm "{o["name"]}" is off')
        o["power_state"] = {"start": "powered_on", "restart": "powered_on", "stop": "powered_off",
                            "suspend": "suspended"}[verb]
        o["notes"] = body.get("mode", o["notes"])
        return 202, {"task": shown(self.w.task(f"vm.{verb}", o, 2)), "object": o["id"]}

    def migrate(self, vm: dict, body: dict) -> tuple[int, dict]:
        check(body, [], ["host", "cluster", "datastore", "bandwidth_mb", "downtime_ms", "keep_chain"])
        to = body.get("host", "host-2")
        if to == vm["host"] and "datastore" not in body:
            raise Refused(409, "bad_state", f'machine "{vm["name"]}" is on host "esx1" already')
        t = self.w.task("vm.migrate", vm, 2)
        t["result"] = {"from": vm["host"], "to": to, "live": True, "total_ms": 1250, "downtime_ms": 12,
                       "outage_ms": 31 if vm["id"] == "vm-1" else None, "outage_why_not": "it has no address"}
        t["phase"], t["bytes_per_s"] = "copying memory, round 1", 250_000_000
        vm["host"] = to
        return 202, {"task": shown(t), "object": vm["id"]}

    def migrate_check(self, vm: dict, body: dict) -> tuple[int, dict]:
        ways = {"host-1": [f'machine "{vm["name"]}" is on host "esx1" already'], "host-2": [],
                "host-3": ['host "esx3" is not connected', "it does not reach datastore shared1"]}
        items = [{"host": h, "possible": not o, "obstacles": o} for h, o in ways.items()]
        for item in items:
            if item["host"] == body.get("host"):
                return 200, item
        return 200, {"items": items}

    def snapshot(self, vm: dict, body: dict) -> tuple[int, dict]:
        check(body, ["name"], ["description", "memory", "quiesce"])
        oid = self.w.new_id("snap")
        o = self.w.add(oid, body["name"], vm["id"], description=body.get("description"), taken_at=TIME,
                       power_state=vm["power_state"], memory=body.get("memory", False), parent_snapshot=None)
        t = self.w.task("vm.snapshot", o, 2)
        if body.get("quiesce"):
            t["result"] = {"paused_ms": 3, "quiesced": False,
                           "quiesce_why_not": f'machine "{vm["name"]}": its agent does not answer'}
        return 202, {"task": shown(t), "object": oid}

    def clone(self, vm: dict, body: dict) -> tuple[int, dict]:
        check(body, ["name"], ["linked", "snapshot", "host", "datastore", "power_on", "custspec", "notes"])
        made = self.create("vms", {"name": body["name"], "template": vm["template"]})
        then = f" at {self.need(body['snapshot'])['name']} of {body['snapshot']}" if "snapshot" in body else ""
        self.need(made[1]["object"])["notes"] = (f"clone of {vm['name']}" + (" linked" if body.get("linked") else "")
                                                 + then)
        return made

    def to_template(self, vm: dict, body: dict) -> tuple[int, dict]:
        check(body, ["name"], ["datastore", "version", "notes", "keep"])
        o = self.w.add(self.w.new_id("template"), body["name"], "dc-1", lifecycle="ready", datastore="datastore-1",
                       version=body.get("version"))
        return 202, {"task": shown(self.w.task("vm.to_template", o, 1)), "object": o["id"]}

    def device(self, vm: dict, which: str, method: str, name: list[str], q: dict, body: dict) -> tuple[int, dict]:
        devices = vm.setdefault(which, [])
        known = {"disks": ["size_mb", "datastore", "format", "iops_limit", "mb_per_s_limit"],
                 "nics": ["network", "address", "vlan", "rx_mbit_limit", "tx_mbit_limit"]}[which]
        check(body, [], known)
        if method == "POST":
            name = [f"{which[:-1]}-{len(devices)}"]
            devices.append({"name": name[0], "datastore": "datastore-1", "path": f"vms/{vm['id']}/{name[0]}.qcow2", "format": "qcow2",
                            "network": body.get("network"), "mac": "52:54:00:00:00:01"})
        found = next((d for d in devices if d["name"] == name[0]), None)
        if found is None:
            raise Refused(404, "not_found", f'machine "{vm["name"]}": it has no "{name[0]}"')
        if body.get("size_mb", 0) << 20 < found.get("size_bytes", 0) and "size_mb" in body:
            raise Refused(400, "invalid", f"size_mb: {name[0]} cannot shrink")
        found |= {"size_bytes": body["size_mb"] << 20} if "size_mb" in body else {}
        found |= {k: v for k, v in body.items() if k in ("iops_limit", "vlan")}
        if "tx_mbit_limit" in body:
            found["tx_kbit_limit"] = body["tx_mbit_limit"] * 1000
        if method == "DELETE":
            devices.remove(found)
            vm["notes"] = f"keep={q.get('keep', 'false')}"
        t = self.w.task(f"vm.{which}", vm, 1)
        t["result"] = {"vm": vm["id"], "device": name[0]}
        return 202, {"task": shown(t), "object": vm["id"]}

    def upload(self, path: str, offset: int, data: bytes) -> tuple[int, dict]:
        have = self.w.files.get(path, b"")
        if offset > len(have):
            raise Refused(400, "invalid", f"{path}: piece at {offset}, {len(have)} bytes are there")
        self.w.files[path] = have[:offset] + data
        return 200, {"path": path, "size_bytes": len(self.w.files[path])}

    def placement(self, body: dict) -> tuple[int, dict]:
        check(body, ["cluster", "num_cpu", "memory_mb"], ["datastore", "network", "count"])
        fits = [{"host": f"host-{i}", "host_name": f"esx{i}", "fits": True, "cpu_before_permille": 100 * i,
                 "cpu_after_permille": 100 * i + 50, "memory_before_permille": 125 * i,
                 "memory_after_permille": 125 * i + 8, "guests": i, "text": f"esx{i} is {i}. choice"} for i in (1, 2)]
        lost = {"host": "host-3", "host_name": "esx3", "fits": False, "text": "esx3 is not connected",
                "reasons": [{"code": "not_connected", "text": "is not connected"}]}
        return 200, {"items": [{"name": "", "host": "host-1", "text": "", "candidates": fits + [lost]}], "refused": 0}

    def ha(self, cluster: dict) -> tuple[int, dict]:
        hosts = [{"host": f"host-{i}", "name": f"esx{i}", "state": "up" if i < 3 else "partitioned", "fencing": "software fencing",
                  "protected": 2 - i % 2, "silent_ms": 300 * i, "lease_ms": 5700} for i in (1, 2, 3)]
        return 200, {"cluster": cluster["id"], "name": cluster["name"], "enabled": True, "braked": False, "hosts": hosts,
                     "protected": 1, "waiting": [{"vm": "vm-3", "name": "web-02", "state": "waiting", "text": "waits for db-01"}],
                     "failovers": [], "unprotected": [{"vm": "vm-2", "name": "db-01", "text": "its restart priority is off"}],
                     "admission": {"policy": "percentage", "failover_level": 1, "cpu_unreserved_permille": 708,
                                   "cpu_keep_permille": 380, "memory_unreserved_permille": 714, "memory_keep_permille": 430},
                     "capacity": {"survives": 0, "text": "with esx3 down 1 guest has no place: no host can take web-02",
                                  "losses": []}}

    def ha_test(self, cluster: dict, body: dict) -> tuple[int, dict]:
        check(body, ["hosts"], [])
        items = [{"vm": "vm-1", "name": "web-01", "priority": "high", "from": body["hosts"][0], "to": "host-2",
                  "restarted": True, "wave": 1, "text": "to esx2"},
                 {"vm": "vm-3", "name": "web-02", "priority": "low", "from": body["hosts"][-1], "to": None,
                  "restarted": False, "wave": 1, "text": "no host can take web-02"}]
        return 200, {"items": items, "restarted": 1, "unplaced": 1}

    def route(self, method: str, parts: list[str], q: dict, body: dict, raw: bytes) -> tuple[int, dict]:
        match (method, *parts):
            case ("GET", "sessions", "current"):
                return 200, {"user": "admin", "role": "administrator"}
            case ("DELETE", "sessions", "current"):
                return 200, {}
            case ("GET", "tokens"):
                return 200, {"items": self.w.tokens, "total": len(self.w.tokens)}
            case ("POST", "tokens"):
                check(body, ["name"], ["days"])
                t = {"id": f"tok{len(self.w.tokens) + 1}", "name": body["name"], "expires_at": TIME,
                     "created_at": TIME, "user_name": "admin"}
                self.w.tokens.append(t)
                return 201, {**t, "token": "secret-token"}
            case ("DELETE", "tokens", tid):
                if not any(t["id"] == tid for t in self.w.tokens):
                    raise Refused(404, "not_found", f"there is no token of yours {tid}")
                self.w.tokens = [t for t in self.w.tokens if t["id"] != tid]
                return 200, {}
            case ("POST", "enroll-tokens"):
                check(body, ["cluster", "name"], ["ttl_s"])
                return 201, {"token": "enrol-me", "ca_fingerprint": "ab" * 32, "expires_at": TIME, "host": "host-9"}
            case ("POST", "placements"):
                return self.placement(body)
            case ("GET", "events"):
                items = [e for e in self.w.events if q.get("entity") in (None, e["entity"]) and is_wanted(e, q)]
                return 200, {"items": items[:int(q.get("limit", 100))], "next": None}
            case ("PUT", "datastores", _, "content"):
                return self.upload(q["path"], int(q["offset"]), raw)
            case ("DELETE", "datastores", _, "content"):
                if self.w.files.pop(q["path"], None) is None:
                    raise Refused(404, "not_found", f'there is no "{q["path"]}"')
                return 200, {}
            case ("GET", plural) if plural in PLURAL:
                return self.listing(plural, q)
            case ("POST", plural) if plural in FIELDS:
                return self.create(plural, body)
            case ("GET", "tasks", oid):
                t = self.need(oid)
                self.w.finish(t)
                if t.get("_polls", 0) > FOREVER // 2:
                    time.sleep(0.05)  # as a server waits that is asked to
                return 200, shown(t)
            case ("POST", "tasks", oid, "cancel"):
                t = self.need(oid)
                if t["state"] != "running":
                    raise Refused(409, "bad_state", f"{oid} is over")
                t["_polls"], t["_error"] = 0, "cancelled:was asked to stop"
                return 200, shown(t)
            case ("GET", "clusters", oid, "ha"):
                return self.ha(self.need(oid))
            case ("POST", "clusters", oid, "ha", "test"):
                return self.ha_test(self.need(oid), body)
            case ("POST", "hosts", oid, "maintenance-check") | ("POST", "clusters", oid, "drs"):
                self.need(oid)
                return 200, {"items": [{"vm": "vm-1", "name": "move web-01 from esx1 to esx2", "action": "move", "priority": 2,
                                        "from_host": "host-1", "to_host": "host-2", "text": "esx1 is emptied",
                                        "factors": {"copy_s": 1.2}}],
                             "blockers": [{"vm": "vm-3", "name": "web-02", "reason": "host_maintenance",
                                           "text": "no host can take it"}]}
            case ("POST", "hosts", oid, "confirm-dead"):
                if self.need(oid)["connection_state"] == "connected":
                    raise Refused(409, "bad_state", f'host "{self.need(oid)["name"]}" is connected')
                self.need(oid)["state_reason"] = "vouched for"
                return 200, shown(self.need(oid))
            case ("GET", plural, oid) if plural in PLURAL:
                return 200, shown(self.need(oid))
            case ("PATCH", plural, oid) if plural in PLURAL:
                return self.patch(self.need(oid), body)
            case ("DELETE", plural, oid) if plural in PLURAL:
                return self.delete(self.need(oid))
            case ("GET", "system", "servers"):
                return 200, {"items": [
                    {"agents_address": "s1:7443", "address": "s1:8443", "leads": True, "version": "0.1.0", "id": "server-1"},
                    {"agents_address": "s2:7443", "address": "s2:8443", "leads": False, "version": "0.1.0"}]}
            case ("POST", "tags", oid, "assign" | "unassign" as verb):
                return self.tag(self.need(oid), verb, body)
            case ("POST", "vms", oid, "migrate"):
                return self.migrate(self.need(oid), body)
            case ("POST", "vms", oid, "migrate-check"):
                return self.migrate_check(self.need(oid), body)
            case ("POST", "vms", oid, "snapshots"):
                return self.snapshot(self.need(oid), body)
            case ("POST" | "PATCH" | "DELETE", "vms", oid, "disks" | "nics" as which, *name):
                return self.device(self.need(oid), which, method, name, q, body)
            case ("GET", "datastores", oid, "files"):
                self.need(oid)
                return 200, {"items": [{"path": p.rsplit("/", 1)[-1], "size_bytes": len(c), "is_folder": False, "modified_ms": 0}
                                       for p, c in sorted(self.w.files.items()) if p.startswith(q.get("path", ""))]}
            case ("POST", "datastores", oid, "scan"):
                t = self.w.task("datastore.scan", self.need(oid), 1)
                t["result"] = {"orphans": [{"path": "vms/vm-9/disk-0.qcow2", "size_bytes": 7, "modified_ms": 0,
                                            "why": "there is no such machine"}], "count": 1, "cut": False}
                return 202, {"task": shown(t), "object": oid}
            case ("POST", "vms", oid, "clone"):
                return self.clone(self.need(oid), body)
            case ("POST", "vms", oid, "template"):
                return self.to_template(self.need(oid), body)
            case ("POST", "snapshots", oid, "revert"):
                vm = self.need(self.need(oid)["parent"])
                vm["notes"] = f"back to {self.need(oid)['name']}"
                return 202, {"task": shown(self.w.task("snapshot.revert", vm, 1)), "object": vm["id"]}
            case ("POST", "vms", oid, verb) if verb in ("start", "stop", "restart", "suspend"):
                return self.power(self.need(oid), verb, body)
        raise Refused(404, "not_found", "there is no such route")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    world: World
    lock = threading.Lock()

    def log_message(self, *args) -> None:
        pass

    def reply(self, status: int, body: dict) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if len(data) > 2000:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for i in range(0, len(data), 700):
                part = data[i:i + 700]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def refuse(self, r: Refused) -> None:
        self.reply(r.status, {"error": {"code": r.code, "message": r.message, "request_id": "r-1"}})

    def authorised(self, parts: list[str], method: str, body: dict) -> bool:
        if parts == ["sessions"] and method == "POST":
            if (body.get("user"), body.get("password")) != ("admin", "secret"):
                raise Refused(401, "unauthenticated", "the user or the password is wrong")
            self.reply(201, {"token": "session-token", "user": "admin", "csrf": "c", "role": "administrator",
                             "expires_at": TIME})
            return False
        if self.headers.get("Authorization") not in ("Bearer session-token", "Bearer secret-token"):
            raise Refused(401, "unauthenticated", "log in first")
        return True

    def change(self, method: str, parts: list[str], q: dict, body: dict, raw: bytes) -> tuple[int, dict]:
        """One change happens once for each X-Drover-Op."""
        w, op = self.world, self.headers.get("X-Drover-Op")
        if method in ("GET", "PUT"):
            return Api(w).route(method, parts, q, body, raw)
        if not op or not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", op):
            raise Refused(400, "invalid", "X-Drover-Op is missing")
        w.ops.append(op)
        if op not in w.answers:
            w.answers[op] = Api(w).route(method, parts, q, body, raw)
        return w.answers[op]

    def serve(self, method: str) -> None:
        url = urllib.parse.urlsplit(self.path)
        q = dict(urllib.parse.parse_qsl(url.query))
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        is_json = self.headers.get("Content-Type") == "application/json"
        body = json.loads(raw) if is_json and raw else {}
        with self.lock:
            try:
                parts = url.path.removeprefix("/api/v1/").split("/")
                request = (method, "/" + "/".join(parts), (*body, *q))
                if self.world.fail > 0 and method != "GET":
                    self.world.fail -= 1
                    raise Refused(503, "unavailable", "the database is away")
                if not self.authorised(parts, method, body):
                    return
                status, answer = self.change(method, parts, q, body, raw)
                self.world.requests.add(request)
                if self.world.drop > 0 and method != "GET":
                    self.world.drop -= 1
                    self.close_connection = True
                    self.connection.close()
                    return
                self.reply(status, answer)
            except Refused as r:
                self.refuse(r)

    def do_GET(self) -> None:
        self.serve("GET")

    def do_POST(self) -> None:
        self.serve("POST")

    def do_PATCH(self) -> None:
        self.serve("PATCH")

    def do_PUT(self) -> None:
        self.serve("PUT")

    def do_DELETE(self) -> None:
        self.serve("DELETE")


def make_certificates(folder: str) -> None:
    """A CA and a server's certificate that carries it in its chain."""
    def run(*args: str) -> bytes:
        return subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True).stdout

    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", "/CN=test CA", "-keyout", "ca.key", "-out", "ca.pem")
    run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
        "-keyout", "server.key", "-out", "server.csr")
    with open(os.path.join(folder, "ext"), "w", encoding="utf-8") as f:
        f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    run("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
        "-extfile", "ext", "-out", "server.pem")
    with open(os.path.join(folder, "ca.fp"), "wb") as f:
        f.write(run("x509", "-in", "ca.pem", "-noout", "-fingerprint", "-sha256"))
    with open(os.path.join(folder, "chain.pem"), "w", encoding="utf-8") as out:
        for name in ("server.pem", "ca.pem"):
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                out.write(f.read())


def start(folder: str) -> tuple[http.server.ThreadingHTTPServer, World]:
    """Serve on a free port of loopback in a thread of its own."""
    if not os.path.exists(os.path.join(folder, "chain.pem")):
        make_certificates(folder)
    world = World()
    handler = type("FixtureHandler", (Handler,), {"world": world})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, "chain.pem"), os.path.join(folder, "server.key"))
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.handle_error = lambda request, address: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, world


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: fixture_server.py FOLDER", file=sys.stderr)
        return 2
    server, _ = start(sys.argv[1])
    print(server.server_address[1], flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
