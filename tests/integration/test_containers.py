"""Containers from New-VM to their last file: their life, copies, templates, bad input, and what agents and servers survive."""
import gzip
import hashlib
import io
import itertools
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any, Iterator, Optional

import pytest
from conftest import BUILD, ROOT, Lab, refused, wait_for
from lab_client import ApiError
from test_guests import Service, act, agent_of, make, remove, vm
from test_templates import upload

sys.path.insert(0, str(ROOT / "tests/lib"))

from counter import PATIENCE_S, Counter  # noqa: E402  (needs the path above)

# The full hundred is asked for by name; a few show the same.
MOVES = int(os.environ.get("DROVER_MOVES", "6"))
HELD_MIB = 64
INIT = "#!/bin/sh\nexec /bin/busybox sleep 1000000\n"


def run(lab: Lab, vm_id: str, script: str) -> str:
    """What a shell script inside says; it must succeed."""
    answer = lab.api().call("POST", f"/vms/{vm_id}/exec", {"args": ["/bin/sh", "-c", script], "timeout_s": 60})
    assert answer["exit_code"] == 0, answer
    return answer["stdout"].strip()


def shell(lab: Lab, line: str) -> str:
    ran = subprocess.run(
        [str(BUILD / "bin/drover"), "-e", "-c", line],
        env={**os.environ, "DROVER_SERVERS": str(lab.dir / "etc/servers.json")},
        capture_output=True, text=True, timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def files_of(lab: Lab, what: str) -> list[str]:
    return sorted(str(p) for p in (lab.dir / "ds").glob(f"*/{what}/*"))


def is_mounted(lab: Lab, vm_id: str) -> bool:
    """A loop device stands on a file of the container."""
    devices = Path("/sys/block").glob("loop*/loop/backing_file")
    return any(f"/{lab.setting_of('lab_name')}/" in (text := p.read_text()) and f"/{vm_id}/" in text for p in devices)


def need_ability(lab: Lab, name: str) -> None:
    """Without CRIU containers run, and that is all."""
    for host in lab.all("hosts"):
        for engine in host["engines"]:
            for c in engine.get("capabilities", []):
                if engine["name"] == "oci" and c["name"] == name and not c["able"]:
                    pytest.skip(f"{name}: {c['why_not']}")


@pytest.fixture(scope="module")
def busybox(lab: Lab) -> dict[str, Any]:
    for host in lab.all("hosts"):
        for engine in host["engines"]:
            if engine["name"] == "oci" and not engine["usable"]:
                pytest.skip(f"no containers here: {engine['why_not']}")
    return lab.find("templates", "busybox")


@pytest.fixture(scope="module")
def box(lab: Lab, busybox: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A container that runs and answers."""
    made = make(lab, "box", template=busybox["id"], memory_mb=3 * HELD_MIB)
    Service(made["ip_address"]).close()
    yield made
    remove(lab, made["id"])


def test_the_shell_makes_one_with_an_address(lab: Lab, busybox: dict[str, Any]) -> None:
    subnet = (lab.dir / "net/subnet").read_text().strip()
    shell(
        lab,
        f"New-VM -Kind Container -Template busybox -Name ct-1 -IPAddress {subnet}.33 -HostName web -DiskMB 64 "
        "-SwapMB 16 -ProcessLimit 100 -DnsServer 192.0.2.1,192.0.2.2 -Environment COLOUR=blue -PowerOn",
    )
    assert shell(lab, "Get-Container | % { \"$($_.Name) $($_.Kind) $($_.IPAddress)\" }") == f"ct-1 Container {subnet}.33"
    made = lab.find("vms", "ct-1")
    Service(f"{subnet}.33").close()
    assert is_mounted(lab, made["id"])
    first = run(lab, made["id"], "ps -o pid,comm,args").splitlines()[1].split()
    assert first[:2] == ["1", "init"], "its own first process"
    assert run(lab, made["id"], "hostname") == "web"
    assert run(lab, made["id"], "id -u") == "0"
    assert run(lab, made["id"], "echo $COLOUR") == "blue"
    assert run(lab, made["id"], "grep ^name /etc/resolv.conf") == "nameserver 192.0.2.1\nnameserver 192.0.2.2"
    assert f"{subnet}.33/22" in run(lab, made["id"], "ip address show eth0")
    assert 32 << 10 < int(run(lab, made["id"], "df -k / | tail -1").split()[1]) <= 64 << 10
    assert "1" in shell(lab, "Invoke-VMScript ct-1 'ps' | % ScriptOutput")
    refused("exists", "in use", lab.api().do, "POST", "/vms",
            {"name": "ct-2", "template": busybox["id"], "ip_address": f"{subnet}.33"})
    remove(lab, made["id"])
    assert not files_of(lab, f"vms/{made['id']}") and not is_mounted(lab, made["id"])


def test_the_whole_life(lab: Lab, busybox: dict[str, Any]) -> None:
    made = make(lab, "life", template=busybox["id"])
    vm_id, address = made["id"], made["ip_address"]
    assert made["guest_type"] == "container" and made["engine"] == "oci" and made["pid"] >= 0
    service = Service(address)
    name, boot = service.ask("hello").split()
    first = int(service.ask("count"))
    assert name == "life"
    assert act(lab, vm_id, "pause")["power_state"] == "paused"
    assert act(lab, vm_id, "resume")["power_state"] == "powered_on"
    assert int(service.ask("count")) == first + 1
    service.close()
    run(lab, vm_id, "echo kept > /root/note")
    assert act(lab, vm_id, "stop", {"mode": "acpi", "timeout_s": 30})["power_state"] == "powered_off"
    refused("bad_state", "off", act, lab, vm_id, "pause")
    refused("bad_state", "run|off", run, lab, vm_id, "true")
    assert act(lab, vm_id, "start")["power_state"] == "powered_on"
    service = Service(address)
    assert service.ask("hello").split()[1] != boot and int(service.ask("count")) == 1
    assert run(lab, vm_id, "cat /root/note") == "kept"
    act(lab, vm_id, "restart", {"mode": "acpi", "timeout_s": 30})
    Service(address).close()
    act(lab, vm_id, "restart", {"mode": "reset"})
    Service(address).close()
    refused("bad_state", "powered.on|runs|off", lab.api().call, "DELETE", f"/vms/{vm_id}")
    act(lab, vm_id, "stop", {"mode": "kill"})
    remove(lab, vm_id)
    assert not files_of(lab, f"vms/{vm_id}")


def test_memory_comes_back_from_a_suspension(lab: Lab, busybox: dict[str, Any]) -> None:
    need_ability(lab, "suspend")
    made = make(lab, "sleeper", template=busybox["id"])
    service = Service(made["ip_address"])
    before = int(service.ask("count"))
    service.close()
    assert act(lab, made["id"], "suspend")["power_state"] == "suspended"
    assert act(lab, made["id"], "start")["power_state"] == "powered_on"
    service = Service(made["ip_address"])
    assert int(service.ask("count")) == before + 1
    service.close()
    remove(lab, made["id"])


def test_what_only_machines_have_is_refused(lab: Lab, box: dict[str, Any], tiny: dict[str, Any]) -> None:
    api, path = lab.api(), f"/vms/{box['id']}"
    refused("unsupported", "no snapshots", api.do, "POST", f"{path}/snapshots", {"name": "a"})
    refused("unsupported", "its one disk is its root", api.do, "POST", f"{path}/disks", {"size_mb": 10})
    refused("bad_state", "this wants it powered off", api.do, "POST", f"{path}/clone", {"name": "a"})
    store = lab.find("datastores", "shared")["id"]
    refused("unsupported", "is a container", api.do, "POST", f"{path}/export", {"datastore": store, "path": "a.ova"})
    refused("invalid", "pids_limit: is of containers", api.do, "POST", "/vms",
            {"name": "a", "template": tiny["id"], "pids_limit": 5})
    refused("unsupported", "user_data", api.do, "POST", "/vms",
            {"name": "a", "template": box["template"], "customize": {"user_data": "#!/bin/sh\n"}})


def test_a_pattern_makes_many_that_share_their_layers(lab: Lab, busybox: dict[str, Any]) -> None:
    body = {"name": "many-{1..6}", "template": busybox["id"], "power_on": True}
    items = lab.api().call("POST", "/vms", body)["items"]
    for item in items:
        lab.api().wait(item["task"])
    made = [vm(lab, item["object"]) for item in items]
    assert {m["power_state"] for m in made} == {"powered_on"}
    assert len({m["host"] for m in made}) == lab.hosts and len({m["ip_address"] for m in made}) == 6
    for m in made:
        Service(m["ip_address"]).close()
        assert [layer["path"] for layer in m["disks"][0]["backing"]][0] == busybox["path"]
    refused("bad_state", "carries the disk", lab.api().do, "DELETE", f"/templates/{busybox['id']}")
    for m in made:
        remove(lab, m["id"])


def test_a_clone_and_a_template_of_a_container(lab: Lab, busybox: dict[str, Any]) -> None:
    made = make(lab, "origin", template=busybox["id"], disk_mb=128)
    run(lab, made["id"], "echo one > /root/note; rm /bin/arch; ln -s note /root/link")
    act(lab, made["id"], "stop", {"mode": "kill"})
    clone = lab.api().do("POST", f"/vms/{made['id']}/clone", {"name": "copy", "power_on": True})["entity"]
    assert run(lab, clone, "cat /root/link; test ! -e /bin/arch && hostname").split() == ["one", "copy"]
    run(lab, clone, "echo two > /root/note")
    golden = lab.api().do("POST", f"/vms/{made['id']}/template", {"name": "golden", "keep": True})["entity"]
    assert act(lab, made["id"], "start")["power_state"] == "powered_on"
    assert run(lab, made["id"], "cat /root/note") == "one"
    tpl = lab.api().get(f"/templates/{golden}")
    assert tpl["guest_type"] == "container" and tpl["layers"], tpl
    child = make(lab, "child", template=golden)
    assert run(lab, child["id"], "cat /root/note; test ! -e /bin/arch && hostname").split() == ["one", "child"]
    for vm_id in (child["id"], clone, made["id"]):
        remove(lab, vm_id)
    lab.api().do("DELETE", f"/templates/{golden}")
    assert not files_of(lab, f"templates/{golden}")


# ---- images from outside ----


def tar_of(files: dict[str, Optional[str]]) -> bytes:
    """A layer: paths with their text; None is a folder.  Programs are what lies in bin."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path, text in files.items():
            info = tarfile.TarInfo(path)
            info.mtime = 1700000000
            if text is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
                continue
            data = text.encode("latin-1")
            info.size, info.mode = len(data), 0o755 if path.startswith("bin/") else 0o644
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def layers() -> list[bytes]:
    program = Path("/bin/busybox").read_bytes().decode("latin-1")
    folders: dict[str, Optional[str]] = {f: None for f in ("bin", "etc", "dev", "proc", "sys", "tmp", "old")}
    return [
        tar_of({**folders, "bin/busybox": program, "bin/sh": program, "bin/cat": program, "bin/run": INIT,
                "etc/motd": "below", "old/gone": "x", "etc/removed": "x"}),
        tar_of({"etc": None, "etc/motd": "above", "etc/.wh.removed": "", "old": None, "old/.wh..wh..opq": "", "old/new": "y"}),
    ]


CONFIG = {
    "architecture": "amd64", "os": "linux",
    "config": {"Entrypoint": ["/bin/run"], "Env": ["PATH=/bin", "FRUIT=pear"], "WorkingDir": "/etc", "StopSignal": "SIGKILL"},
}


def pack(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def docker_archive() -> bytes:
    tars = layers()
    config = json.dumps({**CONFIG, "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest(t)}" for t in tars]}}).encode()
    files = {f"{digest(t)}/layer.tar": t for t in tars}
    manifest = [{"Config": f"{digest(config)}.json", "RepoTags": ["fruit:1"], "Layers": list(files)}]
    return pack({f"{digest(config)}.json": config, **files, "manifest.json": json.dumps(manifest).encode()})


def oci_layout(spoilt: bool = False, told: Optional[dict[str, Any]] = None) -> bytes:
    tars = layers()
    blobs = [gzip.compress(t, mtime=0) for t in tars]
    config = json.dumps({**CONFIG, **({"config": told} if told else {}), "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest(t)}" for t in tars]}}).encode()

    def entry(kind: str, data: bytes) -> dict[str, Any]:
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest(data)}", "size": len(data)}

    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": entry("config.v1+json", config), "layers": [entry("layer.v1.tar+gzip", b) for b in blobs],
    }).encode()
    index = json.dumps({"schemaVersion": 2, "manifests": [entry("manifest.v1+json", manifest)]}).encode()
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index}
    for i, blob in enumerate([config, manifest, *blobs]):
        data = blob[:-1] + bytes([blob[-1] ^ 1]) if spoilt and i == 3 else blob
        files[f"blobs/sha256/{digest(blob)}"] = data
    return pack(files)


