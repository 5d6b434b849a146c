/*
 * The world of the simulated programs: processes, the marker directory, clocks, and descriptors. It holds one
 * schedule at a time, and nothing here calls the kernel.
 *
 * An actor is a program: the daemon or one of its clients. `world.current` says which one makes the current
 * system call (kernel_*.c), and so which descriptor table is used.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SIM_DIR	      "/m"
#define SIM_PREFIX    "ready-"
#define SIM_SOCKET    "/s"
#define SIM_PIDS      12
#define SIM_FIRST_PID 101
#define SIM_CLIENTS   4
#define SIM_DAEMON    SIM_CLIENTS /* the actor after the clients */
#define SIM_FDS	      96
#define SIM_LIVES     256
#define SIM_NONE      (-1)

#define NS_PER_MS 1000000LL
#define NS_PER_S  1000000000LL

/* A process as the checker sees it. A pid may have several lives. */
struct life {
	pid_t pid;
	uid_t uid;
	uint64_t start; /* in ticks, as the product sees it */
	bool hidden;	/* /proc does not show it, see world.daemon_sees_hidden */
	int64_t born, died;
	bool alive;
	int status;
	int64_t due;	   /* since when a check would find it ready or dead; 0: it would not */
	bool due_in_place; /* because its marker was rewritten in place */
	int64_t witnessed; /* the first time at which it lived and its own marker existed; 0: none */
	/* A marker existed after its end, or a foreign one before: which process left it, and what uid the
	 * process had, cannot be seen any more. */
	bool marked_late;
	bool uncertain; /* a marker existed that time stamps cannot distinguish from its own */
	bool misled; /* an old file was moved to the name, which looks young since the clock was set back */
};

enum marker_state { NO_MARKER, MARKER_IS_FILE, MARKER_IS_OTHER };

struct sim_marker {
	enum marker_state state;
	uid_t uid;
	ino_t ino;
	off_t size;
	int64_t stamp;	    /* its ctime, by the clock of the file system */
	int64_t modified;   /* its mtime, by the same */
	int64_t born;	    /* its time of birth, by the same */
	bool moved;	    /* it was created under another name, long before */
	bool linked;	    /* it still has that, too */
	unsigned born_sets; /* world.clock_sets at its birth */
	int64_t written;    /* CLOCK_REALTIME */
	int64_t arrived;    /* CLOCK_MONOTONIC */
	bool clock_unsure;  /* it was written when the daemon did not know how the clock was set */
	int64_t daemon_saw; /* when the current daemon saw it, and no process had its number; 0: never */
	bool in_place;	    /* no event has told a client of it */
	bool same_stamp;    /* of a rewriting that stamps do not show */
};

/* A file system by its clock. */
struct sim_fs {
	uint32_t type;
	int64_t grain, skew;
	bool births;  /* it keeps the times of birth */
	bool unnamed; /* it has O_TMPFILE, which shows its clock */
	int64_t
	    unclear; /* a marker that is older than the process by less than this may be its own by stamps */
};

struct directory {
	bool present;
	unsigned serial; /* unique among the directories of a schedule */
	ino_t ino;
	struct sim_fs fs;
	int64_t changed; /* its ctime, by the clock of the file system */
	struct sim_marker markers[SIM_PIDS];
};

enum fd_kind {
	FD_FREE,
	FD_PIDFD,
	FD_INOTIFY,
	FD_STREAM,
	FD_PIPE_READ,
	FD_PIPE_WRITE,
	FD_EPOLL,
	FD_TIMER,
	FD_MOUNTS,
	FD_UNNAMED /* an O_TMPFILE; the index is not used */
};

struct sim_fd {
	enum fd_kind kind;
	int index; /* in the pool of that kind; FD_PIDFD: the life */
	int side;  /* of a stream */
};

#define INOTIFY_WATCHES 4
#define INOTIFY_EVENTS	16

struct sim_event {
	int wd;
	uint32_t mask;
	pid_t pid;
	int64_t at; /* not to be read before */
};

struct inotify {
	bool used;
	int next_wd;
	struct {
		int wd;
		unsigned serial;
		uint32_t mask;
	} watches[INOTIFY_WATCHES];
	unsigned watch_count;
	struct sim_event queue[INOTIFY_EVENTS + 1];
	unsigned len, limit;
};

#define FLOW_BYTES  4096
#define FLOW_RIGHTS 32

/* The bytes and descriptors in transit to one side of a stream. */
struct flow {
	unsigned len, right_count;
	struct {
		unsigned at;
		struct sim_fd fd;
	} rights[FLOW_RIGHTS];
	char bytes[FLOW_BYTES];
};

struct stream {
	bool used, reset, cut;
	bool open[2]; /* side 0 is the client's, side 1 the daemon's */
	int client;
	struct flow flow[2]; /* towards that side */
};

struct sim_pipe {
	int readers, writers;
	unsigned bytes;
};

#define EPOLL_ITEMS 64

struct sim_epoll {
	bool used;
	unsigned count;
	struct {
		int fd;
		uint32_t events;
		uint64_t data;
	} items[EPOLL_ITEMS];
};

struct timer {
	bool used;
	int64_t at;    /* CLOCK_MONOTONIC, 0: not set */
	bool of_clock; /* it only tells that the clock was set */
	unsigned clock_sets;
};

