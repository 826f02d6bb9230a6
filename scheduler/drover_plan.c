#include "scheduler/plan_tool.h"

int
main(int argc, char **argv)
{
	return plan_tool_run(argc, argv, stdin, stdout, stderr);
}
