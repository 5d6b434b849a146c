/*
 * A program for tests/e2e_probe.sh to probe, linked with jemalloc as the worker is.
 *
 * Usage: probe_target threads COUNT | exec PROGRAM [ARGUMENT]... | fork | vfork | signals
 * Each prints a line when it is set up:
 *   threads   so many threads beside the first, of which thread i has allocated i blocks of 16 KiB
 *   exec      1 MiB is allocated; SIGUSR1 executes the program, and "self" stands for this one
 *   fork      1 MiB is allocated; a child then allocates 2 MiB more; its pid is printed
 *   vfork     sleeps as in vfork(2), which only SIGKILL interrupts, until SIGUSR1 comes to its child; the
 *             pid of the child is printed
 *   signals   prints the number of SIGRTMIN that have come whenever SIGUSR1 comes
 */
#include "config.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jemalloc/jemalloc.h>

#define MIB 1048576
/* One of jemalloc's sizes, so that it is not rounded up. */
#define BLOCK 16384

static void *volatile kept;
static pthread_barrier_t barrier;
static volatile sig_atomic_t received;

static void tell(const char *what, long number)
{
	printf("%s %ld\n", what, number);
	fflush(stdout);
}

__attribute__((noreturn)) static void sleep_always(void)
{
	for (;;)
		pause();
}

static void allocate(size_t mib)
{
	kept = malloc(mib * MIB);
}

static void *run_thread(void *blocks)
{
	for (size_t i = 0; i < (size_t)blocks; i++)
		kept = malloc(BLOCK);
	pthread_barrier_wait(&barrier);
	sleep_always();
}

static void run_threads(size_t count)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, (size_t)64 * 1024);
	pthread_barrier_init(&barrier, NULL, (unsigned)count + 1);
	for (size_t i = 1; i <= count; i++)
		if (pthread_create(&thread, &attributes, run_thread, (void *)i) != 0)
			exit(EXIT_FAILURE);
	pthread_barrier_wait(&barrier);
}

static void await(int signal)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	sigwait(&set, &signal);
}

static void block(int signal)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void run_exec(char **argv)
{
	block(SIGUSR1);
	allocate(1);
	tell("ready", getpid());
	await(SIGUSR1);
	execv(strcmp(argv[0], "self") == 0 ? "/proc/self/exe" : argv[0], argv);
}

static void run_fork(void)
{
	allocate(1);
	if (fork() == 0) {
		allocate(2);
		tell("ready", getpid());
		sleep_always();
	}
	wait(NULL);
}

static int await_in_child(void *unused)
{
	(void)unused;
	tell("ready", getpid());
	await(SIGUSR1);
	return 0;
}

/* As vfork(2) does, this sleeps until the child has ended, but the child has memory of its own. */
static void run_vfork(void)
{
	_Alignas(16) static char stack[65536];

	block(SIGUSR1);
	allocate(1);
	clone(await_in_child, stack + sizeof(stack), CLONE_VFORK | SIGCHLD, NULL);
	wait(NULL);
	sleep_always();
}

static void on_signal(int signal)
{
	if (signal == SIGUSR1)
		tell("received", received);
	else
		received = received + 1;
}

static void run_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigfillset(&action.sa_mask);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGRTMIN, &action, NULL);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (strcmp(mode, "threads") == 0 && argc > 2)
		run_threads(strtoul(argv[2], NULL, 10));
	else if (strcmp(mode, "exec") == 0 && argc > 2)
		run_exec(argv + 2);
	else if (strcmp(mode, "fork") == 0)
		run_fork();
	else if (strcmp(mode, "vfork") == 0)
		run_vfork();
	else if (strcmp(mode, "signals") == 0)
		run_signals();
	tell("ready", getpid());
	sleep_always();
}
