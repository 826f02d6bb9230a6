/*
 * drover-init: what a container's first process is for its first moment.
 *
 *   drover-init PROGRAM ARGUMENT…       /dev/console becomes its output, nothing its
 *                                       input, and then it becomes the program
 *   drover-init -x PROGRAM ARGUMENT…    only the latter, and it ends with whoever
 *                                       started it
 *   drover-init -p                      waits until it is killed
 *
 * It runs inside, in the container's own root, so it needs nothing but itself: no C
 * library.  Exit status 127: there is no such program; 126: it cannot be run.
 */
#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <signal.h>
#include <stddef.h>

#define PATH_MAX_INSIDE 4096
#define PRESET_PATH     "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#if defined(__x86_64__)
static long
call(long n, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return ret;
}

__asm__(".globl _start\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call begin\n");
#elif defined(__aarch64__)
static long
call(long n, long a, long b, long c, long d)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3)
			 : "memory");
	return x0;
}

__asm__(".globl _start\n"
	"_start:\n"
	"	mov x29, #0\n"
	"	mov x0, sp\n"
	"	bl begin\n");
#else
#error "drover-init: say how this machine calls its kernel"
#endif

__attribute__((used)) _Noreturn void begin(long *stack);

static size_t
length(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

static int
same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static void
say(const char *s)
{
	call(__NR_write, 2, (long)s, (long)length(s), 0);
}

static _Noreturn void
quit(int status)
{
	for (;;)
		call(__NR_exit_group, status, 0, 0, 0);
}

/* Of what the environment says, or what everybody has. */
static const char *
search_path(char **env)
{
	static const char name[] = "PATH=";

	for (; *env; env++) {
		size_t i = 0;

		while (name[i] && (*env)[i] == name[i])
			i++;
		if (!name[i])
			return *env + i;
	}
	return PRESET_PATH;
}

/* folder (n bytes) and name into buf; 0: it does not fit. */
static int
join(char *buf, const char *folder, size_t n, const char *name)
{
	size_t k = length(name);

	if (n + 1 + k + 1 > PATH_MAX_INSIDE)
		return 0;
	for (size_t i = 0; i < n; i++)
		buf[i] = folder[i];
	buf[n] = '/';
	for (size_t i = 0; i <= k; i++)
		buf[n + 1 + i] = name[i];
	return 1;
}

static int
has_slash(const char *s)
{
	while (*s && *s != '/')
		s++;
	return *s == '/';
}

/* Comes back only with the reason. */
static long
become(char **args, char **env)
{
	char path[PATH_MAX_INSIDE];
	const char *from = search_path(env);
	long why = -ENOENT;

	if (has_slash(args[0]))
		return call(__NR_execve, (long)args[0], (long)args, (long)env, 0);
	while (*from) {
		size_t n = 0;
		long rc;

		while (from[n] && from[n] != ':')
			n++;
		if (n && join(path, from, n, args[0])) {
			rc = call(__NR_execve, (long)path, (long)args, (long)env, 0);
			if (rc != -ENOENT && rc != -ENOTDIR)
				why = rc;
		}
		from += n + (from[n] == ':');
	}
	return why;
}

static _Noreturn void
fail(const char *program, long why)
{
	say("cannot run ");
	say(program);
	say(why == -ENOENT    ? ": no such program\n"
	    : why == -EACCES  ? ": permission denied\n"
	    : why == -ENOEXEC ? ": not a program\n"
			      : ": the kernel refuses it\n");
	quit(why == -ENOENT ? 127 : 126);
}

/* The old output stays open, as 12, until the program runs: it hears why it does not,
 * and who looks sees that it does not yet. */
static void
take_console(void)
{
	long in = call(__NR_openat, AT_FDCWD, (long)"/dev/null", O_RDWR | O_CLOEXEC, 0);
	long out = call(__NR_openat, AT_FDCWD, (long)"/dev/console",
	    O_WRONLY | O_APPEND | O_NOCTTY | O_CLOEXEC, 0);

	if (in < 0 || out < 0) {
		say("cannot open /dev/console\n");
		quit(126);
	}
	call(__NR_dup3, 2, 12, O_CLOEXEC, 0);
	call(__NR_dup3, in, 0, 0, 0);
	call(__NR_dup3, out, 1, 0, 0);
	call(__NR_dup3, out, 2, 0, 0);
}

static _Noreturn void
wait_for_ever(void)
{
	struct {
		long s, ns;
	} day = { 86400, 0 };

	for (;;)
		call(__NR_nanosleep, (long)&day, 0, 0, 0);
}

_Noreturn void
begin(long *stack)
{
	long argc = stack[0], why;
	char **argv = (char **)(stack + 1), **env = argv + argc + 1;

	if (argc > 1 && same(argv[1], "-p")) {
		take_console();
		call(__NR_close, 12, 0, 0, 0);
		wait_for_ever();
	}
	if (argc > 2 && same(argv[1], "-x")) {
		call(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
		fail(argv[2], become(argv + 2, env));
	}
	if (argc < 2)
		quit(126);
	take_console();
	why = become(argv + 1, env);
	call(__NR_dup3, 12, 2, 0, 0);
	fail(argv[1], why);
}
