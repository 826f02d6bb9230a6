/*
 * cmd_module: with what PowerCLI's scripts begin.
 *
 * There are no modules: what those of PowerCLI have is built in, as far as it is there.
 */
#include <string.h>

#include "base/mem.h"
#include "shell/cmd.h"

static const char *const built_in[] = { "VMware.*", "VCF.PowerCLI", "Drover",
	"Microsoft.PowerShell.*" };

static bool
is_built_in(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(built_in); i++)
		if (wild_match(built_in[i], name))
			return true;
	return false;
}

static enum run
import_process(struct stage *st, struct val v)
{
	struct val names = get_arg(st, "Name");
	enum run rc = RUN_OK;

	for (size_t i = 0; i < val_count(names) && rc == RUN_OK; i++) {
		const char *name = val_at(names, i).text->s;
		AUTO_FREE char *said =
		    xasprintf("what Drover has of %s is built in", name);
		if (!is_built_in(name))
			rc = stage_fail(st, ERR_UNSUPPORTED,
			    "there are no modules, so not \"%.80s\"; . FILE.ps1 reads "
			    "the functions of a file",
			    name);
		else if (stream_wanted(st->sh, STREAM_VERBOSE) ||
			 val_truth(st->common[COMMON_VERBOSE]))
			rc = stream_say(st->sh, STREAM_VERBOSE, said);
	}
	return rc;
}

const struct cmd_ops ops_import_module = { 0, NULL, import_process, NULL, NULL };

/* Whoever asks for a module by name asks whether its cmdlets are there. */
static enum run
get_module_process(struct stage *st, struct val v)
{
	struct val names = get_arg(st, "Name");
	enum run rc = RUN_OK;

	for (size_t i = 0; i < val_count(names) && rc == RUN_OK; i++) {
		const char *name = val_at(names, i).text->s;
		struct val r;
		if (!is_built_in(name))
			continue;
		r = val_table(TABLE_RECORD, "PSModuleInfo");
		table_set(r.table, "Name", val_text(name));
		table_set(r.table, "Version", val_text(DROVER_VERSION));
		table_set(r.table, "ModuleType", val_text("BuiltIn"));
		rc = put(st, r);
	}
	return rc;
}

const struct cmd_ops ops_get_module = { 0, NULL, get_module_process, NULL, NULL };

static enum run
set_powercli_process(struct stage *st, struct val v)
{
	const char *certificate = get_text(st, "InvalidCertificateAction"),
		   *mode = get_text(st, "DefaultVIServerMode");

	if (certificate && strcasecmp(certificate, "Fail") != 0)
		warn(st->sh,
		    "certificates are always checked; Connect-VIServer -CACertificate "
		    "or -CAFingerprint says who is trusted");
	if (mode && strcasecmp(mode, "Single") == 0)
		warn(st->sh, "several servers stay connected; -Server picks one");
	return RUN_OK;
}

const struct cmd_ops ops_set_powercli = { 0, NULL, set_powercli_process, NULL, NULL };
