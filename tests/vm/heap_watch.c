/*
 * Runs a static worker under ptrace(2) and reports whether its heap changes after the allocation. What a
 * probe sees of a thread's heap is jemalloc's thread state, which contains its counters and its cache: each
 * allocation and each release changes it. So the state is copied when calloc(1, BYTES) has returned, and
 * compared at each system call that follows:
 *
 *	counted 1	the number of its words that grew by exactly BYTES during that call
 *	openat same	the marker
 *	...
 *
 * The report ends with the call by which the worker parks or starts a thread.
 */
#include "config.h"

#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATE_SYMBOL	"je_tsd_tls"
#define STATE_SIZE_MAX	16384
#define SYSCALL_STOP	(SIGTRAP | 0x80)
#define BREAKPOINT	0xcc
#define BREAKPOINT_MASK 0xffUL

/* Where things are in a static executable, if it is loaded where it says. */
struct image {
	uint64_t entry, calloc_address;
	uint64_t state_from_fs; /* to be subtracted from the thread pointer */
	uint64_t state_size;
};

struct state {
	uint64_t words[STATE_SIZE_MAX / sizeof(uint64_t)];
};

static const void *map_file(const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	const void *file;

	if (fd < 0 || fstat(fd, &status) != 0)
		err(1, "%s", path);
	file = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		err(1, "%s", path);
	close(fd);
	return file;
}

static const Elf64_Shdr *symbol_table(const Elf64_Ehdr *file)
{
	const Elf64_Shdr *sections = (const void *)((const char *)file + file->e_shoff);

	for (int i = 0; i < file->e_shnum; i++)
		if (sections[i].sh_type == SHT_SYMTAB)
			return &sections[i];
	errx(1, "the worker is stripped");
}

static const Elf64_Sym *find_symbol(const Elf64_Ehdr *file, const char *name, int type)
{
	const Elf64_Shdr *table = symbol_table(file);
	const Elf64_Shdr *sections = (const void *)((const char *)file + file->e_shoff);
	const char *names = (const char *)file + sections[table->sh_link].sh_offset;
	const Elf64_Sym *symbols = (const void *)((const char *)file + table->sh_offset);

	for (size_t i = 0; i < table->sh_size / sizeof(*symbols); i++)
		if (ELF64_ST_TYPE(symbols[i].st_info) == type &&
		    strcmp(names + symbols[i].st_name, name) == 0)
			return &symbols[i];
	errx(1, "no %s in the worker", name);
}

/* The thread pointer points to the end of the thread-local variables. */
static uint64_t tls_size(const Elf64_Ehdr *file)
{
	const Elf64_Phdr *segments = (const void *)((const char *)file + file->e_phoff);

	for (int i = 0; i < file->e_phnum; i++)
		if (segments[i].p_type == PT_TLS)
			return (segments[i].p_memsz + segments[i].p_align - 1) & -segments[i].p_align;
	errx(1, "no thread-local variables in the worker");
}

static struct image read_image(const char *path)
{
	const Elf64_Ehdr *file = map_file(path);
	const Elf64_Sym *state;
	struct image image;

	if (memcmp(file->e_ident, ELFMAG, SELFMAG) != 0 ||
	    (file->e_type != ET_EXEC && file->e_type != ET_DYN))
		errx(1, "%s is not an executable", path);
	state = find_symbol(file, STATE_SYMBOL, STT_TLS);
	image.entry = file->e_entry;
	image.calloc_address = find_symbol(file, "calloc", STT_FUNC)->st_value;
	image.state_from_fs = tls_size(file) - state->st_value;
	image.state_size = state->st_size;
	if (image.state_size == 0 || image.state_size > STATE_SIZE_MAX)
		errx(1, "a thread state of %llu bytes", (unsigned long long)image.state_size);
	return image;
}

static uint64_t peek(pid_t pid, uint64_t address)
{
	return (uint64_t)ptrace(PTRACE_PEEKDATA, pid, (void *)address, NULL);
}

static void poke(pid_t pid, uint64_t address, uint64_t word)
{
	if (ptrace(PTRACE_POKEDATA, pid, (void *)address, (void *)word) != 0)
		err(1, "cannot write to the worker");
}

