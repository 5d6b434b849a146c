#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/ctl/legend.h"
#include "src/number.h"
#include "src/span.h"

#define WORKER "ktstr-jemalloc-alloc-worker"
/* The kernel cuts names to this length (proc_pid_comm(5)). */
#define COMM_LENGTH 15
/* Of proc_pid_stat(5). The state, field 3, comes next after the name. */
#define FIELD_STATE 3
#define FIELD_START 22

static const char *worker_status(unsigned code)
{
	switch (code) {
	case 2:
		return "reference worker: BYTES is 0";
	case 3:
		return "reference worker: more than one thread, typically MALLOC_CONF=background_thread:true";
	case 4:
		return "reference worker: the marker could not be written";
	case 5:
		return "reference worker: BYTES is missing, not a number, or out of range";
	case 6:
		return "reference worker: /proc/self/task could not be read";
	case 101:
		return "reference worker: Rust panic";
	default:
		return NULL;
	}
}

/* The field of what follows the name in the line; 0 if it is missing. */
static uint64_t parse_start(const char *fields)
{
	struct span rest = span_trim(fields, strlen(fields)), word = {0};
	uint64_t start;

	for (int field = FIELD_STATE; field <= FIELD_START; field++)
		word = span_next_word(&rest);
	return number_parse(word.at, word.len, UINT64_MAX, &start) == 0 ? start : 0;
}

/* The start time of process pid, zombies included, if its cut name is the worker's; else 0. */
static uint64_t start_by_comm(pid_t pid)
{
	char path[32], line[1024], *comm, *end;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	line[fread(line, 1, sizeof(line) - 1, file)] = '\0';
	fclose(file);
	comm = strchr(line, '(');
	end = strrchr(line, ')');
	if (comm == NULL || end != comm + 1 + COMM_LENGTH || memcmp(comm + 1, WORKER, COMM_LENGTH) != 0)
		return 0;
	return parse_start(end + 1);
}

/* Whether its program has another file name than the worker. That of a zombie or another user's process
 * cannot be read. */
static bool is_another_program(pid_t pid)
{
	char path[32], program[PATH_MAX], *name;
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%ld/exe", (long)pid);
	length = readlink(path, program, sizeof(program) - 1);
	if (length < 0)
		return false;
	program[length] = '\0';
	name = strrchr(program, '/');
	return name != NULL && strcmp(name + 1, WORKER) != 0 && strcmp(name + 1, WORKER " (deleted)") != 0;
}

/* The start time of process pid if it is the reference worker, else 0. For nearly all others, one system call
 * says that they are not; that of the right name is asked again, since its pid may have been reused. */
static uint64_t worker_start(pid_t pid)
{
	uint64_t start = is_another_program(pid) ? 0 : start_by_comm(pid);

	return start != 0 && is_another_program(pid) ? 0 : start;
}

void legend_note_worker(struct named_process *process)
{
	process->worker_start = process->pid != 0 ? worker_start(process->pid) : 0;
}

void legend_note_workers(const struct command_line *line)
{
	for (size_t i = 0; i < line->process_count; i++)
		legend_note_worker(&line->processes[i]);
}

static bool is_worker(const struct command_line *line, const struct readyd_answer *answer)
{
	if (command_line_is_remote(line))
		return false;
	for (size_t i = 0; answer->start != 0 && i < line->process_count; i++)
		if (line->processes[i].pid == answer->pid && line->processes[i].worker_start == answer->start)
			return true;
	return answer->start != 0 && worker_start(answer->pid) == answer->start;
}

const char *legend_of(const struct command_line *line, const struct readyd_answer *answer)
{
	const char *text;
	unsigned code;

	if (answer->wait_status < 0 || !WIFEXITED(answer->wait_status))
		return NULL;
	code = (unsigned)WEXITSTATUS(answer->wait_status);
	if (line->legend[code] != NULL)
		return line->legend[code];
	text = worker_status(code);
	return text != NULL && is_worker(line, answer) ? text : NULL;
}
