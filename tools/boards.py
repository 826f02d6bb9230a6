"""What genboards.py makes dashboards and alert rules of: panels with their queries, and conditions."""
from typing import NamedTuple


class Panel(NamedTuple):
    title: str
    type: str
    queries: list[tuple[str, str]]  # expression, legend
    unit: str = ""  # Grafana's word, where the table's unit is not that of the expression
    stacked: bool = False


class Row(NamedTuple):
    title: str
    height: int
    panels: list[Panel]


class Board(NamedTuple):
    uid: str
    title: str
    variables: list[tuple[str, str, str]]  # name, family of the names, selector
    annotations: list[tuple[str, str]]
    rows: list[Row]


class Rule(NamedTuple):
    name: str
    expr: str
    lasts: str
    severity: str
    says: str


def named(expr: str, of: str, info: str) -> str:
    """With the object's name beside its id; of one that moves there may be two series for a while."""
    return f"({expr}) * on ({of}) group_left (name) max by ({of}, name) ({info})"


HOSTS = 'drover_host_info{cluster="$cluster"}'
VMS = 'drover_vm_info{cluster="$cluster"}'


def host(expr: str) -> tuple[str, str]:
    return named(expr, "host", HOSTS), "{{name}}"


def vm(expr: str) -> tuple[str, str]:
    return named(expr, "vm", VMS), "{{name}}"


def of_vm(expr: str, legend: str) -> tuple[str, str]:
    return expr.replace("{}", '{vm="$vm"}').replace("{,", '{vm="$vm",'), legend


CLUSTER = Board("drover-cluster", "Drover: cluster", [("cluster", "drover_cluster_info", "")],
                [("Migrations", 'sum(changes(drover_cluster_migrations_total{cluster="$cluster"}[1m])) > 0')], [
    Row("Health", 4, [
        Panel("Hosts up", "stat", [(f"sum(drover_host_up * on (host) group_left () {HOSTS})", "up"), (f"count({HOSTS})", "hosts")], "short"),
        Panel("Guests on", "stat", [('count(drover_vm_info{cluster="$cluster",power="powered_on"})', "on")], "short"),
        Panel("Hosts that may be lost", "stat", [('drover_cluster_ha_failover_hosts_tolerated{cluster="$cluster"}', "tolerated"),
                                                 ('drover_cluster_ha_failover_hosts_configured{cluster="$cluster"}', "configured")]),
        Panel("Guests without HA", "stat", [('drover_cluster_ha_unprotected_vms{cluster="$cluster"}', "")]),
        Panel("DRS score", "stat", [('drover_cluster_drs_score_ratio{cluster="$cluster"}', "")]),
        Panel("Recommendations", "stat", [('sum(drover_cluster_drs_recommendations{cluster="$cluster"})', "")]),
    ]),
    Row("Hosts", 8, [
        Panel("CPU", "heatmap", [host("drover_host_cpu_usage_hertz / drover_host_cpu_capacity_hertz")], "percentunit"),
        Panel("Memory", "heatmap", [host('drover_host_memory_bytes{kind="used"} / on (host) drover_host_memory_bytes{kind="total"}')],
              "percentunit"),
        Panel("Connected", "state-timeline", [host('drover_host_state{state="connected"}')], "short"),
    ]),
    Row("Load", 8, [
        Panel("CPU of hosts", "timeseries", [host("drover_host_cpu_usage_hertz")]),
        Panel("Pressure", "timeseries", [(named("drover_host_pressure_ratio", "host", HOSTS), "{{name}} {{resource}}")]),
        Panel("Network", "timeseries", [host("rate(drover_host_network_receive_bytes_total[5m])"),
                                        host("-rate(drover_host_network_transmit_bytes_total[5m])")]),
    ]),
    Row("DRS and HA", 8, [
        Panel("Imbalance", "timeseries", [('drover_cluster_imbalance_ratio{cluster="$cluster"}', "{{resource}}")]),
        Panel("Migrations", "timeseries", [('increase(drover_cluster_migrations_total{cluster="$cluster"}[5m])', "{{reason}} {{result}}")],
              "short"),
        Panel("Guests stand still for (95 %)", "timeseries", [
            ('histogram_quantile(0.95, rate(drover_cluster_migration_downtime_seconds_bucket{cluster="$cluster"}[1h]))', "")], "s"),
        Panel("Failover takes (95 %)", "timeseries", [
            ('histogram_quantile(0.95, rate(drover_cluster_ha_failover_duration_seconds_bucket{cluster="$cluster"}[1d]))', "")], "s"),
    ]),
    Row("Datastores", 8, [
        Panel("Filled", "bargauge", [(named("1 - drover_datastore_free_bytes / drover_datastore_capacity_bytes", "datastore",
                                            "drover_datastore_info"), "{{name}}")], "percentunit"),
        Panel("Free in a week", "bargauge", [(named("predict_linear(drover_datastore_free_bytes[1d], 7 * 86400)", "datastore",
                                                    "drover_datastore_info"), "{{name}}")]),
    ]),
    Row("Guests", 10, [
        Panel("Most CPU", "table", [vm("topk(20, drover_vm_cpu_usage_hertz)")]),
        Panel("Waited most for CPU", "table", [vm("topk(20, rate(drover_vm_cpu_ready_seconds_total[5m]))")]),
        Panel("Most memory", "table", [vm("topk(20, drover_vm_memory_consumed_bytes)")]),
    ]),
])

