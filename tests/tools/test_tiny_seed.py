#!/usr/bin/python3
"""Runs tiny-seed over seeds as the server writes them, and over what nobody should write.

    test_tiny_seed.py PROGRAM
"""

import os
import subprocess
import sys
import tempfile

META = 'instance-id: "1-2"\nlocal-hostname: "web-01"\n'
CARD = """\
version: 2
ethernets:
  eth0:
    match:
      macaddress: "52:54:00:00:00:01"
    set-name: "eth0"
    dhcp4: false
    addresses:
      - "10.1.0.10/24"
    routes:
      - to: "0.0.0.0/0"
        via: "10.1.0.1"
    nameservers:
      addresses:
        - "10.1.0.1"
        - "10.1.0.2"
"""
SECOND = CARD.split("ethernets:\n")[1].replace("eth0", "eth1").replace("10.1.", "10.9.")
ALL = "name=web-01\naddress=10.1.0.10/24\ngateway=10.1.0.1\ndns=10.1.0.1,10.1.0.2\n"

# meta-data, network-config, what is printed.
CASES = [
    (META, CARD, ALL),
    (META, CARD + SECOND, ALL),
    (META, CARD.replace('"', ""), ALL),
    (META, "", "name=web-01\n"),
    (META, 'version: 2\nethernets:\n  eth0:\n    match:\n      macaddress: "52:54:00:00:00:01"\n    dhcp4: true\n', "name=web-01\n"),
    (META, CARD.replace("10.1.0.10/24", "2001:db8::a/64"), ALL.replace("10.1.0.10/24", "2001:db8::a/64")),
    ('local-hostname: "a; reboot"\n', 'addresses:\n  - "$(reboot)"\n', ""),
    ("local-hostname:\n", "- \n:\n-\n\"\n" + "x" * 5000, ""),
]


def run(program: str, meta: str, network: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("meta-data", meta), ("network-config", network)):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        return subprocess.run([program, folder], check=True, capture_output=True, text=True).stdout


def main() -> None:
    failed = 0
    for meta, network, want in CASES:
        got = run(sys.argv[1], meta, network)
        if got != want:
            failed += 1
            print(f"--- of {meta!r} {network!r}\nwanted {want!r}\ngot    {got!r}")
    print(f"{len(CASES)} cases, {failed} failed")
    sys.exit(1 if failed else 0)


main()
