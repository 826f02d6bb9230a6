"""The surface: who may do what, and what bad input is told."""
import json
import re
from datetime import datetime
from typing import Any

import pytest
from conftest import ROOT, Lab, refused
from lab_client import Api, ApiError

ROLES = ["read_only", "operator", "administrator"]


@pytest.fixture(scope="module")
def people(lab: Lab) -> dict[str, Api]:
    """A logged-in connection for each role, and one for nobody."""
    made = {"none": lab.anonymous()}
    for role in ROLES:
        lab.api().call("POST", "/users", {"name": f"u-{role}", "password": "long enough", "role": role})
        made[role] = lab.anonymous()
        made[role].login(f"u-{role}", "long enough")
    return made


def test_every_route_asks_for_its_role(lab: Lab, people: dict[str, Api]) -> None:
    """Each route of the OpenAPI document, tried by everybody who stands below its role."""
    doc = lab.api().get("/openapi.json")
    ranks = ["none", *ROLES]
    tried = 0
    for path, methods in doc["paths"].items():
        for method, op in methods.items():
            for role in ranks[: ranks.index(op["x-role"])]:
                concrete = re.sub(r"\{\w+\}", "x-1", path)
                status, text = people[role].raw(method.upper(), concrete, None, {})
                want = 401 if role == "none" else 403
                assert status == want, f"{method} {concrete} as {role}: {status} {text[:200]!r}"
                tried += 1
    assert tried > 100


def test_a_page_needs_its_csrf_word(lab: Lab) -> None:
    api = lab.anonymous()
    session = api.login("admin", lab.password)
    cookie = {"Cookie": f"__Host-drover={api.token}"}
    api.token = ""
    assert api.raw("GET", "/api/v1/sessions/current", None, dict(cookie))[0] == 200
    body = b'{"name":"csrf"}'
    headers = {**cookie, "Content-Type": "application/json"}
    assert api.raw("POST", "/api/v1/datacenters", body, dict(headers))[0] == 403
    assert api.raw("POST", "/api/v1/datacenters", body, {**headers, "X-Drover-Csrf": "0" * 32})[0] == 403
    assert api.raw("POST", "/api/v1/datacenters", body, {**headers, "Authorization": "Basic eDp4"})[0] == 403
    assert api.raw("POST", "/api/v1/datacenters", body, {**headers, "X-Drover-Csrf": session["csrf"]})[0] == 201


def test_logins(lab: Lab) -> None:
    api = lab.anonymous()
    refused("unauthenticated", "wrong", api.login, "admin", "not the password")
    refused("unauthenticated", "wrong", api.login, "nobody", "not the password")
    api.login("admin", lab.password)
    api.call("DELETE", "/sessions/current")
    refused("unauthenticated", "log in", api.get, "/vms")


def test_guessing_is_slowed_down(lab: Lab) -> None:
    lab.api().call("POST", "/users", {"name": "guessed", "password": "long enough", "role": "read_only"})
    api = lab.anonymous()
    for _ in range(5):
        refused("unauthenticated", "wrong", api.login, "guessed", "not the password")
    refused("rate_limited", "try again in", api.login, "guessed", "long enough")


def test_tokens_are_shown_once_and_can_be_revoked(lab: Lab) -> None:
    api = lab.api()
    made = api.call("POST", "/tokens", {"name": "script", "days": 1})
    script = lab.anonymous()
    script.token = made["token"]
    assert script.get("/sessions/current")["user"] == "admin"
    listed = api.get("/tokens")["items"]
    assert made["token"] not in json.dumps(listed)
    api.call("DELETE", f"/tokens/{made['id']}")
    refused("unauthenticated", "log in", script.get, "/vms")


def test_disabling_a_user_acts_at_once(lab: Lab) -> None:
    api = lab.api()
    user = api.call("POST", "/users", {"name": "leaver", "password": "long enough", "role": "operator"})
    theirs = lab.anonymous()
    theirs.login("leaver", "long enough")
    api.call("PATCH", f"/users/{user['id']}", {"enabled": False})
    refused("unauthenticated", "log in", theirs.get, "/vms")


def patch(api: Api, path: str, body: dict[str, Any], etag: str) -> tuple[int, dict[str, Any]]:
    headers = {"Content-Type": "application/json", "If-Match": etag}
    status, text = api.raw("PATCH", f"/api/v1{path}", json.dumps(body).encode(), headers)
    return status, json.loads(text)


