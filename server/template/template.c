#include "server/template/template.h"

#include "server/template/template_int.h"

void
template_register(void)
{
	ops_register(library_defs);
	ops_register(copy_defs);
	ops_register(deploy_defs);
	ops_register(clone_defs);
	ops_register(tidy_defs);
	ops_register(convert_defs);
	ops_register(custspec_defs);
}
