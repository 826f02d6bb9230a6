// The inventory as trees: the same objects under the parents that each view is about. Pure.
import type { Obj } from "../net/types.ts";

export type TreeView = "hosts" | "vms" | "pools" | "storage";

export interface Leaf extends Obj {
  host?: string | null;
  pool?: string | null;
}

export interface TreeNode {
  id: string;
  kind: string;
  name: string;
  children: TreeNode[];
}

export interface TreeRow {
  id: string;
  kind: string;
  name: string;
  level: number;
  position: number;
  siblings: number;
  /** null: it has no children. */
  open: boolean | null;
}

const shown: Record<TreeView, string[]> = {
  hosts: ["dc", "folder", "cluster", "host", "vm"],
  vms: ["dc", "folder", "vm", "template"],
  pools: ["dc", "folder", "cluster", "pool", "vm"],
  storage: ["dc", "folder", "datastore", "network"],
};
const order = ["folder", "dc", "cluster", "host", "pool", "vm", "template", "datastore", "network"];
const collator = new Intl.Collator("en", { numeric: true });

function parentOf(o: Leaf, view: TreeView): string | null {
  if (o.kind !== "vm") return o.parent;
  if (view === "hosts") return o.host ?? o.parent;
  if (view === "pools") return o.pool ?? o.parent;
  return o.parent;
}

/** Objects whose parent is not shown stand at the top. */
export function buildTree(objects: Leaf[], view: TreeView): TreeNode[] {
  const nodes = new Map<string, TreeNode>();
  const kept = objects.filter((o) => shown[view].includes(o.kind));
  for (const o of kept) nodes.set(o.id, { id: o.id, kind: o.kind, name: o.name, children: [] });
  const top: TreeNode[] = [];
  for (const o of kept) {
    const node = nodes.get(o.id) as TreeNode;
    const parent = parentOf(o, view);
    ((parent && nodes.get(parent)?.children) || top).push(node);
  }
  const sort = (list: TreeNode[]): void => {
    list.sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind) || collator.compare(a.name, b.name));
    for (const n of list) sort(n.children);
  };
  sort(top);
  return view === "storage" || view === "vms" || view === "pools" ? top.map(prune).filter((n) => n !== null) : top;
}

/** Folders that hold nothing of this view only stand in the way; a datacenter always shows. */
function prune(node: TreeNode): TreeNode | null {
  const children = node.children.map(prune).filter((n) => n !== null);
  return node.kind === "folder" && !children.length ? null : { ...node, children };
}

/** What matches, with its ancestors and with all that is below it. */
export function filterTree(nodes: TreeNode[], text: string): TreeNode[] {
  const want = text.trim().toLowerCase();
  if (!want) return nodes;
  const keep = (n: TreeNode): TreeNode | null => {
    if (n.name.toLowerCase().includes(want) || n.id === want) return n;
    const children = n.children.map(keep).filter((c) => c !== null);
    return children.length ? { ...n, children } : null;
  };
  return nodes.map(keep).filter((n) => n !== null);
}

/** The rows to draw, parents before children. all: as if everything was open. */
export function treeRows(nodes: TreeNode[], open: ReadonlySet<string>, all: boolean, level = 1): TreeRow[] {
  const rows: TreeRow[] = [];
  nodes.forEach((n, i) => {
    const isOpen = n.children.length ? all || open.has(n.id) : null;
    rows.push({ id: n.id, kind: n.kind, name: n.name, level, position: i + 1, siblings: nodes.length, open: isOpen });
    if (isOpen) rows.push(...treeRows(n.children, open, all, level + 1));
  });
  return rows;
}

/** The ids on the way from the top to one object, the object left out. */
export function pathTo(nodes: TreeNode[], id: string): string[] | null {
  for (const n of nodes) {
    if (n.id === id) return [];
    const below = pathTo(n.children, id);
    if (below) return [n.id, ...below];
  }
  return null;
}