def bring_in(lab: Lab, data: bytes, name: str, fmt: str, **more: Any) -> dict[str, Any]:
    store = lab.find("datastores", "shared")
    path = upload(lab, store, data, f"{name}.{fmt}")
    body = {"name": name, "datastore": store["id"], "path": path, "format": fmt, "guest_type": "container", **more}
    return lab.api().get(f"/templates/{lab.api().do('POST', '/templates', body)['entity']}")


@pytest.mark.parametrize("fmt", ["docker", "oci"])
def test_an_image_becomes_containers(lab: Lab, busybox: dict[str, Any], fmt: str) -> None:
    data = docker_archive() if fmt == "docker" else oci_layout()
    tpl = bring_in(lab, data, f"fruit-{fmt}", fmt, env=["EXTRA=1"], memory_mb=48)
    assert tpl["container"]["args"] == ["/bin/run"] and tpl["container"]["cwd"] == "/etc"
    assert "FRUIT=pear" in tpl["container"]["env"] and "EXTRA=1" in tpl["container"]["env"]
    made = make(lab, f"from-{fmt}", template=tpl["id"])
    assert made["memory_mb"] == 48
    assert run(lab, made["id"], "/bin/busybox cat /etc/motd") == "above"
    assert run(lab, made["id"], "/bin/busybox ls /old; /bin/busybox ls /etc").split()[0] == "new"
    assert "removed" not in run(lab, made["id"], "/bin/busybox ls /etc")
    assert run(lab, made["id"], "echo $FRUIT $EXTRA") == "pear 1"
    remove(lab, made["id"])
    lab.api().do("DELETE", f"/templates/{tpl['id']}")


