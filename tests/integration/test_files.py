"""Files of datastores: up and down in pieces with resume, sums, quota, orphans, hosts."""
import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any, Optional

import pytest
from conftest import BUILD, Lab, refused, wait_for

MIB = 1 << 20


def put(lab: Lab, store: str, path: str, offset: int, data: bytes, last: int = 0) -> tuple[int, Any]:
    status, text = lab.api().raw("PUT", f"/api/v1/datastores/{store}/content?path={path}&offset={offset}&last={last}", data, {})
    return status, json.loads(text)


def fetch(lab: Lab, store: str, query: str, headers: Optional[dict[str, str]] = None) -> tuple[int, dict[str, str], bytes]:
    api = lab.api()
    api.raw("GET", "/healthz", None, {})  # connects
    assert api.conn is not None
    api.conn.request("GET", f"/api/v1/datastores/{store}/content?{query}", None, {"Authorization": "Bearer " + api.token, **(headers or {})})
    answer = api.conn.getresponse()
    return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


@pytest.fixture(scope="module")
def store(lab: Lab) -> str:
    return lab.find("datastores", "local-1")["id"]


def test_five_mebibytes_up_and_down(lab: Lab, store: str) -> None:
    data = os.urandom(5 * MIB + 12345)
    for at in range(0, 3 * MIB, MIB):
        assert put(lab, store, "iso/big.bin", at, data[at : at + MIB])[0] == 200
    # The client forgot how far it was: the server tells it.
    status, answer = put(lab, store, "iso/big.bin", 5 * MIB, data[5 * MIB :])
    assert status == 409 and answer["size_bytes"] == 3 * MIB and "go on from there" in answer["error"]["message"]
    status, answer = put(lab, store, "iso/big.bin", MIB + 1, b"x")
    assert status == 409 and answer["size_bytes"] == 3 * MIB
    assert put(lab, store, "iso/big.bin", 2 * MIB, data[2 * MIB : 3 * MIB])[0] == 200, "a piece that was sent again"
    for at in range(3 * MIB, len(data), MIB):
        status, answer = put(lab, store, "iso/big.bin", at, data[at : at + MIB], int(at + MIB >= len(data)))
        assert status == 200
    assert answer["size_bytes"] == len(data)
    found, etag = b"", ""
    while len(found) < len(data):
        status, head, piece = fetch(lab, store, f"path=iso/big.bin&offset={len(found)}", {"If-Match": etag} if etag else {})
        assert status == 206 and head["x-drover-size"] == str(len(data))
        assert head["content-range"] == f"bytes {len(found)}-{len(found) + len(piece) - 1}/{len(data)}"
        found, etag = found + piece, head["etag"]
    assert found == data
    told = lab.api().get(f"/datastores/{store}/checksum?path=iso/big.bin")
    assert told == {"path": "iso/big.bin", "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    # Changed in between: what was fetched so far is worth nothing.
    assert put(lab, store, "iso/big.bin", 0, b"other", 1)[0] == 200
    status, _, text = fetch(lab, store, "path=iso/big.bin&offset=1", {"If-Match": etag})
    assert status == 412 and "has changed" in json.loads(text)["error"]["message"]
    assert fetch(lab, store, "path=iso/big.bin")[0::2] == (200, b"other")
    lab.api().call("DELETE", f"/datastores/{store}/content?path=iso/big.bin")


def test_ranges_and_paths_that_make_no_sense(lab: Lab, store: str) -> None:
    assert put(lab, store, "small", 0, b"12345", 1)[0] == 200
    for query, wanted in {
        "path=small&offset=5": 416,
        "path=small&offset=6": 416,
        "path=small&length=0": 416,
        "path=small&offset=-1": 400,
        f"path=small&length={MIB + 1}": 400,
        "path=none": 404,
        "path=../local-2/small": 400,
        "path=/etc/passwd": 400,
        "path=.drover-datastore": 403,
        "path=.drover-beats/x": 403,
        "path=templates/template-1/disk.qcow2": 403,
        "": 400,
    }.items():
        assert fetch(lab, store, query)[0] == wanted, query
    assert fetch(lab, store, "path=small&offset=1&length=3")[0::2] == (206, b"234")
    assert put(lab, store, ".drover-beats/x", 0, b"x")[0] == 403
    refused("denied", "not given out", lab.api().get, f"/datastores/{store}/checksum?path=vms/vm-1/disk-0.qcow2")


def test_quota(lab: Lab, store: str) -> None:
    used = 5  # of the test before
    lab.api().do("PATCH", f"/datastores/{store}", {"quota_bytes": used + 10})
    try:
        status, answer = put(lab, store, "more", 0, b"12345678901", 1)
        assert status == 409 and "quota for uploads is 15 bytes, 5 are used" in answer["error"]["message"]
        assert put(lab, store, "more", 0, b"1234567890", 1)[0] == 200
        assert put(lab, store, "more", 10, b"1", 1)[0] == 409
    finally:
        lab.api().do("PATCH", f"/datastores/{store}", {"quota_bytes": 0})
    assert put(lab, store, "more", 10, b"1", 1)[0] == 200


def test_orphans_are_told_and_stay(lab: Lab, store: str) -> None:
    root = lab.dir / "ds/local-1"
    planted = {"vms/vm-999/disk-0.qcow2": "no such machine", "templates/template-998/disk.raw": "no such template", "vms/stray": "folder of nothing"}
    for path in planted:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x" * 100)
        os.utime(root / path, (1, 1))
    (root / "vms/vm-999/fresh").write_bytes(b"just being made")
    result = lab.api().do("POST", f"/datastores/{store}/scan")["result"]
    found = {o["path"]: o for o in result["orphans"]}
    assert set(found) == set(planted) and result["count"] == 3 and not result["cut"]
    for path, why in planted.items():
        assert why in found[path]["why"] and found[path]["size_bytes"] == 100
        assert (root / path).exists()
        (root / path).unlink()
    assert lab.api().do("POST", f"/datastores/{store}/scan")["result"]["orphans"] == []


def test_hosts_leave_their_beats(lab: Lab) -> None:
    beats = lab.dir / "ds/shared/.drover-beats"
    wait_for("a beat of every host", lambda: beats.is_dir() and len(list(beats.glob("host-*"))) == 3, 40)
    assert ".drover-beats" not in {f["path"] for f in lab.api().get(f"/datastores/{lab.find('datastores', 'shared')['id']}/files")["items"]}
    gone = lab.find("hosts", "host-3")
    old = beats / f"host-{gone['uuid']}"
    lab.kill("agent-3") if (lab.dir / "run/agent-3.pid").exists() else lab.kill("host-3")
    os.utime(old, (1, 1))
    wait_for("the others to miss it", lambda: lab.find("datastores", "shared")["silent_hosts"] == [gone["id"]], 40)


def test_hosts_of_a_datastore_change(lab: Lab) -> None:
    shared = lab.find("datastores", "shared")
    two = [h for h in shared["hosts"] if h != lab.find("hosts", "host-3")["id"]]
    lab.api().do("PATCH", f"/datastores/{shared['id']}", {"hosts": two[:1], "name": "common"})
    now = lab.find("datastores", "common")
    assert now["hosts"] == two[:1] and now["reachable_hosts"] == two[:1]
    lab.api().do("PATCH", f"/datastores/{shared['id']}", {"hosts": two, "name": "shared"})
    wait_for("both to reach it", lambda: lab.find("datastores", "shared")["reachable_hosts"] == two)
    local = lab.find("datastores", "local-1")
    refused("invalid", "not shared", lab.api().do, "PATCH", f"/datastores/{local['id']}", {"hosts": two})


def test_the_shell_copies_and_goes_on(lab: Lab, store: str, tmp_path: Path) -> None:
    def shell(line: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "DROVER_SERVERS": str(lab.dir / "etc/servers.json")}
        return subprocess.run([str(BUILD / "bin/drover"), "-c", line], env=env, capture_output=True, text=True, timeout=120)

    data = os.urandom(2 * MIB + 99)
    here, back = tmp_path / "image.bin", tmp_path / "back.bin"
    here.write_bytes(data)
    # The beginning is there already, as after an upload that was cut off.
    assert put(lab, store, "iso/image.bin", 0, data[:MIB])[0] == 200
    ran = shell(f"Copy-DatastoreItem '{here}' '[local-1] iso/'; Get-DatastoreItem '[local-1] iso' | % Length")
    assert (ran.returncode, ran.stdout.strip()) == (0, str(len(data))), ran.stderr
    (tmp_path / "back.bin.part").write_bytes(data[:MIB])
    ran = shell(f"Copy-DatastoreItem '[local-1] iso/image.bin' '{back}'")
    assert ran.returncode == 0 and back.read_bytes() == data, ran.stderr
    # A beginning that is not this file's is found out.
    back.unlink()
    (tmp_path / "back.bin.part").write_bytes(b"x" * MIB)
    assert "begin anew" in shell(f"Copy-DatastoreItem '[local-1] iso/image.bin' '{back}'").stderr and not back.exists()
    ran = shell("Remove-DatastoreItem '[local-1] iso/image.bin' -Confirm:$false; Get-Datastore local-1 | Get-DatastoreOrphan | Measure-Object | % Count")
    assert (ran.returncode, ran.stdout.strip()) == (0, "0"), ran.stderr
