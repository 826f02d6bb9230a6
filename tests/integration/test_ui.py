"""The pages in a real browser; the journeys themselves are in tests/ui/journeys.mjs."""
import os
import shutil
import subprocess

import pytest
from conftest import ROOT, Lab


def test_journeys(lab: Lab) -> None:
    node = shutil.which("node")
    if not node or not os.path.exists("/usr/bin/chromium"):
        pytest.skip("node or chromium is not here")
    tiny = lab.find("templates", "tiny")
    lab.api().do("POST", "/vms", {"name": "ui-witness", "template": tiny["id"], "power_on": True})
    containers = any(t["name"] == "busybox" for t in lab.api().get("/templates")["items"])
    ran = subprocess.run(
        [node, "--test", str(ROOT / "tests/ui/journeys.mjs")],
        env={
            **os.environ,
            "DROVER_URL": f"https://127.0.0.1:{lab.port}",
            "DROVER_USER": "admin",
            "DROVER_CONTAINERS": "1" if containers else "",
            "DROVER_PASSWORD": lab.password,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