VM = Board("drover-vm", "Drover: machine or container", [("cluster", "drover_cluster_info", ""), ("vm", "drover_vm_info", '{cluster="$cluster"}')],
           [], [
    Row("CPU", 8, [
        Panel("Used and entitled to", "timeseries", [of_vm("drover_vm_cpu_usage_hertz{}", "used"), of_vm("drover_vm_cpu_demand_hertz{}", "wanted"),
                                                     of_vm("drover_vm_cpu_entitlement_hertz{}", "entitled to")]),
        Panel("Waited for CPU", "timeseries", [of_vm("rate(drover_vm_cpu_ready_seconds_total{}[5m])", "no CPU was free"),
                                               of_vm("rate(drover_vm_cpu_limited_seconds_total{}[5m])", "its limit")]),
    ]),
    Row("Memory", 8, [
        Panel("Memory", "timeseries", [of_vm("drover_vm_memory_active_bytes{}", "active"),
                                       of_vm("drover_vm_memory_consumed_bytes{} - drover_vm_memory_active_bytes{}", "caches"),
                                       of_vm("drover_vm_memory_ballooned_bytes{}", "balloon"),
                                       of_vm("drover_vm_memory_swapped_bytes{}", "swapped")], stacked=True),
        Panel("Configured and granted", "timeseries", [of_vm("drover_vm_memory_configured_bytes{}", "configured"),
                                                       of_vm("drover_vm_memory_granted_bytes{}", "granted")]),
    ]),
    Row("Disks and network", 8, [
        Panel("Bytes of disks", "timeseries", [of_vm("rate(drover_vm_disk_read_bytes_total{}[5m])", "read"),
                                               of_vm("-rate(drover_vm_disk_written_bytes_total{}[5m])", "written")]),
        Panel("Latency of disks", "timeseries", [of_vm('rate(drover_vm_disk_latency_seconds_sum{,operation="read"}[5m]) / '
                                                       'rate(drover_vm_disk_latency_seconds_count{,operation="read"}[5m])', "a read"),
                                                 of_vm('rate(drover_vm_disk_latency_seconds_sum{,operation="write"}[5m]) / '
                                                       'rate(drover_vm_disk_latency_seconds_count{,operation="write"}[5m])', "a write")], "s"),
        Panel("Requests of disks", "timeseries", [of_vm("rate(drover_vm_disk_reads_total{}[5m])", "reads"),
                                                  of_vm("-rate(drover_vm_disk_writes_total{}[5m])", "writes")], "iops"),
        Panel("Network", "timeseries", [of_vm("rate(drover_vm_network_receive_bytes_total{}[5m])", "received"),
                                        of_vm("-rate(drover_vm_network_transmit_bytes_total{}[5m])", "sent")]),
    ]),
    Row("Where it was", 6, [
        Panel("Host", "state-timeline", [of_vm("drover_vm_info{}", "{{host}} {{power}}")], "short"),
        Panel("Snapshots", "stat", [of_vm("drover_vm_snapshots{}", "")]),
    ]),
])

