#!/usr/bin/python3
"""Grafana's dashboards and Prometheus' alert rules, of the families in server/export/export.def.

    genboards.py [--check]    deploy/grafana/*.json and deploy/prometheus/drover.rules.yml

What is drawn and when to shout is written in tools/boards.py; units and descriptions come from the table, and a name that
is not in it is an error.  With --check nothing is written: exit code 1 tells that a file is out of date."""
import json
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import boards

ROOT = Path(__file__).resolve().parents[1]
FAMILY = re.compile(r'^FAMILY\("(\w+)", (\w+), "(\w*)", (\w+), (\w+), \w+, "(.+)"\)$')
SAMPLE = re.compile(r'^(NOW|TOTAL)\("(\w+)", "(\w*)", (\w+), (\w+), \w+, [\d.e-]+, "(.+)"\)$')
NAME = re.compile(r"\b(?:drover|process)_\w+")
SUFFIXES = {"COUNTER": "_total", "INFO": "_info"}
UNITS = {"bytes": "bytes", "seconds": "s", "hertz": "hertz", "ratio": "percentunit", "": "short"}
RATES = {"bytes": "Bps", "seconds": "percentunit", "": "cps"}
SOURCE = {"type": "prometheus", "uid": "$datasource"}


class Family(NamedTuple):
    name: str  # as in the table
    kind: str  # GAUGE, COUNTER, INFO, HISTOGRAM
    unit: str
    collector: str
    of: str
    help: str

    @property
    def sample(self) -> str:
        return self.name + SUFFIXES.get(self.kind, "")


def families() -> list[Family]:
    found = []
    for line in (ROOT / "server/export/export.def").read_text().splitlines():
        if one := FAMILY.match(line):
            found.append(Family(*one.groups()))
        elif one := SAMPLE.match(line):
            kind, name, *rest = one.groups()
            found.append(Family(name, "COUNTER" if kind == "TOTAL" else "GAUGE", *rest))
        elif line.startswith(("FAMILY", "NOW", "TOTAL")):
            raise SystemExit(f"export.def: cannot read {line}")
    return found


def used(exprs: list[str]) -> list[Family]:
    """The families that expressions name, in their order."""
    by_name = {f.sample: f for f in families()}
    by_name |= {f.name + part: f for f in families() if f.kind == "HISTOGRAM" for part in ("_bucket", "_sum", "_count")}
    by_name |= {f.name + part: f for f in families() if f.kind == "SUMMARY" for part in ("_sum", "_count")}
    names = dict.fromkeys(name for expr in exprs for name in NAME.findall(expr))
    if unknown := [name for name in names if name not in by_name]:
        raise SystemExit(f"not in export.def: {', '.join(unknown)}")
    return list(dict.fromkeys(by_name[name] for name in names))


def panel(number: int, spec: boards.Panel, at: dict[str, int]) -> dict[str, Any]:
    exprs = [expr for expr, _ in spec.queries]
    measured = [f for f in used(exprs) if f.kind != "INFO"]
    units = RATES if "rate(" in exprs[0] else UNITS
    unit = spec.unit or units[measured[0].unit if measured else ""]
    targets = [{"datasource": SOURCE, "expr": expr, "legendFormat": legend, "refId": chr(ord("A") + i),
                "instant": spec.type in ("stat", "table", "bargauge"), "format": "table" if spec.type == "table" else "time_series"}
               for i, (expr, legend) in enumerate(spec.queries)]
    custom = {"stacking": {"mode": "normal"}, "fillOpacity": 30} if spec.stacked else {}
    return {"id": number, "type": spec.type, "title": spec.title, "description": "; ".join(f.help for f in measured),
            "datasource": SOURCE, "gridPos": at, "targets": targets,
            "fieldConfig": {"defaults": {"unit": unit, "custom": custom}, "overrides": []}, "options": {}}


def layout(rows: list[boards.Row]) -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = []
    y = 0
    for row in rows:
        panels.append({"id": len(panels) + 1, "type": "row", "title": row.title, "collapsed": False, "panels": [],
                       "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}})
        width = 24 // len(row.panels)
        for i, spec in enumerate(row.panels):
            panels.append(panel(len(panels) + 1, spec, {"x": i * width, "y": y + 1, "w": width, "h": row.height}))
        y += 1 + row.height
    return panels


def variable(name: str, of: str, where: str) -> dict[str, Any]:
    used([of])
    query = f"query_result({of}{where})"
    return {"name": name, "label": name, "type": "query", "datasource": SOURCE, "query": query, "definition": query, "refresh": 2, "sort": 1,
            "regex": f'/{name}="(?<value>[^"]+)".*name="(?<text>[^"]+)"/'}


def dashboard(board: boards.Board) -> str:
    source = {"name": "datasource", "label": "datasource", "type": "datasource", "query": "prometheus"}
    notes = [{"name": name, "enable": True, "datasource": SOURCE, "expr": expr, "iconColor": "blue", "titleFormat": name}
             for name, expr in board.annotations if used([expr])]
    page = {"uid": board.uid, "title": board.title, "tags": ["drover"], "schemaVersion": 39, "version": 1, "editable": True,
            "time": {"from": "now-6h", "to": "now"}, "refresh": "30s", "annotations": {"list": notes},
            "templating": {"list": [source, *(variable(*v) for v in board.variables)]}, "panels": layout(board.rows)}
    return json.dumps(page, indent=1) + "\n"


def rules() -> str:
    page = "# Made by tools/genboards.py.\ngroups:\n  - name: drover\n    rules:\n"
    for rule in boards.RULES:
        used([rule.expr])
        page += f"      - alert: {rule.name}\n        expr: {json.dumps(rule.expr)}\n"
        page += f"        for: {rule.lasts}\n" if rule.lasts else ""
        page += f"        labels: {{ severity: {rule.severity} }}\n        annotations:\n          summary: {json.dumps(rule.says)}\n"
    return page


def main(words: list[str]) -> int:
    if words not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    pages = {f"deploy/grafana/{b.uid}.json": dashboard(b) for b in boards.BOARDS} | {"deploy/prometheus/drover.rules.yml": rules()}
    late = [name for name, page in pages.items() if not (ROOT / name).exists() or (ROOT / name).read_text() != page]
    for name in late:
        if words:
            print(f"{name} is out of date: tools/genboards.py makes it")
            continue
        (ROOT / name).parent.mkdir(exist_ok=True)
        (ROOT / name).write_text(pages[name])
    return 1 if words and late else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