def test_an_application_runs_as_its_image_says(lab: Lab, busybox: dict[str, Any]) -> None:
    told = {"User": "7:8", "Entrypoint": ["/bin/busybox"], "Cmd": ["sleep", "100000"],
            "Env": ["PATH=/bin", "TWO=two words"], "WorkingDir": "/old"}
    tpl = bring_in(lab, oci_layout(told=told), "application", "oci")
    made = make(lab, "app", template=tpl["id"])
    assert run(lab, made["id"], "busybox tr '\\0' '|' < /proc/1/cmdline") == "/bin/busybox|sleep|100000|"
    assert run(lab, made["id"], "busybox grep -E '^[UG]id' /proc/1/status").split() == ["Uid:", *4 * ["7"], "Gid:", *4 * ["8"]]
    assert tpl["container"]["cwd"] == "/old" and run(lab, made["id"], 'echo "$TWO"') == "two words"
    remove(lab, made["id"])
    lab.api().do("DELETE", f"/templates/{tpl['id']}")


def test_images_that_lie_are_refused_and_leave_nothing(lab: Lab, busybox: dict[str, Any]) -> None:
    bad = {
        "spoilt.oci": (oci_layout(spoilt=True), "digest|checksum|sha256|spoilt|corrupt|gzip"),
        "none.oci": (b"no archive at all" * 100, "archive|tar|unpack|format"),
        "empty.docker": (pack({"manifest.json": b"[]"}), "image|manifest"),
        "cut.tar": (tar_of({"etc": None, "etc/motd": "x" * 5000})[:2000], "trunc|ends|short|archive|damaged"),
        "outside.tar": (tar_of({"../../outside": "x"}), "outside|path|\\.\\."),
        "empty.tar": (tar_of({}), "is empty"),
        "idle.tar": (tar_of({"sbin/init": "text"}), "program"),
    }
    known = len(lab.all("templates"))
    for name, (data, words) in bad.items():
        stem, fmt = name.split(".")
        with pytest.raises(ApiError) as caught:
            bring_in(lab, data, stem, fmt)
        assert caught.value.code in ("invalid", "corrupt", "unsupported", "not_found"), (name, caught.value)
        assert len(caught.value.message) > 10, name
    assert len(lab.all("templates")) == known