BOARDS = [CLUSTER, VM]

RULES = [
    Rule("DroverDatabaseDown", "drover_server_database_up == 0", "1m", "critical", "droverd cannot reach its database"),
    Rule("DroverHostDown", named('drover_host_up == 0 unless on (host) drover_host_state{state="standby"} == 1', "host", "drover_host_info"),
         "2m", "critical", "host {{ $labels.name }} is not connected"),
    Rule("DroverToleratesTooFewHosts", named("drover_cluster_ha_failover_hosts_tolerated < drover_cluster_ha_failover_hosts_configured",
                                             "cluster", "drover_cluster_info"),
         "5m", "warning", "cluster {{ $labels.name }} cannot lose as many hosts as it should be able to"),
    Rule("DroverGuestsUnprotected", named("drover_cluster_ha_unprotected_vms > 0", "cluster", "drover_cluster_info"),
         "15m", "warning", "guests of cluster {{ $labels.name }} run without HA"),
    Rule("DroverRestartsFail", named('sum by (cluster) (increase(drover_cluster_ha_restarts_total{result="error"}[15m])) > 0', "cluster",
                                     "drover_cluster_info"),
         "", "critical", "guests of a lost host of cluster {{ $labels.name }} could not be started"),
    Rule("DroverMigrationsFail", named('sum by (cluster) (increase(drover_cluster_migrations_total{result="error"}[1h])) > 2', "cluster",
                                       "drover_cluster_info"),
         "", "warning", "moves of guests fail in cluster {{ $labels.name }}"),
    Rule("DroverDatastoreInaccessible", named("drover_datastore_accessible == 0", "datastore", "drover_datastore_info"),
         "2m", "critical", "no host reaches datastore {{ $labels.name }}"),
    Rule("DroverDatastoreFillsUp", named("predict_linear(drover_datastore_free_bytes[6h], 86400) < 0", "datastore", "drover_datastore_info"),
         "30m", "warning", "datastore {{ $labels.name }} is full within a day"),
    Rule("DroverVmStalled", named('drover_vm_power_state{state="stalled"} == 1', "vm", "drover_vm_info"),
         "1m", "critical", "{{ $labels.name }} stands still: its datastore is full"),
    Rule("DroverVmWaitsForCpu", named("rate(drover_vm_cpu_ready_seconds_total[5m]) / drover_vm_vcpus > 0.1", "vm", "drover_vm_info"),
         "10m", "warning", "{{ $labels.name }} waits for CPU for more than a tenth of the time"),
    Rule("DroverVmMemoryTaken", named("drover_vm_memory_ballooned_bytes + drover_vm_memory_swapped_bytes > 0.1 * drover_vm_memory_configured_bytes",
                                      "vm", "drover_vm_info"),
         "10m", "warning", "more than a tenth of the memory of {{ $labels.name }} is ballooned or swapped"),
    Rule("DroverSnapshotOld", named("time() - drover_vm_snapshot_oldest_timestamp_seconds > 7 * 86400", "vm", "drover_vm_info"),
         "1h", "warning", "{{ $labels.name }} has a snapshot that is older than a week"),
    Rule("DroverAgentSlow", named("drover_server_agent_rtt_seconds > 1", "host", "drover_host_info"),
         "5m", "warning", "the agent of host {{ $labels.name }} takes more than a second to answer"),
    Rule("DroverRequestsFail", 'sum (rate(drover_server_http_requests_total{code="5xx"}[5m])) > 0.1', "5m", "warning", "droverd answers with errors"),
    Rule("DroverWatchersBehind", "rate(drover_server_ws_resyncs_total[5m]) > 0.1", "10m", "warning", "browsers and scripts cannot read as fast as things change"),
]
