"""The pages in a real browser; the journeys themselves are in tests/ui."""
import os
import shutil
import subprocess

import pytest
from conftest import ROOT, Lab
from test_guests import make


def browse(lab: Lab, journey: str, **more: str) -> None:
    node = shutil.which("node")
    if not node or not os.path.exists("/usr/bin/chromium"):
        pytest.skip("node or chromium is not here")
    ran = subprocess.run(
        [node, "--test", str(ROOT / "tests/ui" / journey)],
        env={
            **os.environ,
            "DROVER_URL": f"https://127.0.0.1:{lab.port}",
            "DROVER_USER": "admin",
            "DROVER_PASSWORD": lab.password,
            **more,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]


def has_containers(lab: Lab) -> bool:
    return any(t["name"] == "busybox" for t in lab.api().get("/templates")["items"])


def test_journeys(lab: Lab) -> None:
    make(lab, "ui-witness")
    browse(lab, "journeys.mjs", DROVER_CONTAINERS="1" if has_containers(lab) else "")


def test_consoles(lab: Lab) -> None:
    machine = make(lab, "ui-shown")["id"]
    container = ""
    if has_containers(lab):
        busybox = next(t["id"] for t in lab.api().get("/templates")["items"] if t["name"] == "busybox")
        container = make(lab, "ui-entered", template=busybox)["id"]
    browse(lab, "consoles.mjs", DROVER_MACHINE=machine, DROVER_CONTAINER=container)
