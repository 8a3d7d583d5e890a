"""Who calls whom, and how often: what the real server makes of a trace for its dependency graph.

The tree is that of spans, built even if some of them never came.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from metaapps.tracing.collector.merging import merged
from metaapps.tracing.collector.zipkin_span import NOWHERE, Endpoint, ZipkinSpan

_Key = str | tuple[str, Endpoint]


class Link(NamedTuple):
    """Calls of one service to another."""

    parent: str
    child: str
    calls: int
    errors: int


class _Node:
    """A span, or None for roots whose parents are missing, among its parent and children."""

    __slots__ = ("children", "parent", "span")

    def __init__(self, span: ZipkinSpan | None) -> None:
        self.span = span
        self.parent: _Node | None = None
        self.children: list[_Node] = []


class _Call(NamedTuple):
    parent: str
    child: str
    failed: bool


def links(traces: Iterable[Sequence[ZipkinSpan]]) -> list[Link]:
    """Return the links of all traces, in the order in which they were found."""
    calls: Counter[tuple[str, str]] = Counter()
    errors: Counter[tuple[str, str]] = Counter()
    for trace in traces:
        root = _tree(merged(trace))
        for node in _breadth_first(root):
            for call in _calls(node, root):
                calls[call[:2]] += 1
                errors[call[:2]] += call.failed
    return [Link(*pair, count, errors[pair]) for pair, count in calls.items()]


def _tree(spans: Sequence[ZipkinSpan]) -> _Node:
    parents: dict[_Key, _Key] = {}
    nodes: dict[_Key, _Node] = {}
    root: _Node | None = None
    for span in spans:
        if span.shared:
            parents[span.id, span.local] = span.id
        else:
            parents[span.id] = span.parent_id
    for span in spans:
        node = _Node(span)
        if span.shared:
            # A client's id may be shared by several servers, and not all spans say where they are.
            nodes[span.id, span.local] = nodes[span.id, NOWHERE] = node
            continue
        below = (span.parent_id, span.local)
        if below in parents:
            parents[span.id] = below
        if not span.parent_id and root is None:
            root = node
            del parents[span.id]
        else:
            nodes[span.id] = node
    return _joined(root or _Node(None), parents, nodes)


def _joined(root: _Node, parents: dict[_Key, _Key], nodes: dict[_Key, _Node]) -> _Node:
    for key, parent in parents.items():
        node = nodes[key]
        node.parent = nodes.get(parent, root)
        node.parent.children.append(node)
    for node in (root, *nodes.values()):
        node.children.sort(key=lambda child: child.span.timestamp if child.span else 0)
    return root


def _breadth_first(root: _Node) -> Iterator[_Node]:
    queue = deque([root] if root.span is not None else root.children)
    while queue:
        node = queue.popleft()
        yield node
        queue.extend(node.children)


def _calls(node: _Node, root: _Node) -> Iterator[_Call]:
    span = node.span
    if span is None or (span.kind == "CLIENT" and node.children):
        return  # its server knows its name better
    caller, callee = span.local.service, span.remote.service
    kind = span.kind or ("CLIENT" if caller and callee else "")
    if kind in {"SERVER", "CONSUMER"}:
        caller, callee = callee, caller
        if node is root and not caller:
            return
    if kind in {"PRODUCER", "CONSUMER"}:
        if caller and callee:
            yield _Call(caller, callee, span.failed)
    elif kind:
        yield from _remote(node, span, kind, caller, callee)


def _remote(node: _Node, span: ZipkinSpan, kind: str, caller: str, callee: str) -> Iterator[_Call]:
    failed = span.failed
    above = _remote_above(node)
    if above is not None and (name := above.local.service):
        # Some put the callee's name on the caller's side: then a link is missing.
        if kind == "CLIENT" and span.local.service not in {"", name}:
            yield _Call(name, span.local.service, failed=False)
        if kind == "SERVER" or not caller:
            caller = name
        if above.kind == "CLIENT" and span.parent_id and span.parent_id == above.id:
            failed = failed or above.failed
    if caller and callee:
        yield _Call(caller, callee, failed)


def _remote_above(node: _Node) -> ZipkinSpan | None:
    above = node.parent
    while above is not None:
        if above.span is not None and above.span.kind:
            return above.span
        above = above.parent
    return None
