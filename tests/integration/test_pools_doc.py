"""docs/drs.md and docs/pools.md say what the shell says."""
import os
import re
import shutil
import subprocess
from typing import Iterator

import pytest
from conftest import BUILD, ROOT, Lab, make_lab


@pytest.fixture(scope="module")
def sim() -> Iterator[Lab]:
    if os.geteuid() != 0:
        pytest.skip("labs need root")
    made = make_lab(3, 0, "sim")
    try:
        made.up()
        yield made
    finally:
        made.destroy()
        shutil.rmtree(made.dir.parent, ignore_errors=True)


def examples(doc: str) -> list[tuple[str, str]]:
    """Each command with what it answers."""
    blocks = re.findall(r"^```\n(.*?)^```", (ROOT / doc).read_text(), re.S | re.M)
    found = [re.findall(r"^> (.*)\n((?:(?!> ).*\n)*)", b, re.M) for b in blocks]
    return [pair for block in found for pair in block]


@pytest.mark.parametrize("doc", ["docs/drs.md", "docs/pools.md"])
def test_every_example(sim: Lab, doc: str) -> None:
    env = {**os.environ, "DROVER_SERVERS": str(sim.dir / "etc/servers.json")}
    pairs = examples(doc)
    assert len(pairs) > 15
    for command, wanted in pairs:
        ran = subprocess.run([str(BUILD / "bin/drover"), "-c", command], env=env, capture_output=True, text=True, timeout=120)
        # An error goes on with the line it is about.
        said = ran.stdout + "".join(ran.stderr.splitlines(keepends=True)[:1])
        assert said == wanted, f"{command}\n{ran.stderr}"
