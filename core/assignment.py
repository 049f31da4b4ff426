# SPDX-License-Identifier: GPL-3.0-or-later
"""Optimal assignment, without SciPy: the pairs of rows and columns that cost least in total."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


def assign(cost: Floats) -> list[tuple[int, int]]:
    """Return the (row, column) pairs of least total cost; infinite entries are forbidden, as many pairs as possible.

    cost: (n, m). The Hungarian method with shortest augmenting paths (Jonker and Volgenant 1987), O(n^2 m).
    """
    if cost.shape[0] > cost.shape[1]:
        return [(r, c) for c, r in assign(cost.T)]
    n, m = cost.shape
    finite = np.isfinite(cost)
    large = 1.0 + 2 * n * float(np.abs(cost[finite]).max(initial=0.0))
    table = np.where(finite, cost, large)
    u, v = np.zeros(n), np.zeros(m + 1)
    row_of = np.full(m + 1, -1)
    for row in range(n):
        # Column m is a stand-in that the new row starts from; paths grow from it until they reach a free column.
        row_of[m], column = row, m
        shortest, before, done = np.full(m, np.inf), np.full(m, m), np.zeros(m + 1, bool)
        while row_of[column] >= 0:
            done[column] = True
            at = row_of[column]
            reduced = table[at] - u[at] - v[:m]
            better = ~done[:m] & (reduced < shortest)
            shortest[better], before[better] = reduced[better], column
            nearest = int(np.where(done[:m], np.inf, shortest).argmin())
            delta = shortest[nearest]
            u[row_of[done]] += delta
            v[done] -= delta
            shortest[~done[:m]] -= delta
            column = nearest
        while column != m:
            row_of[column] = row_of[before[column]]
            column = int(before[column])
    return sorted((int(r), c) for c, r in enumerate(row_of[:m]) if r >= 0 and finite[r, c])


def assign_sparse(rows: Indices, columns: Indices, cost: Floats) -> list[tuple[int, int]]:
    """Return the (row, column) pairs of least total cost where only some pairs are allowed, with (P,) negative costs.

    What is not paired costs 0, so no bad pair is forced. Exact within each connected group of up to 150 rows and columns,
    greedy in larger ones.
    """
    group: dict[int, int] = {}

    def find(node: int) -> int:
        while (parent := group.setdefault(node, node)) != node:
            group[node] = node = group.setdefault(parent, parent)
        return node

    for r, c in zip(rows.tolist(), columns.tolist(), strict=True):
        group[find(r)] = find(-1 - c)
    parts: dict[int, list[int]] = {}
    for k, r in enumerate(rows.tolist()):
        parts.setdefault(find(r), []).append(k)
    out: list[tuple[int, int]] = []
    for part in parts.values():
        r, r_at = np.unique(rows[part], return_inverse=True)
        c, c_at = np.unique(columns[part], return_inverse=True)
        if len(r) > 150 or len(c) > 150:
            out += _greedy(rows[part], columns[part], cost[part])
            continue
        # One more column per row stands for "not paired", at cost 0.
        table = np.full((len(r), len(c) + len(r)), np.inf)
        table[r_at, c_at] = cost[part]
        table[np.arange(len(r)), len(c) + np.arange(len(r))] = 0.0
        out += [(int(r[i]), int(c[j])) for i, j in assign(table) if j < len(c)]
    return out


def _greedy(rows: Indices, columns: Indices, cost: Floats) -> list[tuple[int, int]]:
    used_rows: set[int] = set()
    used_columns: set[int] = set()
    out = []
    for k in np.argsort(cost, kind="stable"):
        r, c = int(rows[k]), int(columns[k])
        if r not in used_rows and c not in used_columns:
            used_rows.add(r)
            used_columns.add(c)
            out.append((r, c))
    return out
