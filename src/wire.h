/*
 * The codec of readyd-protocol(7): from bytes to messages and back. No I/O, no allocation.
 *
 * Requests and replies are lines that end in '\n' (a '\r' before it is dropped). A request has at most
 * WIRE_REQUEST_MAX bytes, a reply at most WIRE_REPLY_MAX, including the newline.
 *
 * wire_request.c parses and writes requests, wire_write.c writes replies, wire_parse.c parses them.
 */
#ifndef SRC_WIRE_H
#define SRC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "readyd/readyd.h"
#include "src/marker.h"

#define WIRE_VERSION	 1
#define WIRE_REQUEST_MAX 256
#define WIRE_REPLY_MAX	 2048

enum wire_verb {
	WIRE_HELLO,
	WIRE_QUERY,
	WIRE_WAIT,
	WIRE_GATE,
	WIRE_CANCEL,
	WIRE_LIST,
	WIRE_STATS,
	WIRE_PING,
	WIRE_MONITOR,
	WIRE_END
};

enum wire_error {
	WIRE_OK,
	WIRE_BAD_VERB,	    /* no such verb */
	WIRE_BAD_ARGUMENT,  /* missing, malformed or too many arguments */
	WIRE_BAD_VERSION,   /* HELLO with a version that is not supported */
	WIRE_LINE_TOO_LONG, /* no newline within WIRE_REQUEST_MAX bytes; the daemon closes the connection */
	WIRE_TOO_MANY_CLIENTS, /* the daemon closes the connection */
	WIRE_TOO_MANY_WAITS,   /* the limit of this client or of its user is reached */
	WIRE_NO_RESOURCES,     /* no gate or descriptor left, or no /proc, for this request */
	WIRE_TOO_MANY_MONITORS /* the limit of this user is reached */
};

/* The error's word in the protocol, a static string. */
const char *wire_error_code(enum wire_error error);

struct wire_request {
	enum wire_verb verb;
	pid_t pid;	  /* QUERY, WAIT, GATE, END, CANCEL */
	uint64_t start;	  /* QUERY, WAIT, GATE, END: start of the process; 0: the process that has pid now */
	uint64_t ms;	  /* WAIT: milliseconds from now to the deadline, if has_ms */
	uint64_t version; /* HELLO */
	uint64_t tag;	  /* HELLO: a number that the reply repeats, so that it is known as such; 0: none */
	bool has_ms;
	bool has_token;
	uint64_t epoch, seq; /* MONITOR: the position to continue from, if has_token */
};

enum wire_reply_kind {
	WIRE_REPLY_HELLO,
	WIRE_REPLY_ANSWER,
	WIRE_REPLY_GATE, /* one descriptor is sent with this line */
	WIRE_REPLY_CANCELLED,
	WIRE_REPLY_LIST, /* one entry of a list */
	WIRE_REPLY_END,	 /* the end of a list */
	WIRE_REPLY_STATS,
	WIRE_REPLY_PONG,
	WIRE_REPLY_ERROR,
	WIRE_REPLY_EVENT /* of a monitor */
};

/* What a daemon says about itself. */
struct wire_hello {
	uint64_t epoch;	   /* a number that differs for each start of a daemon */
	uint64_t pidns;	   /* inode of its pid namespace; 0: not known */
	uint64_t timens;   /* inode of its time namespace, on which starts depend; 0: not known */
	uint64_t dev, ino; /* of the marker directory; 0: it is missing */
	uint64_t tag;	   /* of the request; 0: it had none */
	struct marker_place place;
	bool procfs_foreign; /* its /proc is that of another pid namespace; for people to read */
};

struct wire_reply {
	enum wire_reply_kind kind;
	struct readyd_answer answer; /* ANSWER, LIST; GATE: in part; CANCELLED: pid; ERROR: pid or 0 */
	struct wire_hello hello;     /* HELLO */
	uint64_t count;		     /* CANCELLED, END */
	struct readyd_event event;   /* EVENT */
	enum wire_error error;	     /* ERROR */
	const char *text;	     /* STATS, ERROR: the rest of the line, in the caller's buffer, */
	size_t text_len;	     /* not terminated */
};

/* The length of the first line in buf, including its newline; 0: no complete line yet. */
size_t wire_line(const char *buf, size_t len);

/* The line may end with or without its newline, and need not be terminated by a NUL. */
enum wire_error wire_parse_request(const char *line, size_t len, struct wire_request *request);
int wire_parse_reply(const char *line, size_t len, struct wire_reply *reply); /* -1: not a reply */

/* All writers return the length of the line that they wrote to buf, including the newline; it is not
 * terminated by a NUL. size must be at least WIRE_REPLY_MAX (WIRE_REQUEST_MAX for requests): then any line
 * fits. */
size_t wire_write_request(char *buf, size_t size, const struct wire_request *request);
size_t wire_write_hello(char *buf, size_t size, const struct wire_hello *hello);
size_t wire_write_answer(char *buf, size_t size, const struct readyd_answer *answer);
size_t wire_write_list(char *buf, size_t size, const struct readyd_answer *answer);
size_t wire_write_end(char *buf, size_t size, uint64_t count);
/* Of the answer, pid, start and READYD_FLAG_STATUS_HIDDEN. */
size_t wire_write_gate(char *buf, size_t size, const struct readyd_answer *answer);
size_t wire_write_cancelled(char *buf, size_t size, pid_t pid, uint64_t count);
size_t wire_write_stats(char *buf, size_t size, const char *text);
/* Any change but READYD_CHANGE_LOST. */
size_t wire_write_event(char *buf, size_t size, const struct readyd_event *event);
size_t wire_write_pong(char *buf, size_t size);
/* pid 0: the error does not concern a particular pid. */
size_t wire_write_error(char *buf, size_t size, enum wire_error error, pid_t pid);

#endif
