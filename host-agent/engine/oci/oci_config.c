#include "host-agent/engine/oci/oci_config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/json.h"
#include "base/str.h"
#include "host-agent/engine/engine_device.h"
#include "host-agent/network/port.h"

#define SOFT_FILES  1024u
#define HOOK_S      10
#define PRESET_INIT "/sbin/init"
#define PRESET_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const Drover__ContainerSpec none = DROVER__CONTAINER_SPEC__INIT;

static const Drover__ContainerSpec *
container_of(const Drover__GuestSpec *spec)
{
	return spec->container ? spec->container : &none;
}

bool
oci_is_system(const Drover__GuestSpec *spec)
{
	return !container_of(spec)->n_args;
}

void
oci_host_name(const Drover__GuestSpec *spec, char buf[OCI_NAME_MAX])
{
	const char *s = *spec->host_name ? spec->host_name : spec->name;
	size_t n = 0;

	for (; *s && n < OCI_NAME_MAX - 1; s++) {
		char c = *s;
		bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9') || (c == '.' && *spec->host_name);

		if (fits)
			buf[n++] = c;
		else if (n && buf[n - 1] != '-')
			buf[n++] = '-';
	}
	while (n && buf[n - 1] == '-')
		n--;
	if (!n)
		buf[n++] = 'x';
	buf[n] = '\0';
}

static json *
texts(const char *const *list)
{
	json *a = json_new_array();

	for (; *list; list++)
		json_add_str(a, *list);
	return a;
}

#define TEXTS(...) texts((const char *const[]){ __VA_ARGS__, NULL })

/* ---- the process ---- */

static json *
args_of(const Drover__ContainerSpec *ct)
{
	json *a = TEXTS(OCI_INIT_INSIDE);

	for (size_t i = 0; i < ct->n_args; i++)
		json_add_str(a, ct->args[i]);
	if (!ct->n_args)
		json_add_str(a, PRESET_INIT);
	return a;
}

/* The later of two of one name counts. */
static json *
env_of(const Drover__ContainerSpec *ct)
{
	json *a = TEXTS(PRESET_PATH, "TERM=linux", "container=drover");

	for (size_t i = 0; i < ct->n_env; i++)
		json_add_str(a, ct->env[i]);
	return a;
}

static json *
user_of(const Drover__ContainerSpec *ct)
{
	json *o = json_new_object(), *groups;

	json_set_u64(o, "uid", ct->uid);
	json_set_u64(o, "gid", ct->gid);
	if (!ct->n_groups)
		return o;
	groups = json_new_array();
	for (size_t i = 0; i < ct->n_groups; i++) {
		AUTO(json) json *n = json_new_object();

		json_set_u64(n, "n", ct->groups[i]);
		json_add_json(groups, json_ref(json_get(n, "n")));
	}
	json_set_json(o, "additionalGids", groups);
	return o;
}

enum right_of { ALL, SYSTEM };

static json *
rights(bool system)
{
	static const struct {
		const char *name;
		enum right_of who;
	} all[] = {

#define RIGHT(name, who) { name, who },
#include "host-agent/engine/oci/oci_right.def"
#undef RIGHT
	};
	json *a = json_new_array();

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (system || all[i].who == ALL)
			json_add_str(a, all[i].name);
	return a;
}

/* None are inheritable or ambient: who is not root inside has none. */
static json *
capabilities(bool system)
{
	json *o = json_new_object();

	json_set_json(o, "bounding", rights(system));
	json_set_json(o, "effective", rights(system));
	json_set_json(o, "permitted", rights(system));
	return o;
}

static json *
rlimits(uint32_t max_files)
{
	json *a = json_new_array(), *o = json_new_object();

	json_set_str(o, "type", "RLIMIT_NOFILE");
	json_set_u64(o, "hard", max_files);
	json_set_u64(o, "soft", max_files < SOFT_FILES ? max_files : SOFT_FILES);
	json_add_json(a, o);
	return a;
}

/* Programs like su gain rights in a system, so only an application goes without. */
static json *
process_of(const struct oci_config_in *in)
{
	const Drover__ContainerSpec *ct = container_of(in->spec);
	bool system = oci_is_system(in->spec);
	json *o = json_new_object();

	json_set_bool(o, "terminal", false);
	json_set_json(o, "user", user_of(ct));
	json_set_json(o, "args", args_of(ct));
	json_set_json(o, "env", env_of(ct));
	json_set_str(o, "cwd", *ct->cwd ? ct->cwd : "/");
	json_set_json(o, "capabilities", capabilities(system));
	json_set_json(o, "rlimits", rlimits(in->max_files));
	json_set_bool(o, "noNewPrivileges", !system);
	return o;
}

/* ---- mounts ---- */

static void
add_mount(json *a, const char *to, const char *type, const char *source, json *options)
{
	json *o = json_new_object();

	json_set_str(o, "destination", to);
	json_set_str(o, "type", type);
	json_set_str(o, "source", source);
	json_set_json(o, "options", options);
	json_add_json(a, o);
}

