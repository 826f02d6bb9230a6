#!/usr/bin/env python3
"""Divvy against the same division in exact fractions.

divvy_exact.py DIVVY-FEED [TREES [SEED]]

Random trees are divided by the program (divvy_feed.c) and here, by the text of
scheduler/divvy.h and not by its code: the level is found between the points at
which siblings reach floor or want, as a fraction.  Below a pool of a given
amount nobody may be more than a unit away from the fraction, and from the
top down nobody more than a unit for each pool above.
"""
import random
import subprocess
import sys
from fractions import Fraction

ROOT = -1
GUEST, POOL = 0, 1
MOST_NODES = 14


def make_tree(rnd):
    """(capacity, nodes); a node is parent, kind, reservation, limit, shares, demand."""
    size = 1 << rnd.randint(1, 43)
    nodes = []
    for i in range(rnd.randint(1, MOST_NODES)):
        kind = GUEST if rnd.random() < 0.6 else POOL
        parent = rnd.randint(0, i - 1) if i and rnd.random() < 0.75 else ROOT
        if parent != ROOT and nodes[parent][1] == GUEST:
            parent = ROOT
        reserved = rnd.randint(0, size) if rnd.random() < 0.4 else 0
        limit = rnd.randint(reserved, 2 * size) if rnd.random() < 0.3 else -1
        shares = rnd.choice((500, 1000, 2000, rnd.randint(1, 1 << rnd.randint(1, 39))))
        demand = rnd.randint(0, size) if kind == GUEST else 0
        nodes.append((parent, kind, reserved, limit, shares, demand))
    return rnd.randint(0, 2 * size), nodes


def bounds(nodes, kids, node):
    """want and floor, from below."""
    below = [bounds(nodes, kids, k) for k in kids[node]]
    _, kind, reserved, limit, _, demand = nodes[node]
    want = sum(b[0] for b in below) if kind == POOL else demand
    need = sum(b[1] for b in below)
    if limit >= 0:
        want = min(want, limit)
    return want, min(want, max(min(reserved, want), need))


def share_out(amount, parts):
    """parts: (floor, want, shares) → what each gets of amount, as fractions."""
    floors, wants = sum(p[0] for p in parts), sum(p[1] for p in parts)
    if amount >= wants:
        return [Fraction(p[1]) for p in parts]
    if amount <= floors:
        return [Fraction(p[0] * amount, floors) if floors else Fraction(0) for p in parts]

    def given(level):
        return sum(min(max(level * s, f), w) for f, w, s in parts)

    points = sorted({Fraction(v, s) for f, w, s in parts for v in (f, w)})
    low, high = 0, len(points) - 1  # given(points[low]) <= amount < given(points[high])
    while high - low > 1:
        middle = (low + high) // 2
        if given(points[middle]) <= amount:
            low = middle
        else:
            high = middle
    under, over = given(points[low]), given(points[high])
    level = points[low] + (points[high] - points[low]) * Fraction(amount - under) / (over - under)
    return [min(max(level * s, Fraction(f)), Fraction(w)) for f, w, s in parts]


def divide(nodes, kids, amount, pool, limits, depth, check):
    """Down the tree; check(node, exact, depth) of each, which says with what to go on below it."""
    below = kids[pool]
    exact = share_out(amount, [(limits[k][1], limits[k][0], nodes[k][4]) for k in below])
    for k, x in zip(below, exact):
        divide(nodes, kids, check(k, x, depth), k, limits, depth + 1, check)


def judge(capacity, nodes, said):
    """None, or what is wrong."""
    kids = {i: [] for i in range(ROOT, len(nodes))}
    for i, node in enumerate(nodes):
        kids[node[0]].append(i)
    limits = [bounds(nodes, kids, i) for i in range(len(nodes))]
    wrong = []

    def one_pool(k, exact, _):
        if abs(said[k][2] - exact) > 1:
            wrong.append(f"node {k} has {said[k][2]} in its pool, exactly {exact}")
        return said[k][2]

    def all_pools(k, exact, depth):
        if abs(said[k][2] - exact) > depth:
            wrong.append(f"node {k} has {said[k][2]}, exactly {exact}, {depth} deep")
        return exact

    for i, (want, floor) in enumerate(limits):
        if (want, floor) != said[i][:2]:
            wrong.append(f"node {i} wants {said[i][0]} and has floor {said[i][1]}, exactly {want} and {floor}")
    divide(nodes, kids, capacity, ROOT, limits, 1, one_pool)
    divide(nodes, kids, capacity, ROOT, limits, 1, all_pools)
    return wrong[0] if wrong else None


def main():
    trees = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    rnd = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    cases = [make_tree(rnd) for _ in range(trees)]
    text = "".join(f"{c} {len(n)} " + " ".join(" ".join(map(str, node)) for node in n) + "\n" for c, n in cases)
    out = subprocess.run([sys.argv[1]], input=text, check=True, capture_output=True, text=True).stdout.splitlines()
    if len(out) != trees:
        sys.exit(f"{len(out)} answers to {trees} trees")
    for (capacity, nodes), line in zip(cases, out):
        v = [int(w) for w in line.split()]
        why = judge(capacity, nodes, [tuple(v[i:i + 3]) for i in range(0, len(v), 3)])
        if why:
            sys.exit(f"{why}\ncapacity {capacity}, nodes {nodes}")
    print(f"{trees} trees are divided as in exact fractions")


main()
