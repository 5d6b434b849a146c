#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/options.h"

#define MAX_SNAPSHOTS	  100000
#define MAX_MS		  3600000
#define ERROR_SIZE	  256
#define WRONG(error, ...) (snprintf((error), ERROR_SIZE, __VA_ARGS__), OPTIONS_WRONG)

/* A number from 1 to max without a sign; 0 if text is not that. */
static unsigned parse_number(const char *text, unsigned max)
{
	unsigned long value;

	if (*text == '\0' || text[strspn(text, "0123456789")] != '\0')
		return 0;
	value = strtoul(text, NULL, 10);
	return value > max ? 0 : (unsigned)value;
}

static enum options_result take_number(
    unsigned *number, const char *name, const char *text, unsigned max, char *error)
{
	*number = parse_number(text, max);
	return *number > 0 ? OPTIONS_RUN
			   : WRONG(error, "%s is '%.64s'; give a number from 1 to %u", name, text, max);
}

static enum options_result take_value(
    struct options *options, const char *name, const char *value, char *error)
{
	enum options_result result;
	unsigned pid = 0;

	if (strcmp(name, "--snapshots") == 0)
		return take_number(&options->snapshots, name, value, MAX_SNAPSHOTS, error);
	if (strcmp(name, "--interval-ms") == 0)
		return take_number(&options->interval_ms, name, value, MAX_MS, error);
	if (strcmp(name, "--abort-after-ms") == 0)
		return take_number(&options->abort_after_ms, name, value, MAX_MS, error);
	if (strcmp(name, "--sidecar") == 0) {
		options->sidecar = value;
		return OPTIONS_RUN;
	}
	result = take_number(&pid, name, value, INT_MAX, error);
	options->pid = (pid_t)pid;
	return result;
}

static bool has_value(const char *name)
{
	static const char *const names[] = {
	    "--pid", "--snapshots", "--interval-ms", "--abort-after-ms", "--sidecar"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* The option at *argv, as "--name value" or "--name=value"; *argv is then its last word. */
static enum options_result take_option(struct options *options, char ***argv, char *error)
{
	const char *word = **argv, *equals = strchr(word, '=');
	char name[32];

	snprintf(name, sizeof(name), "%.*s", equals == NULL ? INT_MAX : (int)(equals - word), word);
	if (has_value(name)) {
		if (equals == NULL && *++*argv == NULL)
			return WRONG(error, "%s requires a value", name);
		return take_value(options, name, equals == NULL ? **argv : equals + 1, error);
	}
	if (strcmp(word, "--json") == 0) {
		options->json = true;
		return OPTIONS_RUN;
	}
	if (strcmp(word, "--help") == 0)
		return OPTIONS_HELP;
	if (strcmp(word, "--version") == 0)
		return OPTIONS_VERSION;
	return WRONG(error, "unexpected argument '%.64s'", word);
}

static enum options_result check(const struct options *options, char *error)
{
	if (options->pid == 0)
		return WRONG(error, "--pid is missing");
	if (options->snapshots > 1 && options->interval_ms == 0)
		return WRONG(error, "--snapshots %u requires --interval-ms", options->snapshots);
	if (options->snapshots == 1 && options->interval_ms != 0)
		return WRONG(error, "--interval-ms requires --snapshots of more than 1");
	return OPTIONS_RUN;
}

enum options_result options_parse(struct options *options, char **argv, char error[ERROR_SIZE])
{
	enum options_result result;

	*options = (struct options){.snapshots = 1};
	for (; *argv != NULL; argv++) {
		result = take_option(options, &argv, error);
		if (result != OPTIONS_RUN)
			return result;
	}
	return check(options, error);
}
