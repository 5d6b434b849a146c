/*
 * Mounts a directory on another one with the owners mapped, as mount(8) does with X-mount.idmap since 2.39:
 *
 *     idmap SOURCE TARGET INSIDE OUTSIDE COUNT
 *
 * A file that belongs to INSIDE + n in SOURCE belongs to OUTSIDE + n in TARGET, users and groups alike. Exit
 * status 2: the kernel or the file system cannot do it.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void put(pid_t pid, const char *name, const char *text)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
		perror(path);
		exit(2);
	}
	close(fd);
}

/* A user namespace is made by a process. It ends when this one does. */
static int open_namespace(const char *map)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
	char path[64];
	int fd;

	if (pid == 0) {
		for (;;)
			pause();
	}
	if (pid < 0) {
		perror("clone");
		exit(2);
	}
	put(pid, "uid_map", map);
	put(pid, "gid_map", map);
	snprintf(path, sizeof(path), "/proc/%ld/ns/user", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return fd;
}

int main(int argc, char **argv)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP};
	char map[64];
	int tree;

	if (argc != 6)
		return EXIT_FAILURE;
	snprintf(map, sizeof(map), "%s %s %s\n", argv[3], argv[4], argv[5]);
	attr.userns_fd = (unsigned)open_namespace(map);
	tree = open_tree(AT_FDCWD, argv[1], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) != 0 ||
	    move_mount(tree, "", AT_FDCWD, argv[2], MOVE_MOUNT_F_EMPTY_PATH) != 0) {
		perror(argv[1]);
		return 2;
	}
	return 0;
}
