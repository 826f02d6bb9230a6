#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "host-agent/collect/proc_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Every reader sees the same text: none may believe what another one would. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	AUTO_FREE char *text = xstrndup((const char *)data, n);
	struct proc_cpu cpu;
	struct proc_memory mem;
	struct proc_cpuinfo info;
	struct proc_pid pid;
	uint64_t uptime;
	uint32_t load;

	if (!proc_parse_cpu(text, &cpu, NULL))
		ASSERT(cpu.busy <= cpu.total && proc_busy_permille(&cpu, &cpu) == 0);
	if (!proc_parse_memory(text, &mem, NULL))
		ASSERT(mem.available_bytes <= mem.total_bytes);
	if (!proc_parse_cpuinfo(text, &info, NULL))
		ASSERT(info.cpus > 0 && strlen(info.model) < sizeof(info.model));
	if (!proc_parse_pid(text, &pid, NULL))
		ASSERT(pid.state != '\0');
	(void)!proc_parse_uptime(text, &uptime, NULL);
	(void)!proc_parse_load(text, &load, NULL);
	return 0;
}