def etag(api: Api, path: str) -> str:
    api.get(path)  # whoever connects anew has a connection then
    api.conn.request("GET", f"/api/v1{path}", headers={"Authorization": f"Bearer {api.token}"})
    answer = api.conn.getresponse()
    answer.read()
    return answer.getheader("ETag")


def test_what_pages_remember_is_ones_own(lab: Lab, people: dict[str, Api]) -> None:
    path = "/users/current/preferences"
    reader = people["read_only"]
    views = {"views": [{"name": "mine", "query": "q=web*"}], "theme": "dark"}
    assert reader.call("PATCH", path, views) == views
    assert reader.call("PATCH", path, {"theme": None}) == {"views": views["views"]}
    assert reader.get(path) == {"views": views["views"]}
    assert "preferences" not in lab.api().get("/users")["items"][0]
    assert lab.api().get(path).get("views") is None
    refused("invalid", "65536 are kept", reader.call, "PATCH", path, {"much": "x" * 65536})
    assert reader.get(path) == {"views": views["views"]}


def test_the_second_of_two_is_told(lab: Lab, people: dict[str, Api]) -> None:
    """Two who read the same pool: the second's change is refused, with who did what and how it is now."""
    first, second = lab.api(), people["administrator"]
    pool = first.call("POST", "/pools", {"name": "both", "parent": lab.find("clusters", "cluster1")["id"]})
    path = f"/pools/{pool['id']}"
    read = etag(second, path)
    assert patch(first, path, {"cpu_limit_mhz": 2000, "name": "ours"}, read)[0] == 200
    status, told = patch(second, path, {"cpu_limit_mhz": 3000}, read)
    assert (status, told["error"]["code"]) == (412, "changed")
    assert "admin changed name, cpu_limit_mhz" in told["error"]["message"]
    (change,) = told["changes"]
    assert change["user"] == "admin" and change["fields"] == ["name", "cpu_limit_mhz"]
    assert told["object"]["cpu_limit_mhz"] == 2000 and told["object"]["name"] == "ours"
    # He has seen it, and goes on; who says nothing of what he read is not asked.
    assert patch(second, path, {"cpu_limit_mhz": 3000}, f'"{told["object"]["rev"]}"')[0] == 200
    assert patch(first, path, {"cpu_limit_mhz": 2500}, "*")[0] == 200
    assert first.call("PATCH", path, {"cpu_limit_mhz": 0})["cpu_limit_mhz"] == 0
    for bad in ("x", '"x"', 'W/"1"', "7", '"1", "2"'):
        status, told = patch(first, path, {"cpu_limit_mhz": 1}, bad)
        assert status == 400 and "If-Match" in told["error"]["message"]
    first.call("DELETE", path)


def test_what_nobody_set_is_no_reason_to_refuse(lab: Lab) -> None:
    """A machine that was switched on since it was read takes a change; one that was changed does not."""
    api = lab.api()
    body = {"name": "revised", "template": lab.find("templates", "tiny")["id"]}
    made = api.call("POST", "/vms", body)
    api.wait(made["task"])
    path = f"/vms/{made['object']}"
    read = etag(api, path)
    api.do("POST", f"{path}/start", {})
    assert etag(api, path) == read and api.get(path)["rev"] > int(read.strip('"'))
    status, answer = patch(api, path, {"notes": "mine"}, read)
    assert status == 202
    api.wait(answer["task"])
    status, told = patch(api, path, {"notes": "late"}, read)
    assert status == 412 and told["changes"][-1]["fields"] == ["notes"]
    api.do("POST", f"{path}/stop", {"mode": "kill"})
    api.do("DELETE", path)


def test_the_last_administrator_stays(lab: Lab, people: dict[str, Api]) -> None:
    api = lab.api()
    for user in api.get("/users")["items"]:
        if user["role"] == "administrator" and user["name"] != "admin":
            api.call("DELETE", f"/users/{user['id']}")
    admin = lab.find("users", "admin")
    refused("bad_state", "last enabled administrator", api.call, "DELETE", f"/users/{admin['id']}")
    refused("bad_state", "last", api.call, "PATCH", f"/users/{admin['id']}", {"role": "operator"})


