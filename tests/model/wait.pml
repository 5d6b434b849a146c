/* A waiter, the daemon and a process that is waited for; see README.md. steps.pml is made of the file steps. */
mtype = { waiting, unconfirmed, done, none, asked, gate };
mtype = { saw_nothing, saw_doubt, saw_end, ask, told, not_helped, left, gate_came };

/* The process that is meant has number 1; another one may get its pid, and leave a marker under the same name. */
bool marker;		/* a file has the name */
bool ended;		/* process 1; its pidfd shows it */
bool witness;		/* its own marker has existed while it lived */
bool watch;		/* the daemon watches the directory */
bool event;		/* something is in its queue */

bool alive = true;	/* the daemon */
bool frozen;
bool request;		/* GATE, on its way to the daemon */
mtype reply = none;	/* told, gate or not_helped (a limit is reached) */
bool entry;		/* what the daemon keeps of the wait */
bool open, byte_there;	/* the gate */

mtype phase = waiting, subscription = none;
bool said_ready;

#include "steps.pml"

/* A file comes and raises an event if the directory is watched; the event may be lost. */
inline marker_comes()
{
	marker = true;
	if
	:: event = watch
#ifdef LOSSY
	:: skip
#endif
	fi
}

/* The process becomes ready or not, and ends or not, but not neither. The daemon may be killed or frozen. */
active proctype World()
{
	if
	:: atomic { witness = true; marker_comes() }
	   if
	   :: true
	   :: ended = true
	   fi
	:: ended = true;
	   if
	   :: true
	   :: atomic { marker_comes() }	/* of the next process with the pid */
	   fi
	fi
}

active proctype Accident()
{
	if
	:: true
	:: d_step { alive = false; open = false }	/* the kernel closes the gate; what was sent arrives */
	:: frozen = true
	fi
}

/* What a look sees: `seen` if the file is there and then the process lives, else `over` if it has ended. */
inline look(seen, over)
{
#ifdef PROCESS_BEFORE_MARKER
	over = ended; seen = marker;
	seen = seen && !over
#else
	seen = marker;
	over = ended;
	seen = seen && !over
#endif
}

#define SERVES (alive && !frozen)

active proctype Daemon()
{
	bool seen, over;
end:
	do
	:: SERVES && request ->
	   atomic { request = false; seen = false; over = false }
	   entry = true;
#ifndef LOOK_BEFORE_WATCH
	   watch = true;
#endif
	   look(seen, over);
#ifdef LOOK_BEFORE_WATCH
	   watch = true;
#endif
	   atomic {
		if
		:: !SERVES
		:: SERVES && (seen || over) -> entry = false; reply = told; said_ready = seen
		:: SERVES && !seen && !over -> open = true; byte_there = false; reply = gate
		:: SERVES -> entry = false; reply = not_helped
		fi
	   }
	/* Events of files without an entry are dropped. An end shows at the pidfd of the entry, always. */
	:: SERVES && event && !request ->
	   event = false;
	   if
	   :: entry && open -> goto check
	   :: else
	   fi
	:: SERVES && entry && open && ended -> goto check
#ifndef NO_TICK
	:: SERVES && entry && open && marker -> goto check
#endif
	:: !alive -> break
	od;
	goto finish;
check:
#ifdef BYTE_BEFORE_LOOK
	if :: SERVES -> byte_there = open :: !SERVES fi;
#endif
	look(seen, over);
#ifdef BYTE_FOR_ANY_PROCESS
	seen = marker;
#endif
	atomic {
		if
		:: SERVES && (seen || over) ->
		   if :: seen -> byte_there = true :: else fi;
		   entry = false; open = false
		:: !SERVES || !(seen || over)
		fi
	}
	seen = false; over = false;
	goto end;
finish:
	skip
}

/* `ready` needs a witness. */
inline say_ready()
{
	assert(witness)
}

active proctype Waiter()
{
	bool seen, over, daemon_helps = true;
	byte looks = 2;		/* the backstop, at any moment, but not so often that it could replace a wake-up */
again:
	look(seen, over);
	if
	:: seen && daemon_helps -> move(saw_doubt)
	:: over || (seen && !daemon_helps) ->
	   if :: seen -> say_ready() :: else fi;
	   move(saw_end);
	   goto finish
	:: !seen && !over -> move(saw_nothing)
	fi;
	if
	:: daemon_helps && subscription == none ->
	   if
	   :: d_step { alive -> request = true; reply = none }; move(ask)
	   :: !alive -> daemon_helps = false; goto again
	   fi
	:: subscription == gate -> goto asleep
	:: subscription == asked
	:: subscription == none && !daemon_helps ->
	   /* Its own watch was there before the look; here, it looks when something has changed. */
	   (marker || ended); goto again
	fi;
	if	/* the reply, the end of the connection, or the patience with a frozen daemon */
	:: reply == told -> if :: said_ready -> say_ready() :: else fi; move(told); goto finish
	:: reply == gate -> move(gate_came); goto asleep
	:: reply == not_helped -> move(not_helped); daemon_helps = false; goto again
	:: reply == none && (!alive || frozen) -> move(left); daemon_helps = false; goto again
	:: looks > 0 -> looks--; goto again
	fi;
asleep:
	if
	:: !open && byte_there && reply == gate -> say_ready(); move(told); goto finish
#ifdef HANG_UP_IS_READY
	:: !open && !byte_there -> say_ready(); move(told); goto finish
#else
#ifndef NO_LOOK_AT_HANG_UP
	:: !open && !byte_there -> move(left); goto again
#endif
#endif
	:: ended -> goto again		/* its own pidfd */
	:: looks > 0 -> looks--; goto again
#ifndef NO_BACKSTOP
	:: frozen && marker -> daemon_helps = false; goto again
#endif
	fi;
finish:
	assert(phase == done)
}
