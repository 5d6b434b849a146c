#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fleet/broker_options.h"
#include "fleet/say.h"
#include "src/number.h"

#define PORT	 1883
#define PORT_TLS 8883

static char password[1024];

/* HOST, HOST:PORT, [ADDRESS], [ADDRESS]:PORT; or an address of IPv6 alone. */
static int add_broker(struct broker_options *options, const char *value)
{
	struct broker_address *address = &options->addresses[options->address_count];
	const char *from = value, *end, *port;
	uint64_t number = 0;
	size_t length;

	if (options->address_count == BROKER_ADDRESSES)
		return say_usage("--broker", value, "there are 8 brokers already");
	if (value[0] == '[') {
		from = value + 1;
		end = strchr(from, ']');
		port = end != NULL && end[1] == ':' ? end + 2 : NULL;
		if (end == NULL || (end[1] != '\0' && port == NULL))
			return say_usage("--broker", value, "use HOST[:PORT], or [ADDRESS]:PORT for IPv6");
	} else {
		end = strchr(value, ':');
		if (end != NULL && strchr(end + 1, ':') != NULL)
			end = NULL;
		port = end != NULL ? end + 1 : NULL;
	}
	length = end != NULL ? (size_t)(end - from) : strlen(from);
	if (length == 0 || length >= sizeof(address->host))
		return say_usage("--broker", value, "the host is empty or too long; use HOST[:PORT]");
	if (port != NULL && (number_parse(port, strlen(port), 65535, &number) != 0 || number == 0))
		return say_usage("--broker", value, "the port is not a number from 1 to 65535");
	memcpy(address->host, from, length);
	address->host[length] = '\0';
	address->port = (uint16_t)number;
	options->address_count++;
	return 0;
}

/* libmosquitto reports a file that cannot be read only as invalid. */
static int set_file(const char *what, const char *value, const char **file)
{
	if (access(value, R_OK) != 0)
		return say_usage(what, value, strerror(errno));
	*file = value;
	return 0;
}

static int read_password(const char *path)
{
	FILE *file = fopen(path, "re");
	const char *got;

	if (file == NULL)
		return say_usage("--password-file", path, strerror(errno));
	got = fgets(password, sizeof(password), file);
	fclose(file);
	if (got == NULL || password[0] == '\n')
		return say_usage("--password-file", path, "its first line is empty");
	if (strlen(password) == sizeof(password) - 1)
		return say_usage(
		    "--password-file", path, "its first line is too long; use at most 1022 bytes");
	password[strcspn(password, "\r\n")] = '\0';
	return 0;
}

int broker_options_set(struct broker_options *options, int option, const char *value)
{
	switch (option) {
	case BROKER_OPTION:
		return add_broker(options, value);
	case BROKER_OPTION_USER:
		options->user = value;
		return value[0] != '\0' ? 0 : say_usage("--user", value, "the name is empty");
	case BROKER_OPTION_PASSWORD_FILE:
		options->password = password;
		return read_password(value);
	case BROKER_OPTION_CAFILE:
		return set_file("--cafile", value, &options->cafile);
	case BROKER_OPTION_CERT:
		return set_file("--cert", value, &options->cert);
	case BROKER_OPTION_KEY:
		return set_file("--key", value, &options->key);
	case BROKER_OPTION_TLS:
		options->tls = true;
		return 0;
	default:
		return -1;
	}
}

int broker_options_finish(struct broker_options *options)
{
	if (options->password != NULL && options->user == NULL)
		return say_usage("--password-file", "", "give --user, too");
	if ((options->cert != NULL) != (options->key != NULL))
		return say_usage(
		    options->cert != NULL ? "--cert" : "--key", "", "give both --cert and --key");
	if (options->cert != NULL && options->cafile == NULL)
		return say_usage("--cert", "", "give --cafile, too");
	options->tls |= options->cafile != NULL;
	if (options->address_count == 0)
		(void)add_broker(options, "localhost");
	for (size_t i = 0; i < options->address_count; i++)
		if (options->addresses[i].port == 0)
			options->addresses[i].port = options->tls ? PORT_TLS : PORT;
	return 0;
}
