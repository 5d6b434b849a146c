#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "tests/torture/options.h"

#define LAST_ERRNO 133

/* Made of the file errnos. */
static const struct {
	const char *name;
	int number;
} calls[] = {
#include "tests/torture/calls.h"
};
#define N_CALLS (sizeof(calls) / sizeof(calls[0]))

const char *call_name(int call)
{
	static char number[16];

	for (size_t i = 0; i < N_CALLS; i++)
		if (calls[i].number == call)
			return calls[i].name;
	snprintf(number, sizeof(number), "#%d", call);
	return number;
}

static int call_number(const char *name)
{
	for (size_t i = 0; i < N_CALLS; i++)
		if (strcmp(calls[i].name, name) == 0)
			return calls[i].number;
	errx(2, "%s is not in tests/torture/errnos, or not a call here", name);
}

static int errno_number(const char *name)
{
	if (strcmp(name, "EWOULDBLOCK") == 0)
		name = "EAGAIN";
	if (strcmp(name, "ENOTSUP") == 0)
		name = "EOPNOTSUPP";
	for (int i = 1; i <= LAST_ERRNO; i++)
		if (strerrorname_np(i) != NULL && strcmp(strerrorname_np(i), name) == 0)
			return i;
	errx(2, "%s is not the name of an errno", name);
}

static long number(const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || value < 0)
		errx(2, "%s is not a number", text);
	return value;
}

static const struct option table[] = {{"list", no_argument, NULL, 'l'},
    {"call", required_argument, NULL, 'c'}, {"nth", required_argument, NULL, 'n'},
    {"from", required_argument, NULL, 'f'}, {"errno", required_argument, NULL, 'e'},
    {"kill", no_argument, NULL, 'k'}, {"process", required_argument, NULL, 'p'},
    {"deadline", required_argument, NULL, 'd'}, {"touch", required_argument, NULL, 't'},
    {"report", required_argument, NULL, 'r'}, {"preload", required_argument, NULL, 'P'}, {NULL, 0, NULL, 0}};

static void set(struct options *options, int option)
{
	switch (option) {
	case 'l':
		options->list = true;
		break;
	case 'c':
		options->call = call_number(optarg);
		break;
	case 'n':
	case 'f':
		options->once = option == 'n';
		options->at = (unsigned)number(optarg);
		break;
	case 'e':
		options->error = errno_number(optarg);
		break;
	case 'k':
		options->error = 0;
		break;
	case 'p':
		options->process = (int)number(optarg);
		break;
	case 'd':
		options->deadline = number(optarg);
		break;
	case 't':
		options->touch = optarg;
		break;
	case 'r':
		options->report = optarg;
		break;
	case 'P':
		options->preload = optarg;
		break;
	default:
		exit(2);
	}
}

char **options_parse(struct options *options, int argc, char **argv)
{
	int option;

	*options = (struct options){.call = -1, .deadline = 60};
	while ((option = getopt_long(argc, argv, "+", table, NULL)) != -1)
		set(options, option);
	if (optind == argc || options->list == (options->call != -1 && options->at != 0))
		errx(2, "usage: inject --list | --call NAME --nth N|--from N --errno NAME|--kill [OPTION]... "
			"-- PROGRAM...");
	return argv + optind;
}
