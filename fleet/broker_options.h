/* The options that name the broker, for both programs. */
#ifndef FLEET_BROKER_OPTIONS_H
#define FLEET_BROKER_OPTIONS_H

#include "fleet/broker.h"
#include "src/arguments.h"

enum {
	BROKER_OPTION = 1024,
	BROKER_OPTION_USER,
	BROKER_OPTION_PASSWORD_FILE,
	BROKER_OPTION_CAFILE,
	BROKER_OPTION_CERT,
	BROKER_OPTION_KEY,
	BROKER_OPTION_TLS
};

/* Rows of a table of options. */
#define BROKER_OPTIONS(commands)                                                                             \
	{BROKER_OPTION, 'b', "broker", "HOST[:PORT]",                                                        \
	    "the MQTT broker (localhost; port 1883, with TLS 8883); again for\nthe others of a cluster, to " \
	    "be tried in turn",                                                                              \
	    commands},                                                                                       \
	    {BROKER_OPTION_USER, 'u', "user", "NAME", "the user that the broker knows", commands},           \
	    {BROKER_OPTION_PASSWORD_FILE, 0, "password-file", "FILE",                                        \
		"the first line is the password of --user", commands},                                       \
	    {BROKER_OPTION_TLS, 0, "tls", NULL, "use TLS, with the certificates that the system trusts",     \
		commands},                                                                                   \
	    {BROKER_OPTION_CAFILE, 0, "cafile", "FILE",                                                      \
		"use TLS; the broker's certificate must be of this CA", commands},                           \
	    {BROKER_OPTION_CERT, 0, "cert", "FILE",                                                          \
		"the certificate to show the broker; requires --key, --cafile", commands},                   \
	{                                                                                                    \
		BROKER_OPTION_KEY, 0, "key", "FILE", "the private key of --cert", commands                   \
	}

/* Applies the option. 0, or -1 after reporting a wrong value. */
int broker_options_set(struct broker_options *options, int option, const char *value);
/* After all options: what depends on several, and the password. The same. */
int broker_options_finish(struct broker_options *options);

#endif