# ---- what goes on without them ----


def test_a_container_outlives_its_agent(lab: Lab, box: dict[str, Any]) -> None:
    service = Service(box["ip_address"])
    before = int(service.ask("count"))
    lab.restart_agent(agent_of(lab, vm(lab, box["id"])["host"]))
    assert int(service.ask("count")) == before + 1
    service.close()
    assert vm(lab, box["id"])["power_state"] == "powered_on"
    assert run(lab, box["id"], "echo still here") == "still here"
    act(lab, box["id"], "pause")
    act(lab, box["id"], "resume")


def test_an_agent_killed_while_one_is_made(lab: Lab, busybox: dict[str, Any]) -> None:
    host = lab.all("hosts")[0]
    started = lab.api().call("POST", "/vms", {"name": "cut", "template": busybox["id"], "host": host["id"], "power_on": True})
    lab.restart_agent(agent_of(lab, host["id"]))
    lab.api().wait(started["task"])
    made = vm(lab, started["object"])
    assert made["power_state"] == "powered_on"
    Service(made["ip_address"]).close()
    remove(lab, made["id"])


def test_a_server_killed_while_many_are_made(lab: Lab, busybox: dict[str, Any]) -> None:
    body = {"name": "late-{1..4}", "template": busybox["id"], "power_on": True}
    items = lab.api().call("POST", "/vms", body)["items"]
    lab.restart_server()
    for item in items:
        lab.api().wait(item["task"])
        made = vm(lab, item["object"])
        assert made["power_state"] == "powered_on"
        Service(made["ip_address"]).close()
        remove(lab, made["id"])


