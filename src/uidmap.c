#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "src/number.h"
#include "src/uidmap.h"

/* 2^32 - 1 is no user (user_namespaces(7)). */
#define ALL_UIDS 4294967295u

/* Each line has the first inside, the first outside, and how many. */
bool uidmap_is_complete(const char *map)
{
	uint32_t range[3];

	return number_list(map, range, 3) == 3 && range[0] == 0 && range[2] == ALL_UIDS;
}

/* A kernel without user namespaces has no such file. */
static bool is_namespace_complete(void)
{
	char map[64];
	int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT && access("/proc/self/stat", F_OK) == 0;
	n = read(fd, map, sizeof(map) - 1);
	close(fd);
	map[n > 0 ? n : 0] = '\0';
	return uidmap_is_complete(map);
}

bool uidmap_identifies(uid_t uid)
{
	return uid != UIDMAP_OVERFLOW || is_namespace_complete();
}