LONG = "x" * 10000
BAD_VMS: list[tuple[dict[str, Any], str]] = [
    ({"colour": "red"}, "colour"),
    ({"num_cpu": "two"}, "num_cpu"),
    ({"num_cpu": 0}, "num_cpu"),
    ({"num_cpu": -1}, "num_cpu"),
    ({"num_cpu": 129}, "num_cpu"),
    ({"num_cpu": 1.5}, "num_cpu"),
    ({"memory_mb": 0}, "memory_mb"),
    ({"memory_mb": 2**63}, "memory_mb|body"),
    ({"memory_mb": 2**63 - 1}, "memory_mb"),
    ({"memory_mb": True}, "memory_mb"),
    ({"name": ""}, "name"),
    ({"name": LONG}, "name"),
    ({"name": "a/b"}, "name"),
    ({"name": "a\x00b"}, "name|body"),
    ({"name": ".."}, "name"),
    ({"name": 5}, "name"),
    ({"name": None}, "name"),
    ({"template": "vm-1"}, "template"),
    ({"template": "template-999999"}, "template-999999"),
    ({"template": "template-99999999999999999999999"}, "template"),
    ({"host": "host-999"}, "host-999"),
    ({"power_on": "yes"}, "power_on"),
]


@pytest.mark.parametrize("change,words", BAD_VMS, ids=lambda v: str(v)[:40])
def test_bad_machines_are_refused_by_name(lab: Lab, tiny: dict[str, Any], change: dict[str, Any], words: str) -> None:
    before = len(lab.all("vms"))
    body = {"name": "bad", "template": tiny["id"], **change}
    with pytest.raises(ApiError) as caught:
        lab.api().call("POST", "/vms", body)
    assert caught.value.code in ("invalid", "not_found"), caught.value
    assert re.search(words, caught.value.message), caught.value.message
    assert len(lab.all("vms")) == before


@pytest.mark.parametrize(
    "body,words",
    [
        (b"{", "body"),
        (b"[]", "object"),
        (b"{}{}", "body"),
        (b'{"name":"a","name":"b"}', "body"),
        (b"[" * 10000, "body"),
        (b'{"name":"\xff\xfe"}', "body"),
        (b"", "body|name"),
    ],
)
def test_bad_json_is_refused(lab: Lab, body: bytes, words: str) -> None:
    status, text = lab.api().raw("POST", "/api/v1/vms", body, {"Content-Type": "application/json"})
    assert status == 400, text
    assert re.search(words, json.loads(text)["error"]["message"])


def test_requests_out_of_shape(lab: Lab) -> None:
    api = lab.api()
    assert api.raw("POST", "/api/v1/vms", b"x" * 2_000_000, {"Content-Type": "application/json"})[0] == 413
    api = lab.api()
    assert api.raw("GET", "/api/v1/nothing", None, {})[0] == 404
    assert api.raw("DELETE", "/api/v1/vms", None, {})[0] == 405
    assert api.raw("GET", "/api/v1/vms/host-1", None, {})[0] == 400
    assert api.raw("GET", "/api/v1/vms?limit=many", None, {})[0] == 400
    assert api.raw("GET", "/api/v1/vms?colour=red", None, {})[0] == 400
    assert b"root:" not in api.raw("GET", "/api/v1/../../etc/passwd", None, {})[1]
    assert b"root:" not in api.raw("GET", "/%2e%2e/%2e%2e/etc/passwd", None, {})[1]


def test_names_are_unique_in_a_folder_only(lab: Lab) -> None:
    api = lab.api()
    dc = lab.all("datacenters")[0]["id"]
    one = api.call("POST", "/folders", {"name": "one", "parent": dc})
    refused("exists", "one", api.call, "POST", "/folders", {"name": "one", "parent": dc})
    api.call("POST", "/folders", {"name": "one", "parent": one["id"]})
    with pytest.raises(ApiError) as caught:
        api.call("DELETE", f"/folders/{one['id']}")
    assert caught.value.code in ("bad_state", "busy")


