/*
 * A file system for the tests: a flat directory of files, without their contents, with a clock that is not
 * the kernel's, and that can hang.
 *
 *     clockfs [--skew=SECONDS] [--grain=NANOSECONDS] DIRECTORY
 *
 * Its clock is ahead by the skew (behind, if negative), and its stamps are rounded down to the grain.
 * SIGUSR1: from now on every look at a file hangs, until SIGUSR2; each prints a word when it has taken
 * effect. It stays in the foreground until it is unmounted or killed.
 */
#define FUSE_USE_VERSION 31

#include <errno.h>
#include <fuse.h>
#include <fuse_lowlevel.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL

struct file {
	LIST_ENTRY(file) link;
	char path[256];
	struct stat st;
};

static LIST_HEAD(, file) files = LIST_HEAD_INITIALIZER(files);
static struct file root = {.path = "/", .st = {.st_mode = S_IFDIR | 01777, .st_nlink = 2, .st_ino = 1}};
static volatile sig_atomic_t hangs;
static struct options {
	double skew;
	long long grain;
} options = {0, 1};

static struct timespec now(void)
{
	struct timespec t;
	long long ns;

	clock_gettime(CLOCK_REALTIME, &t);
	ns = t.tv_sec * NS_PER_S + t.tv_nsec + (long long)(options.skew * (double)NS_PER_S);
	ns -= ns % options.grain;
	return (struct timespec){ns / NS_PER_S, ns % NS_PER_S};
}

static void on_signal(int sig)
{
	const char *word = sig == SIGUSR1 ? "hangs\n" : "answers\n";

	hangs = sig == SIGUSR1;
	if (write(STDOUT_FILENO, word, strlen(word)) < 0)
		hangs = 0;
}

/* One thread serves all requests, so whatever comes meanwhile hangs as well. */
static void hang(void)
{
	sigset_t both, before;

	sigemptyset(&both);
	sigaddset(&both, SIGUSR1);
	sigaddset(&both, SIGUSR2);
	sigprocmask(SIG_BLOCK, &both, &before);
	while (hangs && !fuse_session_exited(fuse_get_session(fuse_get_context()->fuse)))
		sigsuspend(&before);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static struct file *find(const char *path)
{
	struct file *file;

	hang();
	if (strcmp(path, root.path) == 0)
		return &root;
	LIST_FOREACH (file, &files, link)
		if (strcmp(file->path, path) == 0)
			return file;
	return NULL;
}

static void touch(struct file *file)
{
	file->st.st_mtim = file->st.st_ctim = now();
}

static int fs_getattr(const char *path, struct stat *st, struct fuse_file_info *info)
{
	struct file *file = find(path);

	(void)info;
	if (file == NULL)
		return -ENOENT;
	*st = file->st;
	return 0;
}

static int fs_readdir(const char *path, void *buf, fuse_fill_dir_t fill, off_t at,
    struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
	struct file *file;

	(void)path;
	(void)at;
	(void)info;
	(void)flags;
	LIST_FOREACH (file, &files, link)
		fill(buf, file->path + 1, NULL, 0, 0);
	return 0;
}

static int fs_create(const char *path, mode_t mode, struct fuse_file_info *info)
{
	static ino_t last = 1;
	struct file *file = calloc(1, sizeof(*file));

	(void)info;
	if (file == NULL || strlen(path) >= sizeof(file->path)) {
		free(file);
		return -ENOSPC;
	}
	strcpy(file->path, path);
	file->st = (struct stat){.st_mode = mode, .st_nlink = 1, .st_ino = ++last};
	file->st.st_uid = fuse_get_context()->uid;
	file->st.st_gid = fuse_get_context()->gid;
	touch(file);
	touch(&root);
	LIST_INSERT_HEAD(&files, file, link);
	return 0;
}

static int fs_write(const char *path, const char *buf, size_t size, off_t at, struct fuse_file_info *info)
{
	struct file *file = find(path);

	(void)buf;
	(void)info;
	if (file == NULL)
		return -ENOENT;
	if (at + (off_t)size > file->st.st_size)
		file->st.st_size = at + (off_t)size;
	touch(file);
	return (int)size;
}

static int fs_truncate(const char *path, off_t size, struct fuse_file_info *info)
{
	struct file *file = find(path);

	(void)info;
	if (file == NULL)
		return -ENOENT;
	file->st.st_size = size;
	touch(file);
	return 0;
}

static int fs_unlink(const char *path)
{
	struct file *file = find(path);

	if (file == NULL)
		return -ENOENT;
	LIST_REMOVE(file, link);
	free(file);
	touch(&root);
	return 0;
}

/* An attribute that is kept would answer while the file system hangs. */
static void *fs_init(struct fuse_conn_info *conn, struct fuse_config *config)
{
	(void)conn;
	config->use_ino = 1;
	config->hard_remove = 1;
	config->attr_timeout = config->entry_timeout = config->negative_timeout = 0;
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct fuse_opt known[] = {{"--skew=%lf", offsetof(struct options, skew), 0},
	    {"--grain=%lld", offsetof(struct options, grain), 0}, FUSE_OPT_END};
	static const struct fuse_operations operations = {.init = fs_init,
	    .getattr = fs_getattr,
	    .readdir = fs_readdir,
	    .create = fs_create,
	    .write = fs_write,
	    .truncate = fs_truncate,
	    .unlink = fs_unlink};
	struct fuse_args args = FUSE_ARGS_INIT(argc, argv);

	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	if (fuse_opt_parse(&args, &options, known, NULL) != 0 || options.grain <= 0)
		return EXIT_FAILURE;
	fuse_opt_add_arg(&args, "-f");
	fuse_opt_add_arg(&args, "-s");
	fuse_opt_add_arg(&args, "-oallow_other,default_permissions");
	touch(&root);
	return fuse_main(args.argc, args.argv, &operations, NULL);
}
