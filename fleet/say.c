#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fleet/say.h"
#include "src/escape.h"

static const char *program = "readyd", *help_of = "readyd";

void say_init(const char *name, const char *help)
{
	program = name;
	help_of = help;
}

void say(const char *format, ...)
{
	char text[1024], line[4 * sizeof(text)];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	fprintf(stderr, "%s: %s\n", program, escape_text(line, sizeof(line), text));
}

int say_usage(const char *what, const char *value, const char *hint)
{
	const char *quote = value[0] != '\0' ? "'" : "";

	say("%s%s%s%s%s: %s%s '%s --help'", what, quote[0] != '\0' ? " " : "", quote, value, quote, hint,
	    hint[strlen(hint) - 1] == '?' ? " Try" : "; try", help_of);
	return -1;
}
