"""All nodes of a tree, numbered and sorted by class: finds those inside any of its nodes without walking it again."""

from __future__ import annotations

from bisect import bisect_left

import libcst as cst

from refactorer.analysis.walk import Kind, Node, children, is_kind


class Index:
    """The nodes of one tree in the order of `walk`: those inside a node have the numbers right behind its own."""

    def __init__(self, root: cst.CSTNode) -> None:
        self._number: dict[cst.CSTNode, int] = {}
        self._nodes: list[cst.CSTNode] = []
        self._numbers_of: dict[type[cst.CSTNode], list[int]] = {}
        self._found: dict[Kind[cst.CSTNode], list[int]] = {}
        self._size = self._count(root)

    def _count(self, root: cst.CSTNode) -> list[int]:
        """Numbers the nodes; returns how many nodes each has inside it, itself included."""
        parents: list[int] = []
        stack = [(root, -1)]
        while stack:
            node, parent = stack.pop()
            number = len(parents)
            parents.append(parent)
            self._nodes.append(node)
            self._number[node] = number
            self._numbers_of.setdefault(type(node), []).append(number)
            stack += [(child, number) for child in reversed(children(node))]
        sizes = [1] * len(parents)
        for number in range(len(parents) - 1, 0, -1):
            sizes[parents[number]] += sizes[number]
        return sizes

    def __contains__(self, node: cst.CSTNode) -> bool:
        return node in self._number

    def find(self, kind: Kind[Node], root: cst.CSTNode) -> list[Node]:
        """Every node of a kind in a node of this tree, parents first."""
        if kind not in self._found:
            numbers = (n for known, all_of in self._numbers_of.items() if is_kind(known, kind) for n in all_of)
            self._found[kind] = sorted(numbers)
        first = self._number[root]
        numbers_found = self._found[kind]
        start, end = bisect_left(numbers_found, first), bisect_left(numbers_found, first + self._size[first])
        return [self._nodes[number] for number in numbers_found[start:end]]  # type: ignore[misc]
