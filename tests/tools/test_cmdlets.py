#!/usr/bin/python3
"""Every cmdlet is in docs/shell.md, nothing else is, the help of those that change something shows how, and what they
ask a server for is there to be asked for.

    test_cmdlets.py SOURCE
"""

import re
import sys
from pathlib import Path


def main() -> int:
    root = Path(sys.argv[1])
    blocks = re.findall(r'^CMD\("([^"]+)", [^,]+, [^,]+, (\w+),(.*?)^END', (root / "shell/cmd.def").read_text(), re.M | re.S)
    page = (root / "docs/shell.md").read_text()
    table = page[page.index("## Cmdlets") : page.index("\n\n- ")]
    listed = set(re.findall(r"\b[A-Z][A-Za-z]+-[A-Z]\w+", table))
    known = {name for name, _, _ in blocks}
    wrong = [f"docs/shell.md does not list {name}" for name in sorted(known - listed)]
    wrong += [f"docs/shell.md lists {name}, which is none" for name in sorted(listed - known - {"Get-Help", "Get-UserBeancounter"})]
    wrong += [
        f"shell/cmd.def: {name} has no EXAMPLE"
        for name, kind, body in blocks
        if kind in ("CHANGES", "ENDS") and "EXAMPLE(" not in body
    ]
    served = set(re.findall(r'^ROUTE\((\w+), "/api/v1(/[^"]*)"', (root / "server/api/route.def").read_text(), re.M))
    used = re.findall(r'^\tROUTE\(("\w+"|\w+), "([^"]+)"', (root / "shell/cmd.def").read_text(), re.M)
    wrong += [f"shell/cmd.def: no server has {method} {path}" for method, path in sorted(set(used) - served)]
    wrong += [
        f"shell/cmd.def: {name} changes something and has no ROUTE"
        for name, kind, body in blocks
        if kind in ("CHANGES", "ENDS") and "\tROUTE(" not in body and name != "Remove-VIServer"
    ]
    print("\n".join(wrong))
    return 1 if wrong or not blocks else 0


sys.exit(main())