def test_lists_filter_sort_and_page(lab: Lab) -> None:
    api = lab.api()
    parent = api.call("POST", "/folders", {"name": "list", "parent": lab.all("datacenters")[0]["id"]})["id"]
    for i in range(7):
        api.call("POST", "/folders", {"name": f"page-{i}", "parent": parent})
    seen, url, pages = [], "/folders?q=page-*&sort=-name&limit=3", 0
    while url:
        answer = api.get(url)
        seen += [o["name"] for o in answer["items"]]
        url = answer["next"] and answer["next"].removeprefix("/api/v1")
        pages += 1
    assert seen == [f"page-{i}" for i in range(6, -1, -1)]
    assert pages == 3 and answer["total"] == 7
    # Who deletes what he lists misses nothing.
    seen, url = [], "/folders?q=page-*&limit=3"
    while url:
        answer = api.get(url)
        seen += [o["name"] for o in answer["items"]]
        url = answer["next"] and answer["next"].removeprefix("/api/v1")
        for o in answer["items"]:
            api.call("DELETE", f"/folders/{o['id']}")
    assert seen == [f"page-{i}" for i in range(7)]
    refused("invalid", '"after"', api.get, f"/folders?sort=name&after={parent}")
    refused("invalid", "after", api.get, "/folders?after=vm-1")


def test_tags_are_given_found_and_taken(lab: Lab, people: dict[str, Api]) -> None:
    api, operator = lab.api(), people["operator"]
    category = api.call("POST", "/categories", {"name": "Environment"})
    assert category["cardinality"] == "single"
    prod, test = (api.call("POST", "/tags", {"name": name, "category": category["id"]}) for name in ("prod", "test"))
    host, dc = lab.all("hosts")[0]["id"], lab.all("datacenters")[0]["id"]
    operator.call("POST", f"/tags/{prod['id']}/assign", {"objects": [host, dc]})
    refused("bad_state", '"prod" already', operator.call, "POST", f"/tags/{test['id']}/assign", {"objects": [host]})
    refused("denied", "administrator", operator.call, "DELETE", f"/tags/{prod['id']}")
    assert [o["tags"] for o in api.get("/hosts?q=tag:Environment/prod")["items"]] == [[prod["id"]]]
    assert [o["id"] for o in api.get("/datacenters?q=tag:prod")["items"]] == [dc]
    operator.call("POST", f"/tags/{prod['id']}/unassign", {"objects": [dc]})
    api.call("DELETE", f"/categories/{category['id']}")
    assert api.get(f"/hosts/{host}")["tags"] == [] and api.get("/tags")["total"] == 0
    newest = api.get("/events?limit=10")["items"]
    assert any("2 tags and 1 assignments" in event["message"] for event in newest)


@pytest.mark.parametrize("path", ["/events", "/audit"])
def test_what_only_grows_is_paged(lab: Lab, path: str) -> None:
    api = lab.api()
    for i in range(4):
        api.call("POST", "/datacenters", {"name": f"grows-{path[1:]}-{i}"})
    whole = [o["id"] for o in api.get(f"{path}?limit=6")["items"]]
    first = api.get(f"{path}?limit=2")
    second = api.get(first["next"].removeprefix("/api/v1"))
    assert [o["id"] for o in first["items"] + second["items"]] == whole[:4]
    only = lab.all("datacenters")[-1]["id"]
    assert api.get(f"/events?entity={only}")["next"] is None


def test_events_are_found_by_place_type_user_and_time(lab: Lab) -> None:
    api = lab.api()
    dc = api.call("POST", "/datacenters", {"name": "events & more"})["id"]
    outer = api.call("POST", "/folders", {"name": "outer", "parent": dc})["id"]
    inner = api.call("POST", "/folders", {"name": "inner", "parent": outer})["id"]
    for folder in (inner, outer):
        api.call("DELETE", f"/folders/{folder}")

    def ids(query: str) -> list[str]:
        return [e["entity"] for e in api.get(f"/events?entity={query}")["items"]]

    # Of what is gone, too, where it was.
    assert ids(dc) == [outer, inner, inner, outer, dc]
    assert ids(f"{outer}&types=objectremoved*") == [outer, inner]
    assert ids(f"{dc}&types=error,warning") == []
    user = api.get(f"/events?entity={dc}&limit=1")["items"][0]["user"]
    assert ids(f"{dc}&types=info&user={user.upper()}") == ids(dc)
    assert ids(f"{dc}&user=nobody") == []
    url, seen, pages = f"/events?entity={dc}&types=Object*,error&limit=2", [], 0
    while url:
        page = api.get(url)
        seen += [e["entity"] for e in page["items"]]
        url = page["next"] and page["next"].removeprefix("/api/v1")
        pages += 1
    assert seen == ids(dc) and pages == 3
    made = api.get(f"/events?entity={inner}")["items"][-1]["time"]
    ms = round(datetime.fromisoformat(made.replace("Z", "+00:00")).timestamp() * 1000)
    assert ids(f"{inner}&end={ms}") == [inner] and ids(f"{dc}&start={ms}&end={ms}").count(inner) >= 1
    assert ids(f"{dc}&end={ms - 3600000}") == []
    refused("invalid", "VmDead*", api.get, "/events?types=VmDead*")
    refused("bad_range", "before the start", api.get, "/events?start=2000&end=1000")


