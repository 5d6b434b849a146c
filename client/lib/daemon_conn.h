/*
 * The connection to the daemon: requests in, events out. It knows pids and starts of processes and the
 * deadlines of the protocol, but not what the client does about an event. It reports when everything that was
 * requested has been answered: QUERY and GATE have one reply each, so these are counted. A WAIT that is
 * accepted has none, and verdicts about earlier ones may come in between, so a connection with one sends a
 * PING behind its requests.
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
	DAEMON_CLOSED,	   /* not connected; may connect at retry_at */
	DAEMON_GREETING,   /* HELLO has been sent */
	DAEMON_OPEN,	   /* HELLO has been answered */
	DAEMON_LATE,	   /* connected, but no answer in time: the daemon may be frozen */
	DAEMON_BACKING_OFF /* not connected: the daemon could not be reached, or does not serve this client */
};

enum daemon_event_kind {
	DAEMON_NOTHING,
	DAEMON_ANSWER,	 /* answer */
	DAEMON_GATE,	 /* pid and start of answer, and fd, which the receiver owns */
	DAEMON_REFUSED,	 /* a request for answer.pid (0: any request), for the reason `refusal` */
	DAEMON_ANSWERED, /* everything requested so far has been answered */
	DAEMON_ENTRY,	 /* answer: one entry of a list */
	DAEMON_END,	 /* of the list */
	DAEMON_STATS,	 /* text */
	DAEMON_CHANGE,	 /* change: what a monitor is told */
	DAEMON_LOST,	 /* the connection has ended; the daemon may only be restarting */
	DAEMON_ABSENT,	 /* no daemon can be reached for now: error */
	DAEMON_SLOW,	 /* the daemon is active, but has not sent what was expected for some time */
	DAEMON_STOPPED	 /* the daemon is not even active */
};

struct daemon_event {
	enum daemon_event_kind kind;
	struct readyd_answer answer;
	struct readyd_event change;
	int fd;
	enum wire_error refusal;
	bool again;	  /* SLOW: for more than a second */
	int error;	  /* LOST, ABSENT: an errno */
	const char *text; /* valid until the next event is taken */
	size_t text_len;
};

struct daemon_conn {
	enum daemon_state state;
	struct settings *settings;
	struct daemon_io io;
	int64_t late_ms;       /* how long an answer may take */
	bool patient;	       /* serves waits: tries again while the backlog is full */
	bool untrusted;	       /* the process that listened last may not be believed, see src/trust.h */
	bool in_flight;	       /* requests have been sent, and not all of them are answered */
	bool carries_waits;    /* a WAIT or END has been sent: the answer to a PING counts */
	bool asks_more;	       /* a request has been sent that the first daemons do not know */
	unsigned owed;	       /* else: replies to come */
	bool refused;	       /* a request has been refused since the last one was sent */
	unsigned backlog_full; /* connects in a row that found the backlog full */
	int failed;	       /* errno of a request that could not be queued, or 0 */
	/* Times on clock_ms(), 0: none. */
	int64_t reply_by;   /* the daemon counts as late after this */
	int64_t retry_at;   /* no requests before this, except urgent ones */
	int64_t confirm_by; /* when to check whether the daemon is still active */
	int64_t confirm_ms; /* the interval that ends then */
	int64_t asked_at;   /* when the requests were sent that are not answered yet, or a line was expected
			     * first: no reply renews a deadline beyond asked_at + patience_ms */
	int64_t patience_ms;
	int64_t active_ms; /* how long after asked_at a daemon that is active is waited for */
	/* Of a remote daemon; see daemon_retry.c. */
	bool met;	   /* it has answered once */
	int error;	   /* errno of the last attempt to reach it; 0: there was none, or it has been met */
	uint64_t tag;	   /* of the last HELLO */
	unsigned attempts; /* to reach it, or to restore the connection */
	int64_t opened_at; /* when HELLO was answered */
	int64_t lost_at;   /* when the connection was lost that is not restored yet */
	int64_t ping_at;   /* when to check that the daemon still has the waits */
	pid_t pid;	   /* of the last daemon; 0: it is remote */
	uint64_t cpu;	   /* its CPU time when it was last checked, see process_is_active() */
};

/* For waits; settings are kept. */
void daemon_conn_init(struct daemon_conn *conn, struct settings *settings);
/* For a single query, with shorter deadlines. No reply renews them, but where the answer has many lines
 * (`long_answer`) each does, for some seconds. A daemon that is active, and perhaps has a crowd to serve, is
 * waited for as long. */