static void
add_own_files(json *a, const struct oci_config_in *in)
{
	AUTO_FREE char *console = xasprintf("%s/mnt/0/log/console", in->dir);

	add_mount(a, "/dev/console", "bind", console,
	    TEXTS("bind", "rw", "nosuid", "noexec", "nodev"));
	add_mount(a, OCI_INIT_INSIDE, "bind", in->init,
	    TEXTS("bind", "ro", "nosuid", "nodev"));
}

static json *
mounts(const struct oci_config_in *in)
{
	json *a = json_new_array();

	add_mount(a, "/proc", "proc", "proc", TEXTS("nosuid", "noexec", "nodev"));
	add_mount(a, "/dev", "tmpfs", "tmpfs",
	    TEXTS("nosuid", "strictatime", "mode=755", "size=64k"));
	add_mount(a, "/dev/pts", "devpts", "devpts",
	    TEXTS("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620",
		"gid=5"));
	add_mount(a, "/dev/shm", "tmpfs", "shm",
	    TEXTS("nosuid", "noexec", "nodev", "mode=1777"));
	add_mount(
	    a, "/dev/mqueue", "mqueue", "mqueue", TEXTS("nosuid", "noexec", "nodev"));
	add_mount(
	    a, "/sys", "sysfs", "sysfs", TEXTS("nosuid", "noexec", "nodev", "ro"));
	add_mount(a, "/sys/fs/cgroup", "cgroup", "cgroup",
	    TEXTS("nosuid", "noexec", "nodev", "relatime",
		in->cgroup_v2 && oci_is_system(in->spec) ? "rw" : "ro"));
	add_own_files(a, in);
	return a;
}

/* ---- what is the kernel's ---- */

static json *
namespaces(const struct oci_config_in *in)
{
	const char *const list[] = { "pid", "ipc", "uts", "mount", "network", "user",
		in->cgroup_v2 ? "cgroup" : NULL, in->time_ns ? "time" : NULL };
	json *a = json_new_array(), *o;

	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		if (!list[i])
			continue;
		o = json_new_object();
		json_set_str(o, "type", list[i]);
		json_add_json(a, o);
	}
	return a;
}

static json *
id_map(uint32_t base)
{
	json *a = json_new_array(), *o = json_new_object();

	json_set_u64(o, "containerID", 0);
	json_set_u64(o, "hostID", base);
	json_set_u64(o, "size", 65536);
	json_add_json(a, o);
	return a;
}

/* Names of the system calls that end with that error. */
static json *
denied(const char *error, unsigned number)
{
	static const struct {
		const char *name, *error;
	} all[] = {

#define DENY(name, error) { name, #error },
#include "host-agent/engine/oci/oci_deny.def"
#undef DENY
	};
	json *o = json_new_object(), *names = json_new_array();

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (str_same(all[i].error, error))
			json_add_str(names, all[i].name);
	json_set_json(o, "names", names);
	json_set_str(o, "action", "SCMP_ACT_ERRNO");
	json_set_u64(o, "errnoRet", number);
	return o;
}

/* Those between machines know no namespaces: they would lead to the host, to what it
 * runs on and to its machines. */
static json *
no_vsock(void)
{
	json *o = json_new_object(), *args = json_new_array();
	json *family = json_new_object();

	json_set_u64(family, "index", 0);
	json_set_u64(family, "value", AF_VSOCK);
	json_set_str(family, "op", "SCMP_CMP_EQ");
	json_add_json(args, family);
	json_set_json(o, "names", TEXTS("socket", "socketpair"));
	json_set_str(o, "action", "SCMP_ACT_ERRNO");
	json_set_u64(o, "errnoRet", EAFNOSUPPORT);
	json_set_json(o, "args", args);
	return o;
}

/* A machine's older calls too, or they would be the way around. */
static json *
seccomp(void)
{
	json *o = json_new_object(), *rules = json_new_array();

	json_set_str(o, "defaultAction", "SCMP_ACT_ALLOW");
#if defined(__x86_64__)
	json_set_json(o, "architectures",
	    TEXTS("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"));
#elif defined(__aarch64__)
	json_set_json(o, "architectures", TEXTS("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"));
#endif
	json_add_json(rules, denied("EPERM", EPERM));
	json_add_json(rules, denied("ENOSYS", ENOSYS));
	json_add_json(rules, no_vsock());
	json_set_json(o, "syscalls", rules);
	return o;
}

static json *
device_rule(bool allow, const struct oci_device *d, const char *access)
{
	json *o = json_new_object();

	json_set_bool(o, "allow", allow);
	if (d) {
		json_set_str(o, "type", "c");
		json_set_u64(o, "major", d->major);
		json_set_u64(o, "minor", d->minor);
	}
	json_set_str(o, "access", access);
	return o;
}