# ---- moves ----


def test_moves_are_not_noticed(lab: Lab, box: dict[str, Any]) -> None:
    need_ability(lab, "live_migration")
    service = Service(box["ip_address"])
    assert service.ask(f"mem {HELD_MIB}") == "ok"
    service.close()
    counter = Counter(box["ip_address"])
    ring = itertools.cycle(h["id"] for h in lab.all("hosts"))
    gaps = []
    try:
        for _ in range(MOVES):
            now = vm(lab, box["id"])
            to = next(h for h in ring if h != now["host"])
            counter.take_gap()
            result = lab.api().do("POST", f"/vms/{box['id']}/migrate", {"host": to})["result"]
            after = vm(lab, box["id"])
            assert after["host"] == to and after["power_state"] == "powered_on" and result["live"]
            seen = counter.answers
            wait_for("the counter to go on", lambda: counter.answers > seen + 5 or not counter.healthy(), PATIENCE_S)
            assert counter.healthy(), counter.wrong
            gaps.append(counter.take_gap())
    finally:
        answers = counter.end()
    assert answers > 10 * MOVES
    print(f"{MOVES} moves, longest gap {max(gaps) * 1000:.0f} ms, mean {sum(gaps) / len(gaps) * 1000:.0f} ms")


def test_one_that_is_off_moves_with_its_disk(lab: Lab, busybox: dict[str, Any]) -> None:
    made = make(lab, "mover", template=busybox["id"])
    run(lab, made["id"], "echo along > /root/note")
    act(lab, made["id"], "stop", {"mode": "kill"})
    target = next(h for h in lab.all("hosts") if h["id"] != made["host"])
    store = next(d for d in lab.all("datastores") if d["hosts"] == [target["id"]])
    body = {"host": target["id"], "datastore": store["id"]}
    check = lab.api().call("POST", f"/vms/{made['id']}/migrate-check", body)
    assert check["possible"] and check["copies_template"]
    said = shell(lab, f"Move-VM mover -Destination {target['name']} -Datastore {store['name']} -WhatIf")
    assert "copied to the datastore first" in said
    lab.api().do("POST", f"/vms/{made['id']}/migrate", body)
    assert len(lab.api().get(f"/templates/{busybox['id']}")["copies"]) == 1
    moved = act(lab, made["id"], "start")
    assert moved["host"] == target["id"] and moved["datastores"] == [store["id"]]
    assert run(lab, made["id"], "cat /root/note") == "along"
    remove(lab, made["id"])
    lab.api().do("DELETE", f"/templates/{busybox['id']}/copies/{store['id']}")