struct mounts {
	bool used, edge;
};

#define POOL_STREAMS 64
#define POOL_PIPES   128
#define POOL_SMALL   16
#define BACKLOG	     6

struct actor {
	int id;
	pid_t pid;
	uid_t uid;
	bool dead; /* killed: its system calls have no effect any more */
	unsigned open, limit;
	struct sim_fd fds[SIM_FDS];
};

struct world {
	int64_t now;	     /* CLOCK_MONOTONIC, ns */
	int64_t offset;	     /* CLOCK_REALTIME minus that */
	int64_t boot_offset; /* the same before the clock was set */
	bool clock_was_set;
	unsigned clock_sets;
	int64_t nearest_offsets;   /* the least difference between two offsets that there have been */
	unsigned clock_sets_noted; /* by the daemon */
	bool clock_is_followed;	   /* the daemon has run since the clock was right, and noted each setting in
				      time */
	bool hidden[SIM_PIDS];	   /* processes with that pid are another user's */
	bool daemon_sees_hidden;   /* else it sees as little of hidden processes as the clients */
	bool pidfd_tells_uids;	   /* also of hidden processes (Linux 6.13) */
	int64_t moved_at;	   /* when the path last changed its directory */
	int64_t no_directory_at;   /* the last instant without a marker directory; 0: none, INT64_MAX: now */
	struct life lives[SIM_LIVES];
	int life_count;
	int holder[SIM_PIDS];		/* the life that has the pid, dead and unreaped ones too; SIM_NONE */
	int64_t hidden_until[SIM_PIDS]; /* when the last hidden process that had the pid ended */
	unsigned pid_count;		/* pids that this schedule uses */
	struct directory dirs[2];
	unsigned top; /* the directory that the path names; it may hide the other one */
	unsigned serials;
	ino_t inos;
	struct actor actors[SIM_CLIENTS + 1];
	struct actor *current;
	bool silent;  /* changes raise no event, as those of another machine or below another mount */
	bool polling; /* the current system call sees at once what would wake the actor late */
	struct inotify inotifies[POOL_SMALL];
	struct sim_epoll epolls[POOL_SMALL];
	struct timer timers[POOL_SMALL];
	struct mounts mounts[POOL_SMALL];
	struct sim_pipe pipes[POOL_PIPES];
	bool listening;
	int backlog[BACKLOG];
	unsigned backlog_len;
	struct stream streams[POOL_STREAMS]; /* last: it is large */
};

extern struct world world;

void world_reset(void);
void world_set_clock(int64_t step);
/* The current program reads that the clock was set. */
void world_note_clock(unsigned sets_missed);
/* Another daemon has seen nothing yet. */
void world_forget_sights(void);

/* The random numbers of the schedule. */
extern uint64_t dice_state;
uint64_t dice(void);
unsigned dice_below(unsigned limit);
/* True with a probability of of_1024 / 1024. */
bool dice_hit(unsigned of_1024);

static inline struct directory *world_dir(void)
{
	return &world.dirs[world.top];
}

int world_pid_index(pid_t pid); /* SIM_NONE: not a pid of this world */
struct life *world_life_of(pid_t pid);
/* Updates what the checker knows of all processes; call it after each change. */
void world_observe(void);
/* Whether the marker of that pid is really that of this life. */
/* The stamp of a file that is written now. */
int64_t world_stamp(const struct sim_fs *fs);
bool world_is_own(const struct life *life, const struct sim_marker *marker);

int world_spawn(int pid_index, uid_t uid);
void world_exit(int pid_index);
/* mask: the events; 0 for a file that is rewritten in place. */
void world_write_marker(int pid_index, enum marker_state state, uid_t uid, uint32_t mask);
/* An old file of that user is linked or renamed to the name. */
void world_move_old_file(int pid_index, uid_t uid, int64_t age);
void world_remove_marker(int pid_index);
/* Markers of processes that no client waits for. */
void world_make_noise(void);
void world_mount_over(void);
void world_unmount(void);
void world_remove_directory(bool renamed);
void world_make_directory(void);

/* Descriptors. */
int fd_new(struct actor *actor, enum fd_kind kind, int index, int side); /* -1: EMFILE */
struct sim_fd *fd_get(struct actor *actor, int fd);			 /* NULL: EBADF */
void fd_release(struct sim_fd *fd);					 /* one reference less */
void fd_share(const struct sim_fd *fd);					 /* one reference more */
void fd_close(struct actor *actor, int fd);
uint32_t fd_ready(struct actor *actor, int fd); /* POLLIN, POLLOUT, POLLERR, POLLHUP */
void actor_start(struct actor *actor, int id, pid_t pid, uid_t uid);
/* Closes its descriptors, as the kernel does at an exit. */
void actor_kill(struct actor *actor);

void inotify_post(struct inotify *inotify, int wd, uint32_t mask, pid_t pid);
/* Cuts the connection: only so many of the bytes in transit arrive at each side. */
void stream_cut(struct stream *stream, const unsigned left[2]);
static inline bool stream_ended(const struct stream *stream, int side)
{
	return stream->cut || !stream->open[1 - side];
}
void stream_close(struct stream *stream, int side);

#endif