static json *
device_node(const struct oci_device *d)
{
	json *o = json_new_object();

	json_set_str(o, "path", d->path);
	json_set_str(o, "type", "c");
	json_set_u64(o, "major", d->major);
	json_set_u64(o, "minor", d->minor);
	return o;
}

/* What everybody has is added by the runtime. */
static void
add_devices(json *o, const struct oci_config_in *in)
{
	json *resources = json_new_object(), *rules = json_new_array();
	json *nodes = json_new_array();

	json_add_json(rules, device_rule(false, NULL, "rwm"));
	for (unsigned i = 0; i < in->n_devices; i++) {
		json_add_json(rules, device_rule(true, &in->devices[i], "rw"));
		json_add_json(nodes, device_node(&in->devices[i]));
	}
	json_set_json(resources, "devices", rules);
	json_set_json(o, "resources", resources);
	json_set_json(o, "devices", nodes);
}

static json *
linux_of(const struct oci_config_in *in)
{
	AUTO_FREE char *group = xasprintf("/%s/ct", in->cgroup);
	json *o = json_new_object();

	json_set_json(o, "namespaces", namespaces(in));
	json_set_json(o, "uidMappings", id_map(in->id_base));
	json_set_json(o, "gidMappings", id_map(in->id_base));
	json_set_str(o, "cgroupsPath", group);
	add_devices(o, in);
	json_set_json(o, "seccomp", seccomp());
	json_set_json(o, "maskedPaths",
	    TEXTS("/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys",
		"/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
		"/proc/timer_list", "/proc/timer_stats", "/sys/firmware",
		"/sys/devices/virtual/powercap"));
	json_set_json(o, "readonlyPaths",
	    TEXTS("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
		"/proc/sysrq-trigger"));
	return o;
}

/* ---- its wires ---- */

static json *
hook_of(const struct oci_config_in *in, size_t i)
{
	const Drover__NicSpec *nic = in->spec->nics[i];
	unsigned slot = engine_nic_slot(in->spec, i);
	AUTO_FREE char *name = xasprintf("eth%u", slot);
	char link[PORT_NAME_MAX], guest[24], place[16], vlan[16], rx[24], tx[24];
	json *o = json_new_object();

	port_inner_name(in->spec->guest, slot, link);
	json_set_str(o, "path", in->stage);
	snprintf(vlan, sizeof(vlan), "%" PRIu32, nic->vlan);
	snprintf(rx, sizeof(rx), "%" PRIu64, nic->rx_kbit_limit);
	snprintf(tx, sizeof(tx), "%" PRIu64, nic->tx_kbit_limit);
	snprintf(guest, sizeof(guest), "%" PRIu64, in->spec->guest);
	snprintf(place, sizeof(place), "%u", slot);
	json_set_json(o, "args",
	    TEXTS("drover-stage", "nic", link, name, nic->mac, nic->address,
		nic->gateway, guest, place, nic->bridge, vlan, rx, tx));
	json_set_u64(o, "timeout", HOOK_S);
	return o;
}

/* What a wire's hook does besides. */
static json *
lo_hook(const struct oci_config_in *in)
{
	json *o = json_new_object();

	json_set_str(o, "path", in->stage);
	json_set_json(o, "args", TEXTS("drover-stage", "nic", "lo"));
	json_set_u64(o, "timeout", HOOK_S);
	return o;
}

static json *
hooks_of(const struct oci_config_in *in)
{
	json *o = json_new_object(), *prestart = json_new_array();

	for (size_t i = 0; i < in->spec->n_nics; i++)
		json_add_json(prestart, hook_of(in, i));
	if (!in->spec->n_nics)
		json_add_json(prestart, lo_hook(in));
	json_set_json(o, "prestart", prestart);
	return o;
}

static json *
root_of(const char *dir)
{
	AUTO_FREE char *path = xasprintf("%s/root", dir);
	json *o = json_new_object();

	json_set_str(o, "path", path);
	json_set_bool(o, "readonly", false);
	return o;
}

static json *
annotations_of(const char *dir)
{
	AUTO_FREE char *path = xasprintf("%s/criu.conf", dir);
	json *o = json_new_object();

	json_set_str(o, "org.criu.config", path);
	return o;
}

char *
oci_config_text(const struct oci_config_in *in)
{
	AUTO(json) json *o = json_new_object();
	char host_name[OCI_NAME_MAX];

	oci_host_name(in->spec, host_name);
	json_set_str(o, "ociVersion", "1.0.2");
	json_set_json(o, "process", process_of(in));
	json_set_json(o, "root", root_of(in->dir));
	json_set_str(o, "hostname", host_name);
	json_set_json(o, "mounts", mounts(in));
	json_set_json(o, "linux", linux_of(in));
	json_set_json(o, "hooks", hooks_of(in));
	json_set_json(o, "annotations", annotations_of(in->dir));
	return json_text_pretty(o);
}