void daemon_conn_init_question(struct daemon_conn *conn, struct settings *settings, bool long_answer);
/* Reports no event. */
void daemon_conn_close(struct daemon_conn *conn);

/* Whether a connection would be opened or used now, for a request that can wait or for an urgent one. */
bool daemon_conn_may_ask(const struct daemon_conn *conn, int64_t now, bool urgent);

/* To send requests: begin, put as often as needed, commit. With `greets`, or where the daemon is remote, the
 * first request of a connection is HELLO. False: *event says why; it is DAEMON_NOTHING if the backlog is full
 * and a retry will follow soon. */
bool daemon_conn_begin(struct daemon_conn *conn, int64_t now, bool greets, struct daemon_event *event);
void daemon_conn_put(struct daemon_conn *conn, const struct wire_request *request);
/* Sends the requests. confirm: DAEMON_ANSWERED is to follow the last answer. False: *event says why. */
bool daemon_conn_commit(struct daemon_conn *conn, int64_t now, bool confirm, struct daemon_event *event);
/* Whether daemon_conn_next() has nothing to give before the descriptor is readable again, or at all. */
bool daemon_conn_is_drained(const struct daemon_conn *conn);

/* The next event from the daemon; DAEMON_NOTHING for a line that says nothing. False: nothing more for now.
 */
bool daemon_conn_next(struct daemon_conn *conn, int64_t now, struct daemon_event *event);
/* The next event from an expired deadline. False: nothing more. */
bool daemon_conn_expire(struct daemon_conn *conn, int64_t now, struct daemon_event *event);
/* The descriptor could not be polled, or the output not be sent, as errno says: closes the connection. */
void daemon_conn_fail(struct daemon_conn *conn, int64_t now, struct daemon_event *event);

/* The daemon cannot be used for now, for the reason `error`. Closes the connection. A remote daemon is tried
 * again first: then the event is DAEMON_LOST. */
void daemon_conn_back_off(struct daemon_conn *conn, int64_t now, int error, struct daemon_event *event);

/* daemon_retry.c. Whether the connection to a remote daemon is to be tried again: it is closed, and *event is
 * DAEMON_LOST. For some seconds after a loss; where it serves waits and the daemon has not answered yet, as
 * long as the caller waits. */
bool daemon_conn_retries(struct daemon_conn *conn, int64_t now, int error, struct daemon_event *event);
/* How long the answer to what is sent now may take. */
int64_t daemon_conn_late_ms(const struct daemon_conn *conn, int64_t now);
/* A remote daemon has answered everything. */
void daemon_conn_restored(struct daemon_conn *conn, int64_t now);
/* Sends what shows that a remote daemon still has the waits, if that is due. True: it has failed, with
 * *event. */
bool daemon_conn_ping(struct daemon_conn *conn, int64_t now, struct daemon_event *event);
/* When it is due; 0: never. */
int64_t daemon_conn_ping_at(const struct daemon_conn *conn);

/* Sets whether the client expects unrequested lines from the daemon. */
void daemon_conn_expect(struct daemon_conn *conn, int64_t now, bool expected);
/* A line has arrived: renews the deadlines, as far as the patience goes. */
void daemon_conn_heard(struct daemon_conn *conn, int64_t now);
/* Delays the next request. */
void daemon_conn_hold(struct daemon_conn *conn, int64_t now);
/* A request was refused: the client continues without the daemon and asks again later. */
void daemon_conn_refuse(struct daemon_conn *conn, int64_t now);
/* There is something that it was not asked yet: the refusal of something else need not be waited for. */
void daemon_conn_ask_soon(struct daemon_conn *conn);
/* The client needs nothing from the daemon: cancels retries; closes the connection if `close`. */
void daemon_conn_rest(struct daemon_conn *conn, bool close);

/* Whether the client must continue without the daemon for now. */
static inline bool daemon_conn_is_absent(const struct daemon_conn *conn)
{
	return conn->state == DAEMON_LATE || conn->state == DAEMON_BACKING_OFF ||
	       (conn->refused && !conn->in_flight);
}

/* The earliest deadline of the connection, including that of the next request if `wanted`. 0: none. */
int64_t daemon_conn_deadline(const struct daemon_conn *conn, bool wanted);

#endif