static struct user_regs_struct registers(pid_t pid)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) != 0)
		err(1, "cannot read the worker's registers");
	return regs;
}

static void resume(enum __ptrace_request how, pid_t pid, int expected)
{
	int status;

	if (ptrace(how, pid, NULL, NULL) != 0 || waitpid(pid, &status, 0) != pid)
		err(1, "the worker is lost");
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != expected)
		errx(1, "the worker does something else: status 0x%x", (unsigned int)status);
}

/* Continues up to that address, and stops before its instruction. */
static void run_to(pid_t pid, uint64_t address)
{
	const uint64_t word = peek(pid, address);
	struct user_regs_struct regs;

	poke(pid, address, (word & ~BREAKPOINT_MASK) | BREAKPOINT);
	resume(PTRACE_CONT, pid, SIGTRAP);
	poke(pid, address, word);
	regs = registers(pid);
	regs.rip--;
	if (regs.rip != address || ptrace(PTRACE_SETREGS, pid, NULL, &regs) != 0)
		errx(1, "the worker stopped at another address");
}

static void keep(pid_t pid, const struct image *image, struct state *state)
{
	const uint64_t start = registers(pid).fs_base - image->state_from_fs;

	for (uint64_t at = 0; at < image->state_size; at += sizeof(uint64_t))
		state->words[at / sizeof(uint64_t)] = peek(pid, start + at);
}

/* Continues until calloc(1, bytes) is about to run. The program has just been loaded, at any address. */
static void find_allocation(pid_t pid, const struct image *image, uint64_t bytes)
{
	const uint64_t bias = registers(pid).rip - image->entry;

	for (;;) {
		run_to(pid, image->calloc_address + bias);
		if (registers(pid).rsi == bytes)
			return;
		resume(PTRACE_SINGLESTEP, pid, SIGTRAP);
	}
}

static int count_grown(const struct state *before, const struct state *after, uint64_t size, uint64_t bytes)
{
	int grown = 0;

	for (uint64_t i = 0; i < size / sizeof(uint64_t); i++)
		grown += after->words[i] - before->words[i] == bytes;
	return grown;
}

static const char *call_name(long number)
{
	static char other[32];

	switch (number) {
	case SYS_openat:
		return "openat";
	case SYS_write:
		return "write";
	case SYS_close:
		return "close";
	case SYS_clock_nanosleep:
		return "clock_nanosleep";
	case SYS_clone:
	case SYS_clone3:
		return "clone";
	default:
		snprintf(other, sizeof(other), "call-%ld", number);
		return other;
	}
}

/* A stop at the entry of a call is followed by one at its exit. */
static void report_calls(pid_t pid, const struct image *image, const struct state *kept)
{
	struct state now;
	const char *name;

	for (;;) {
		resume(PTRACE_SYSCALL, pid, SYSCALL_STOP);
		name = call_name((long)registers(pid).orig_rax);
		keep(pid, image, &now);
		printf("%s %s\n", name, memcmp(kept, &now, image->state_size) == 0 ? "same" : "changed");
		if (strcmp(name, "clock_nanosleep") == 0 || strcmp(name, "clone") == 0)
			return;
		resume(PTRACE_SYSCALL, pid, SYSCALL_STOP);
	}
}

static pid_t start(char **command)
{
	const pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0)
			execv(command[0], command);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		errx(1, "cannot start %s", command[0]);
	if (ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)) != 0)
		err(1, "cannot trace");
	return pid;
}

int main(int argc, char **argv)
{
	struct state before = {0}, after = {0};
	struct image image;
	uint64_t bytes;
	pid_t pid;

	if (argc < 3)
		errx(2, "usage: heap_watch WORKER [--churn] BYTES");
	image = read_image(argv[1]);
	bytes = strtoull(argv[argc - 1], NULL, 10);
	pid = start(argv + 1);
	find_allocation(pid, &image, bytes);
	keep(pid, &image, &before);
	run_to(pid, peek(pid, registers(pid).rsp));
	keep(pid, &image, &after);
	printf("counted %d\n", count_grown(&before, &after, image.state_size, bytes));
	report_calls(pid, &image, &after);
	kill(pid, SIGKILL);
	return fflush(stdout) == 0 ? 0 : 1;
}
