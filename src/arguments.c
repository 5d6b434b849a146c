#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "src/arguments.h"
#include "src/suggest.h"

/* Where the text of an option begins in a help text. */
#define HELP_COLUMN 26

__attribute__((format(printf, 2, 3))) static int wrong(struct arguments *a, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(a->hint, sizeof(a->hint), format, ap);
	va_end(ap);
	return ARGUMENTS_WRONG;
}

static bool is_called(const struct arguments_option *option, char letter, const char *name, size_t length)
{
	if (name == NULL)
		return option->letter == letter;
	return strlen(option->name) == length && memcmp(option->name, name, length) == 0;
}

/* By its letter, or else by its name. */
static const struct arguments_option *find(
    const struct arguments *a, char letter, const char *name, size_t length)
{
	const struct arguments_option *found = NULL;

	for (const struct arguments_option *o = a->options; o->name != NULL; o++)
		if (is_called(o, letter, name, length) &&
		    (found == NULL || (found->commands & a->commands) == 0))
			found = o;
	return found;
}

static int unknown(struct arguments *a, const char *name)
{
	struct suggestion best = {0};

	for (const struct arguments_option *o = a->options; name != NULL && o->name != NULL; o++)
		if ((o->commands & a->commands) != 0)
			suggestion_consider(&best, name, o->name);
	if (best.name == NULL)
		return wrong(a, "unknown");
	if (best.distance == 0)
		return wrong(a, "not a whole name; did you mean --%s?", best.name);
	return wrong(a, "unknown; did you mean --%s?", best.name);
}

/* Of all options with this name. */
static unsigned all_commands(const struct arguments *a, const char *name)
{
	unsigned commands = 0;

	for (const struct arguments_option *o = a->options; o->name != NULL; o++)
		if (strcmp(o->name, name) == 0)
			commands |= o->commands;
	return commands;
}

/* value: what was given in the same word; NULL: nothing. */
static int take(struct arguments *a, const struct arguments_option *option, const char *value)
{
	a->valid = all_commands(a, option->name);
	a->value = NULL;
	if (option->value == NULL)
		return value == NULL ? option->id : wrong(a, "takes no value");
	a->value = value != NULL ? value : *a->at;
	if (a->value == NULL)
		return wrong(a, "requires a value: %s", option->value);
	a->at += value == NULL;
	return option->id;
}

static int next_letter(struct arguments *a)
{
	char letter = *a->group++;
	const struct arguments_option *option = find(a, letter, NULL, 0);
	const char *rest = *a->group != '\0' ? a->group : NULL;

	snprintf(a->what, sizeof(a->what), "-%c", letter);
	if (option == NULL || option->value != NULL || rest == NULL)
		a->group = NULL;
	if (option == NULL)
		return unknown(a, NULL);
	return take(a, option, option->value != NULL ? rest : NULL);
}

static int next_name(struct arguments *a, const char *word)
{
	const char *name = word + 2, *equals = strchr(name, '=');
	size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
	const struct arguments_option *option = find(a, 0, name, length);

	snprintf(a->what, sizeof(a->what), "%s", word);
	if (length + 2 < sizeof(a->what))
		a->what[length + 2] = '\0';
	if (option == NULL)
		return unknown(a, a->what + 2);
	return take(a, option, equals != NULL ? equals + 1 : NULL);
}

/* "-quiet" is more likely a name than letters. */
static int next_group(struct arguments *a, const char *word)
{
	size_t length = strcspn(word + 1, "=");

	if (length > 1 && find(a, 0, word + 1, length) != NULL) {
		snprintf(a->what, sizeof(a->what), "%.*s", (int)(length + 1), word);
		return wrong(a, "unknown; did you mean -%s?", a->what);
	}
	a->group = word + 1;
	return next_letter(a);
}

int arguments_next(struct arguments *a)
{
	const char *word;

	if (a->group != NULL)
		return next_letter(a);
	word = *a->at;
	if (word == NULL)
		return ARGUMENTS_END;
	a->at++;
	if (strcmp(word, "--") == 0)
		return ARGUMENTS_DASHES;
	if (word[0] == '-' && word[1] == '-')
		return next_name(a, word);
	if (word[0] == '-' && word[1] != '\0')
		return next_group(a, word);
	a->value = word;
	return ARGUMENTS_WORD;
}

/* The value is set off as it is in the manual: words to choose from by an equals sign. */
static int print_name(const struct arguments_option *option)
{
	const char *value = option->value != NULL ? option->value : "";
	const char *gap = value[0] == '\0' ? "" : strchr(value, '|') != NULL ? "=" : " ";
	char letter[8] = "    ";

	if (option->letter != 0)
		snprintf(letter, sizeof(letter), "-%c, ", option->letter);
	return printf("  %s--%s%s%s", letter, option->name, gap, value);
}

void arguments_print(const struct arguments_option *options, unsigned commands)
{
	for (; options->name != NULL; options++) {
		const char *line = options->help;
		int at;

		if ((options->commands & commands) != commands)
			continue;
		at = print_name(options);
		if (at > HELP_COLUMN - 2) {
			putchar('\n');
			at = 0;
		}
		while (line != NULL) {
			const char *end = strchr(line, '\n');

			printf(
			    "%*s%.*s\n", HELP_COLUMN - at, "", end != NULL ? (int)(end - line) : 1000, line);
			line = end != NULL ? end + 1 : NULL;
			at = 0;
		}
	}
}
