#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/harness.h"
#include "bench/tool.h"

bool tool_is_installed(const char *name)
{
	const char *set = getenv("PATH");
	char *path = strdup(set != NULL ? set : "/usr/bin:/bin"), file[512], *rest = path;
	bool found = false;

	for (char *dir = strtok_r(path, ":", &rest); dir != NULL && !found;
	     dir = strtok_r(NULL, ":", &rest)) {
		snprintf(file, sizeof(file), "%s/%s", dir, name);
		found = access(file, X_OK) == 0;
	}
	free(path);
	return found;
}

pid_t tool_start(char *const argv[], int *out)
{
	int ends[2] = {-1, -1};
	pid_t pid;

	if (out != NULL && pipe2(ends, O_CLOEXEC) != 0)
		fail_errno("pipe");
	pid = bench_fork();
	if (pid == 0) {
		if (out == NULL)
			ends[1] = open("/dev/null", O_WRONLY | O_CLOEXEC);
		if (dup2(ends[1], STDOUT_FILENO) < 0 || dup2(ends[1], STDERR_FILENO) < 0)
			_exit(126);
		execvp(argv[0], argv);
		_exit(127);
	}
	if (out != NULL) {
		close(ends[1]);
		*out = ends[0];
	}
	return pid;
}

int tool_wait(pid_t pid, const char *name)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		fail_errno("%s", name);
	if (!WIFEXITED(status))
		fail("%s: wait status %#x", name, (unsigned)status);
	return WEXITSTATUS(status);
}

void tool_expect_success(pid_t pid, const char *name)
{
	int status = tool_wait(pid, name);

	if (status != 0)
		fail("%s: exit status %d", name, status);
}
