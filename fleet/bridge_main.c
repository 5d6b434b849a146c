#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet/bridge.h"
#include "fleet/broker_options.h"
#include "fleet/node_name.h"
#include "fleet/say.h"
#include "src/arguments.h"
#include "src/duration.h"
#include "src/program.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };
enum { OPT_NODE = 'n', OPT_KEEP = 256 };

#define BRIDGE	1u
#define KEEP_MS 60000
#define HINT	"takes options only"

static const struct arguments_option table[] = {
    BROKER_OPTIONS(BRIDGE),
    {OPT_NODE, 'n', "node", "NAME", "the name of this node (the machine id, else the host name)", BRIDGE},
    {OPT_KEEP, 0, "keep", "DURATION", "clear what is known of a process so long after its end (60s)", BRIDGE},
    {'s', 's', "socket", "PATH", "readyd's socket (READYD_SOCKET, else " READYD_DEFAULT_SOCKET ")", BRIDGE},
    {'h', 'h', "help", NULL, "print this help and exit", BRIDGE},
    {'V', 'V', "version", NULL, "print the version and exit", BRIDGE},
    {0, 0, NULL, NULL, NULL, 0},
};

enum parsed { PARSED_RUN, PARSED_DONE, PARSED_BAD };

static enum parsed print_help(void)
{
	puts("Usage: readyd-mqtt [OPTION]...\n"
	     "Tells an MQTT broker which processes of this machine are ready, so that other machines can "
	     "wait for\n"
	     "them by 'readyctl fleet'. Stays in the foreground until SIGTERM or SIGINT.\n");
	arguments_print(table, BRIDGE);
	puts("\nNOTIFY_SOCKET is honoured. See readyd-mqtt(8).");
	return PARSED_DONE;
}

static enum parsed print_version(void)
{
	printf("readyd-mqtt %s\n", PACKAGE_VERSION);
	return PARSED_DONE;
}

static int set_node(struct bridge_options *options, const char *value)
{
	if (!topic_is_node(value, strlen(value)))
		return say_usage("--node", value, "use 1 to 64 of A-Z a-z 0-9 . _ -");
	memcpy(options->node, value, strlen(value) + 1);
	return 0;
}

static int set_keep(struct bridge_options *options, const char *value)
{
	if (duration_parse(value, &options->keep_ms) != 0)
		return say_usage("--keep", value, errno == ERANGE ? DURATION_RANGE_HINT : DURATION_HINT);
	return 0;
}

static enum parsed set(struct bridge_options *options, int option, const char *value)
{
	int result;

	switch (option) {
	case 'h':
		return print_help();
	case 'V':
		return print_version();
	case OPT_NODE:
		result = set_node(options, value);
		break;
	case OPT_KEEP:
		result = set_keep(options, value);
		break;
	case 's':
		options->daemon.socket = value;
		result = value[0] != '\0' ? 0 : say_usage("--socket", value, "the path is empty");
		break;
	default:
		result = broker_options_set(&options->broker, option, value);
	}
	return result == 0 ? PARSED_RUN : PARSED_BAD;
}

static enum parsed take(struct bridge_options *options, struct arguments *arguments, int got)
{
	if (got == ARGUMENTS_WRONG)
		say_usage("option", arguments->what, arguments->hint);
	else if (got == ARGUMENTS_WORD || (got == ARGUMENTS_DASHES && *arguments->at != NULL))
		say_usage("argument", got == ARGUMENTS_WORD ? arguments->value : *arguments->at, HINT);
	else
		return got == ARGUMENTS_DASHES ? PARSED_RUN : set(options, got, arguments->value);
	return PARSED_BAD;
}

static enum parsed parse(char **words, struct bridge_options *options)
{
	struct arguments arguments = {.at = words, .options = table, .commands = BRIDGE};
	enum parsed parsed = PARSED_RUN;
	int got;

	while (parsed == PARSED_RUN && (got = arguments_next(&arguments)) != ARGUMENTS_END)
		parsed = take(options, &arguments, got);
	if (parsed != PARSED_RUN)
		return parsed;
	if (broker_options_finish(&options->broker) != 0)
		return PARSED_BAD;
	if (options->node[0] == '\0' && node_name_find(options->node, "/etc/machine-id") != 0) {
		say_usage("no name for this node", "", "give --node");
		return PARSED_BAD;
	}
	return PARSED_RUN;
}

int main(int argc, char **argv)
{
	struct bridge_options options = {.daemon = READYD_OPTIONS_INIT, .keep_ms = KEEP_MS};

	program_fill_standard_descriptors();
	say_init("readyd-mqtt", "readyd-mqtt");
	switch (parse(argv + (argc > 0), &options)) {
	case PARSED_DONE:
		if (fflush(stdout) == 0)
			return EXIT_OK;
		say("cannot write to standard output: %s", strerror(errno));
		return EXIT_FAILED;
	case PARSED_BAD:
		return EXIT_USAGE;
	case PARSED_RUN:
		break;
	}
	return bridge_run(&options);
}
