// Every text of the pages, in English. Another language is another file of this shape.
const plural = (n: number, one: string, many: string): string => `${n} ${n === 1 ? one : many}`;

export const t = {
  app: {
    name: "Drover", live: "live", connecting: "connecting", stale: (at: string) => `stale since ${at}`, logOut: "Log out",
    search: "Search or run… (Ctrl-K)", skip: "Skip to the page", menu: "Menu", help: "Keyboard shortcuts",
    theme: "Theme", themes: { auto: "System theme", light: "Light", dark: "Dark", contrast: "High contrast" },
    role: { read_only: "read only", operator: "operator", administrator: "administrator" },
  },
  login: {
    user: "User", password: "Password", go: "Log in", busy: "Checking…", again: "Log in again",
    ended: (why: string) => `Your session has ended (${why}). What you were doing is still here.`,
  },
  pages: {
    home: "Overview", vms: "Virtual machines", hosts: "Hosts", clusters: "Clusters", pools: "Resource pools",
    datastores: "Datastores", networks: "Networks", templates: "Templates", tasks: "Tasks", events: "Events", users: "Users and roles",
  } as Record<string, string>,
  kind: {
    dc: "Datacenter", folder: "Folder", cluster: "Cluster", host: "Host", pool: "Resource pool", vm: "Virtual machine",
    container: "Container", template: "Template", datastore: "Datastore", network: "Network", task: "Task", snap: "Snapshot", rule: "Rule",
    custspec: "Customisation", rec: "Recommendation", group: "Group", user: "User",
  } as Record<string, string>,
  tree: {
    label: "Inventory", filter: "Filter the inventory", none: "Nothing matches.", empty: "Nothing here yet.",
    views: { hosts: "Hosts and clusters", vms: "VMs and folders", pools: "Resource pools", storage: "Storage and networks" },
    size: "Width of the inventory", toggle: "Show or hide the inventory",
  },
  dock: {
    label: "Tasks, events and commands", tasks: "Recent tasks", events: "Events", commands: "Commands", size: "Height of the lower pane",
    toggle: "Show or hide the lower pane", copy: "Copy", copied: "Copied", copyAll: "Copy all as a script", noTasks: "No tasks yet.", noEvents: "No events yet.",
    noCommands: "Each change that you make here is shown as its shell line. Nothing was changed yet.",
  },
  task: {
    name: "Task", object: "Object", state: "State", by: "By", started: "Started", finished: "Finished", cancel: "Cancel", queued: "queued", done: "done",
    details: "Details of the task", result: "Result", step: "Step", id: "Id", cancelled: "Asked to stop",
  },
  event: { time: "Time", text: "Event", type: "Type", object: "Object", user: "User", more: "Older events", none: "No events of this object." },
  action: {
    start: "Power on", shutdown: "Shut down guest", restart: "Restart guest", pause: "Pause", resume: "Resume", suspend: "Suspend",
    kill: "Power off", reset: "Reset", migrate: "Migrate…", snapshots: "Snapshots…", clone: "Clone…", counters: "Counters…", edit: "Edit settings…",
    delete: "Delete from disk", remove: "Remove", rename: "Rename…", newFolder: "New folder…", newVm: "New machine…", newPool: "New resource pool…",
    addHost: "Add host…", newRule: "New rule…", settings: "Settings…", maintenance: "Enter maintenance mode…", leaveMaintenance: "Exit maintenance mode",
    wake: "Wake from standby", confirmDead: "Confirm it has no power…", deploy: "New machine from it…", scan: "Look for orphaned files", toggleRule: "Enable or disable",
  },
  actions: "Actions", actionsFor: (name: string) => `Actions for ${name}`,
  confirm: {
    kill: "Power off at once, without asking the guest?", reset: "Reset at once, without asking the guest?",
    delete: "Delete for ever, disks included?", remove: "Remove it from the inventory?",
    dead: "Only if you know that this host has no power: its guests start elsewhere at once, and a host that still runs them would destroy their disks.",
  },
  form: {
    cancel: "Cancel", save: "Save", create: "Create", close: "Close", unlimited: "0 is unlimited", unchanged: "Nothing was changed.",
    command: "As a command", conflict: (field: string, theirs: string) => `${field} was changed to ${theirs} by somebody else meanwhile.`,
    take: "Take it", over: "Save over it", gone: "It was removed by somebody else meanwhile.",
  },
  list: {
    name: "Name", state: "State", host: "Host", address: "Address", cpus: "CPUs", memory: "Memory", cpuUsed: "CPU used", memoryUsed: "Memory used", kind: "Kind",
    cluster: "Cluster", machines: "Machines", free: "Free", capacity: "Capacity", shared: "Shared", pool: "Pool", bridge: "Bridge", addresses: "Addresses",
    format: "Format", size: "Size", export: "Export CSV", shown: (n: number, all: number) => `${n} of ${all}`, none: "There are none.", noMatch: "Nothing matches the filter.",
    filter: "Filter: web* power:off mem>2g -host:host-1", bad: (what: string) => `“${what}” is not understood`, select: (name: string) => `Select ${name}`,
    selectAll: "Select all shown", selected: (n: number) => `${n} selected`, clear: "Clear", bulk: "Actions for the selection", create: "New machine",
    addFirst: "There are no machines yet. Make the first one from a template.",
  },
  tab: {
    summary: "Summary", monitor: "Monitor", configure: "Configure", permissions: "Permissions", tasks: "Tasks", events: "Events", vms: "VMs", hosts: "Hosts",
    drs: "DRS", ha: "HA", pools: "Resource pools", heat: "Heat map", snapshots: "Snapshots", datastores: "Datastores",
  } as Record<string, string>,
  page: {
    gone: "This object is gone", goneText: "It was removed, by you or by somebody else, or the address is wrong.", home: "To the overview", loading: "Loading…",
    failed: "This could not be loaded", retry: "Try again", request: (id: string) => `request ${id}`, path: "Where it is",
  },
  overview: {
    hosts: "Hosts connected", on: "Machines on", cpu: "CPU used", memory: "Memory used", storage: "Storage used", ha: "High availability", drs: "DRS", off: "off",
    top: "Who uses most CPU", running: "Running tasks", changes: "Last changes", none: "Nothing runs.", noRunning: "No task is running.",
    welcome: "No hosts yet", welcomeText: "Add a host to a cluster: its menu gives the token and the command for the host.",
  },
  cluster: {
    capacity: "Capacity", reserved: "reserved", used: "used", balance: "Balance", score: "DRS score", scoreText: (n: number) => `${n} of 100`,
    scoreHelp: "100 less the larger deviation of the hosts' load, in percent", imbalance: "Deviation of load", imbalanceAfter: "after the moves", cpu: "CPU", memory: "Memory",
    look: "Look now", simulate: "What if? (nothing is kept)", recommendations: "Recommendations", even: "The load is even: nothing would be gained by a move.",
    noRecommendations: "Nothing is recommended.", apply: "Apply", dismiss: "Dismiss", applyAll: (n: number) => `Apply all ${n}`, why: "Why?", priority: "Priority", reason: "Reason", history: "History", blockers: "What could not be helped",
    simulated: "What would be recommended now. Nothing of it is kept.", drsOff: "DRS is off for this cluster: it looks only when asked.", drsOn: (level: string, threshold: number) => `DRS is on, ${level.replaceAll("_", " ")}, threshold ${threshold}.`,
    haOff: "High availability is off for this cluster. Its settings turn it on.", haOn: "High availability is on.", braked: "So many hosts fell silent at once that nothing is restarted: look at the network.",
    protectedGuests: "Protected guests", waiting: "Waiting to start elsewhere", unprotected: "Not protected", failovers: "Last failovers", from: "From", to: "To", at: "At",
    detect: "Detected", wait: "Waited", claim: "Claimed", exec: "Started", silent: "Silent for", fencing: "Fencing", admission: "Admission control",
    whatIf: "What if hosts were lost?", whatIfHelp: "Strike the hosts; nothing is done to them.", run: "Simulate", restarted: (n: number, un: number) => `${plural(n, "guest starts", "guests start")} elsewhere${un ? `, ${plural(un, "has", "have")} no place` : ""}.`,
    wave: "Wave", nobody: "Nobody would have to start elsewhere.", rules: "Rules", members: "Members", type: "Type", enabled: "Enabled", conflict: "Conflict", noRules: "No rules: guests may run on any host.",
    settings: "Settings", level: "Automation", threshold: "Threshold", power: "Power management", overcommit: "Memory overcommit (‰)", failures: "Host failures to survive",
  },
  why: {
    title: "Why", factor: "Factor", before: "Before", after: "After", change: "Change", cpuLoad: (h: string) => `CPU load of ${h}`, memLoad: (h: string) => `Memory load of ${h}`,
    devCpu: "Deviation of CPU load", devMem: "Deviation of memory load", benefit: "Benefit", risk: "Risk of peaks", cost: "Cost of the move", net: "Net benefit", unit: "MHz·s",
    copy: "Copying takes", pause: "It pauses for", rules: "Rules that name it", noRules: "none", alternatives: "Why not elsewhere?", host: "Host", against: "What speaks against it", together: "Together with",
  },
  host: {
    facts: "Facts", model: "Processor", kernel: "Kernel", agent: "Agent", engines: "Engines", boot: "Up since", address: "Address", connected: "Connected", disconnected: "Disconnected", not_responding: "Not responding",
    maintenance: "Maintenance", entering: "Entering maintenance", standby: "Standby", waking: "Waking", flapping: "was lost several times lately: it gets no guests for a while", cores: (n: number) => plural(n, "core", "cores"),
    plan: "What would happen", planMove: "These guests move first:", planNone: "No guest has to move.", planBlocked: "These cannot leave; maintenance would be refused:", looking: "Looking where the guests would go…",
    evacuate: "Guests that do not run leave, too", enter: "Enter maintenance mode", target: "Goes to",
  },
  vm: {
    hardware: "Hardware", guest: "Guest", resources: "Resources", shares: "Shares", reservation: "Reservation", limit: "Limit", none: "none", template: "Template", uuid: "UUID", engine: "Engine", started: "On since",
    os: "Operating system", hostName: "Host name", notes: "Notes", disks: "Disks", nics: "Network cards", protected: "HA protects it", notProtected: "HA does not protect it", moves: "Where it ran, and why it moved", noMoves: "It was not moved yet.",
    moveTo: (from: string, to: string) => `from ${from} to ${to}`, outage: (ms: number) => `outage ${ms} ms`, byHand: (who: string) => `by ${who}`, byDrs: "by DRS", snapshots: "Snapshots", automation: "DRS automation", priority: "Restart priority", response: "When its host is isolated",
  },
  pool: {
    tree: "Pools and what they hold", cpu: "CPU", memory: "Memory", reservation: "Reservation", usage: "Usage", limit: "Limit", shares: "Shares", expandable: "Expandable", yes: "yes", no: "no", unlimited: "unlimited", scalable: "Scalable shares", machines: "Machines",
    guests: "Guests",
  },
  store: { path: "Path", hosts: "Hosts", type: "Type", used: "Used", quota: "Quota for uploads", unreachable: "not reachable from", files: "Templates and machines on it", noSpace: "nearly full" },
  perm: { user: "User", role: "Role", enabled: "Enabled", here: "Roles hold for the whole inventory.", mine: (role: string) => `You are ${role} here.`, last: "Last login", add: "New user…", yes: "yes", no: "no",
    rights: { read_only: "sees everything, changes nothing", operator: "besides: life of guests, templates, folders", administrator: "everything" } as Record<string, string> },
  chart: {
    counters: "Counter", range: "Range", compare: "Compare with", csv: "Download CSV", table: "As a table", picture: "As a chart", none: "Nothing was counted in this time.", loading: "Reading the figures…",
    ranges: { "3600": "Last hour", "21600": "6 hours", "86400": "Day", "604800": "Week", "2592000": "Month", "31536000": "Year" } as Record<string, string>, time: "Time", label: (c: string) => `Chart of ${c}`, gap: "–", nobody: "nothing else",
  },
  heat: {
    title: "Heat map", metric: "Colour", metrics: { cpu: "CPU of what it has", memory: "Memory of what it has" }, help: "A card for each host, a tile for each guest; as large as its memory. Drag a tile to a host to move the guest.", table: "As a table",
    summary: (h: number, g: number, m: number) => `${plural(h, "host", "hosts")}, ${plural(g, "guest", "guests")} on, ${plural(m, "migration", "migrations")} under way`, low: "little", high: "much", label: "Heat map of the cluster's guests; the same as a table is below",
  },
  drop: { checking: "Looking…", fits: (vm: string, on: string) => `${vm} fits on ${on}`, same: (vm: string) => `${vm} is there already` },
  palette: { title: "Search", placeholder: "A name, a page, an action: “migrate web-01”", none: "Nothing found.", hint: "↑↓ choose · Enter opens · Esc closes", action: "Action", page: "Page" },
  help: {
    title: "Keyboard shortcuts",
    keys: [
      ["Ctrl-K", "Search objects, pages and actions"], ["/", "Filter of this page"], ["?", "This card"], ["g then o h v p d t e", "Overview, hosts, VMs, pools, datastores, tasks, events"],
      ["[ ]", "Tab before, tab after"], ["Shift-F10, Menu or .", "Menu of the object"], ["Ctrl-.", "Show or hide the lower pane"], ["Esc", "Close"],
    ] as [string, string][],
    single: "Single keys act as shortcuts",
  },
  enrol: { title: "Add a host", name: "Name of the host", make: "Make a token", use: "On the new host, as root, within the time:", fingerprint: "Fingerprint of the CA", until: (at: string) => `One use, until ${at}.` },
  rule: { name: "Name", type: "Type", guests: "Guests", hosts: "Hosts", types: { apart: "Keep apart", together: "Keep together", must_run_on: "Must run on", must_not_run_on: "Must not run on", should_run_on: "Should run on", should_not_run_on: "Should not run on" } as Record<string, string> },
};

export type Texts = typeof t;
