#!/usr/bin/env python3
"""A day of demand against three ways of balancing, "name value unit" a line.

bench_replay.py DROVER-PLAN SCENARIO.drs SERIES [SCALE]

SERIES has a line "T minutes mhz mhz ..." every five minutes, one number for
each guest; SCALE multiplies them until hosts contend.  Every ten minutes each
way may move guests: never; greedily to a score of 0.1 by what is used now, as
hbal does; and Drover's, by what the last hundred minutes lead one to expect,
each move worth its copy.  What a host cannot give is unmet, in MHz hours.
"""
import subprocess
import sys
import tempfile

EVERY = 2  # steps of five minutes
PAST = 20  # steps
PEAK = 0.4  # how much of the way from their mean to their peak
GREEDY = ("--target", "0.1")
OURS = ("--target", "0.1", "--cost", "2e-5")


class Cluster:
    def __init__(self, path):
        self.hosts, self.guests, self.rules = [], [], []
        with open(path, encoding="ascii") as f:
            for line in f:
                row = line.split()
                if row and row[0] in "HVR":
                    {"H": self.hosts, "V": self.guests,
                     "R": self.rules}[row[0]].append(row)
        self.host_ids = {row[2]: row[1] for row in self.hosts}
        self.guest_ids = {row[2]: i for i, row in enumerate(self.guests)}

    def text(self, demand):
        for row, mhz in zip(self.guests, demand):
            row[6] = str(int(mhz))
        rows = self.hosts + self.guests + self.rules
        return "".join(" ".join(row) + "\n" for row in rows)

    def unmet(self, demand):
        used = [0.0] * len(self.hosts)
        for row, mhz in zip(self.guests, demand):
            used[int(row[3])] += mhz
        return sum(max(0.0, u - float(h[3])) for u, h in zip(used, self.hosts))

    def move(self, guest, target):
        self.guests[self.guest_ids[guest]][3] = self.host_ids[target]


def balance(plan, cluster, demand, options):
    """How many moves were made, and MiB of memory."""
    with tempfile.NamedTemporaryFile("w", suffix=".drs") as f:
        f.write(cluster.text(demand))
        f.flush()
        out = subprocess.run(
            [plan, "balance", "--format", "drs", *options, f.name],
            check=True, capture_output=True, text=True).stdout
    moves = [line.split() for line in out.splitlines() if line.startswith("M ")]
    for move in moves:
        cluster.move(move[2], move[4])
    return len(moves), sum(
        int(cluster.guests[cluster.guest_ids[m[2]]][5]) for m in moves)


def expected(rows):
    return [(1 - PEAK) * sum(column) / len(rows) + PEAK * max(column)
            for column in zip(*rows)]


def replay(plan, scenario, series, options, past):
    cluster = Cluster(scenario)
    unmet = moves = memory = 0
    for t, demand in enumerate(series):
        # By what was seen until now, not by what is to come.
        if options and t and t % EVERY == 0:
            made, size = balance(
                plan, cluster, expected(series[max(0, t - past):t]), options)
            moves += made
            memory += size
        unmet += cluster.unmet(demand) / 12
    return unmet, moves, memory / 1024


def main():
    plan, scenario, path = sys.argv[1:4]
    scale = float(sys.argv[4]) if len(sys.argv) > 4 else 1.0
    with open(path, encoding="ascii") as f:
        series = [[float(x) * scale for x in line.split()[2:]] for line in f]
    for name, options, past in (("none", None, 1), ("greedy", GREEDY, 1),
                                ("drover", OURS, PAST)):
        unmet, moves, memory = replay(plan, scenario, series, options, past)
        print(f"replay_{name}_unmet {unmet:.0f} MHz*h")
        print(f"replay_{name}_moves {moves} moves")
        print(f"replay_{name}_memory {memory:.0f} GiB")


if __name__ == "__main__":
    main()
