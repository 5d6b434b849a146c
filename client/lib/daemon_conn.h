/*
 * The connection to the daemon: requests in, events out. It knows pids and starts of processes, the deadlines
 * of the protocol, and nothing of what is done about an event. What is asked is followed by a PING: when its
 * answer is here, everything asked before has been answered.
 */
#ifndef CLIENT_LIB_DAEMON_CONN_H
#define CLIENT_LIB_DAEMON_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/lib/daemon_io.h"
#include "client/lib/settings.h"
#include "readyd/readyd.h"

enum daemon_state {
	DAEMON_CLOSED,	   /* not connected; perhaps about to be, see retry_at */
	DAEMON_GREETING,   /* HELLO has been sent */
	DAEMON_OPEN,	   /* HELLO has been answered */
	DAEMON_LATE,	   /* connected, and it has not answered in time: perhaps frozen */
	DAEMON_BACKING_OFF /* not connected: it could not be reached, or does not serve this client */
};

enum daemon_event_kind {
	DAEMON_NOTHING,
	DAEMON_ANSWER,	 /* answer */
	DAEMON_GATE,	 /* pid and start of answer, and fd, which is the receiver's */
	DAEMON_REFUSED,	 /* what was asked of answer.pid (0: in general), for the reason `refusal` */
	DAEMON_ANSWERED, /* everything asked so far has been */
	DAEMON_ENTRY,	 /* answer: one entry of a list */
	DAEMON_END,	 /* of the list */
	DAEMON_STATS,	 /* text */
	DAEMON_LOST,	 /* the connection has ended; the daemon may only be restarting */
	DAEMON_ABSENT,	 /* there is no daemon to ask for now: error */
	DAEMON_SLOW,	 /* it works, but has not said for some time what it was expected to */
	DAEMON_STOPPED	 /* it does not even work */
};

struct daemon_event {
	enum daemon_event_kind kind;
	struct readyd_answer answer;
	int fd;
	enum wire_error refusal;
	bool again;	  /* SLOW: not for the first time */
	int error;	  /* LOST, ABSENT: an errno */
	const char *text; /* valid until the next event is taken */
	size_t text_len;
};

struct daemon_conn {
	enum daemon_state state;
	struct settings *settings;
	struct daemon_io io;
	int64_t late_ms; /* how long an answer may take */
	bool patient;	 /* serves waits: an answer may take longer while the daemon works */
	bool ping_in_flight;
	bool refused;	       /* something, since it was last asked */
	unsigned backlog_full; /* connects in a row that found the backlog full */
	int failed;	       /* errno of a request that could not be put, 0 */
	/* Times on clock_ms(), 0: none. */
	int64_t reply_by;   /* it is late then */
	int64_t retry_at;   /* not to be asked before, but for what cannot wait */
	int64_t confirm_by; /* see whether it still works on what it was expected to say */
	int64_t confirm_ms; /* the interval that ends then */
	int64_t heard_at;   /* it replied, or was asked after a pause */
	pid_t pid;	    /* of the last daemon */
	uint64_t cpu;	    /* its CPU time when it was last checked, see process_is_active() */
};

/* For waits; settings are kept. */
void daemon_conn_init(struct daemon_conn *conn, struct settings *settings);
/* For one question, whose asker is less patient. */
void daemon_conn_init_question(struct daemon_conn *conn, struct settings *settings);
/* Without an event. */
void daemon_conn_close(struct daemon_conn *conn);

/* Whether a connection would be made or used now for what can wait, or for what is urgent. */
bool daemon_conn_may_ask(const struct daemon_conn *conn, int64_t now, bool urgent);

/* Asking: begin, put as often as needed, commit. With `greet` the first request of a connection is HELLO.
 * False: *event is what has become of it; DAEMON_NOTHING, where the backlog is full and it will be tried
 * again soon. */
bool daemon_conn_begin(struct daemon_conn *conn, int64_t now, bool greet, struct daemon_event *event);
void daemon_conn_put(struct daemon_conn *conn, const struct wire_request *request);
/* Sends it, with a PING where everything is to be answered. False: *event. */
bool daemon_conn_commit(struct daemon_conn *conn, int64_t now, bool ping, struct daemon_event *event);

/* What the daemon has sent. False: nothing more for now. */
bool daemon_conn_next(struct daemon_conn *conn, int64_t now, struct daemon_event *event);
/* What the passing of time has brought. False: nothing more. */
bool daemon_conn_expire(struct daemon_conn *conn, int64_t now, struct daemon_event *event);
/* Its descriptor could not be polled, or its output not sent: errno. Closes. */
void daemon_conn_fail(struct daemon_conn *conn, int64_t now, struct daemon_event *event);

/* It cannot be asked for now, for the reason `error`. Closes. */
void daemon_conn_back_off(struct daemon_conn *conn, int64_t now, int error, struct daemon_event *event);

/* Something is expected of the daemon without being asked for; or not any more. */
void daemon_conn_expect(struct daemon_conn *conn, int64_t now, bool expected);
/* Is not to be asked again so soon. */
void daemon_conn_hold(struct daemon_conn *conn, int64_t now);
/* Something was refused: the client goes on without the daemon, and asks again in a while. */
void daemon_conn_refuse(struct daemon_conn *conn, int64_t now);
/* Nothing is wanted of it: forgets what was to be tried again; closes where `close`. */
void daemon_conn_rest(struct daemon_conn *conn, bool close);

/* Whether the client has to go on without it for now. */
static inline bool daemon_conn_is_absent(const struct daemon_conn *conn)
{
	return conn->state == DAEMON_LATE || conn->state == DAEMON_BACKING_OFF ||
	       (conn->refused && !conn->ping_in_flight);
}

/* The earliest of its deadlines; that of asking where `wanted`. 0: none. */
int64_t daemon_conn_deadline(const struct daemon_conn *conn, bool wanted);

#endif
