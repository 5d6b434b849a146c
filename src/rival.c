#include "config.h"

#include <dirent.h>
#include <limits.h>
#include <string.h>

#include "src/abode.h"
#include "src/clock.h"
#include "src/number.h"
#include "src/rival.h"

/* Kernel threads leave no markers, and neither does the first process of the system. */
static bool is_suspect(pid_t pid, const struct process *p)
{
	return pid != 1 && pid != p->pid && process_name_of(pid) == p->name;
}

/* It must see the same directory, have been there when the marker came, and be able to own it. */
static bool could_have_left(const struct marker_place *place, pid_t pid, const struct sight *marker)
{
	struct marker_place there;
	struct process rival;
	bool could;

	process_open(&rival, pid);
	could = !rival.kernel && !process_gone(&rival) && abode_find(place, &rival, &there) == ABODE_HERE &&
		(marker->uid == 0 || process_has_uid(&rival, marker->uid)) &&
		(int64_t)rival.start * clock_tick_ns() <=
		    clock_to_ns(&marker->ctime) - clock_boot_offset() + clock_tick_ns();
	process_close(&rival);
	return could;
}

bool rival_exists(const struct marker_place *place, const struct process *p, const struct sight *marker)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	bool found = false;
	uint64_t pid;

	if (proc == NULL)
		return false;
	while (!found && (entry = readdir(proc)) != NULL)
		found = number_parse(entry->d_name, strlen(entry->d_name), INT_MAX, &pid) == 0 &&
			is_suspect((pid_t)pid, p) && could_have_left(place, (pid_t)pid, marker);
	closedir(proc);
	return found;
}