def test_the_same_op_id_acts_once(lab: Lab) -> None:
    api = lab.api()
    body = {"name": "once", "parent": lab.all("datacenters")[0]["id"]}
    first = api.call("POST", "/folders", body, **{"X-Drover-Op": "11111111-1111-4111-8111-111111111111"})
    again = api.call("POST", "/folders", body, **{"X-Drover-Op": "11111111-1111-4111-8111-111111111111"})
    assert first["id"] == again["id"]
    refused("exists", "once", api.call, "POST", "/folders", body)
    with pytest.raises(ApiError) as caught:
        api.call("POST", "/folders", body, **{"X-Drover-Op": "two words"})
    assert caught.value.code == "invalid"


def test_changes_and_denials_are_audited(lab: Lab, people: dict[str, Api]) -> None:
    api = lab.api()
    api.call("POST", "/datacenters", {"name": "audited"})
    rows = api.get("/audit?limit=50")["items"]
    row = next(r for r in rows if r["action"] == "datacenter.create" and r["entity_name"] == "audited")
    assert row["user_name"] == "admin" and row["address"] == "127.0.0.1" and row["request_id"].startswith("r-")
    with pytest.raises(ApiError):
        api.call("POST", "/datacenters", {"name": "audited"})
    rows = api.get("/audit?limit=5")["items"]
    assert any(r["action"] == "datacenter.create" and r["result"] != "ok" for r in rows)


def test_a_row_that_somebody_changed_breaks_the_audit_chain(lab: Lab) -> None:
    api = lab.api()
    assert api.get("/audit/check") == {"whole": True, "first_bad": None}
    victim = api.get("/audit?limit=5")["items"][2]["id"]
    lab.sql("ALTER TABLE audit DISABLE TRIGGER USER; "
            f"UPDATE audit SET detail = 'never happened' WHERE id = {victim}; "
            "ALTER TABLE audit ENABLE TRIGGER USER")
    assert api.get("/audit/check") == {"whole": False, "first_bad": victim}


def test_metrics_and_health(lab: Lab) -> None:
    api = lab.anonymous()
    status, text = api.raw("GET", "/metrics", None, {})
    assert status == 200
    assert b"drover_server_database_up 1" in text and b"drover_hosts_connected 3" in text
    assert api.raw("GET", "/healthz", None, {}) == (200, b"ok\n")


def test_what_cmdlets_send_is_what_routes_take(lab: Lab) -> None:
    """Every field that a row of the shell's table says it sends is in the route's schema."""
    doc = lab.api().get("/openapi.json")
    text = (ROOT / "shell/cmd.def").read_text()
    rows = re.findall(r'^\tROUTE\((\w+), "([^"]+)",((?:\s*"[^"]*")+)\)', text, re.M)
    assert len(rows) > 100
    for method, path, fields in rows:
        route = doc["paths"][f"/api/v1{path}"][method.lower()]
        body = route.get("requestBody", {}).get("content", {}).get("application/json")
        if method in ("POST", "PATCH") and body and "properties" in body["schema"]:
            sent = set(" ".join(re.findall(r'"([^"]*)"', fields)).split())
            assert sent <= set(body["schema"]["properties"]), f"{method} {path}"


def test_the_openapi_document_names_its_schemas(lab: Lab) -> None:
    doc = lab.api().get("/openapi.json")
    text = json.dumps(doc)
    for name in set(re.findall(r'"#/components/schemas/(\w+)"', text)):
        assert name in doc["components"]["schemas"], name
    create = doc["paths"]["/api/v1/vms"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert create["additionalProperties"] is False and "template" in create["required"]
    assert "password_hash" not in text
