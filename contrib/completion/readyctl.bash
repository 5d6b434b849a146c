# Completion of readyctl for bash. What can be completed is read from readyctl's own help.
# shellcheck shell=bash

# The options in a help text, one a line.
_readyctl_options() {
	sed -nE 's/^  (-.), --.*/\1/p' <<<"$1"
	sed -nE 's/^  (-., |    )(--[a-z-]+).*/\2/p' <<<"$1"
}

# What the option takes, as the help text has it: DURATION, ready|end, ... Nothing: it is no option, or takes no value.
_readyctl_value() { # HELP OPTION
	sed -nE "/^  (-., |    )$2( |=|\$)|^  $2, --/s/^  (-., |    )--[a-z-]+[ =]([^ ]+).*/\2/p" <<<"$1"
}

_readyctl_commands() { sed -nE '/^$/,/^$/s/^  ([a-z]+)  .*/\1/p' <<<"$1"; }

# A directory is followed by a slash, not by a space, and what is special in names is quoted.
_readyctl_files() { # WORD ARGUMENT...: of compgen
	local word=$1
	shift
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen "$@" -- "$word")
}

_readyctl() {
	local word=$2 before=$3 help commands command="" inner="" program="" value i
	COMPREPLY=()
	help=$(readyctl --help 2>/dev/null) || return
	commands=$(_readyctl_commands "$help")
	for ((i = 1; i < COMP_CWORD; i++)); do
		[[ ${COMP_WORDS[i]} != -- ]] || program=yes
		[[ -n $command ]] || ! grep -qxF -e "${COMP_WORDS[i]}" <<<"$commands" || command=${COMP_WORDS[i]}
	done
	[[ -z $command ]] || help=$(readyctl "$command" --help 2>/dev/null)
	# It has commands of its own.
	if [[ $command == fleet ]]; then
		commands=$(_readyctl_commands "$help")
		for ((i = 1; i < COMP_CWORD; i++)); do
			! grep -qxF -e "${COMP_WORDS[i]}" <<<"$commands" || inner=${COMP_WORDS[i]}
		done
		[[ -z $inner ]] || help=$(readyctl fleet "$inner" --help 2>/dev/null)
	fi
	# "--name=value" is three words to bash.
	[[ $word != = ]] || word=
	[[ $before != = ]] || before=${COMP_WORDS[COMP_CWORD - 2]}
	value=
	[[ $before != -?* || $before == -- ]] || value=$(_readyctl_value "$help" "$before")
	if [[ -n $program ]]; then
		_readyctl_files "$word" -c -f
	elif [[ $value == *'|'* && $value != *[A-Z]* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "${value//|/ }" -- "$word")
	elif [[ $value == FILE || $value == *PATH ]]; then
		_readyctl_files "$word" -f
	elif [[ $value == DIR ]]; then
		_readyctl_files "$word" -d
	elif [[ -n $value ]]; then
		:
	elif [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_readyctl_options "$help")" -- "$word")
	elif [[ -z $command || $command == help || ($command == fleet && -z $inner) ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$word")
	elif [[ ${help%%$'\n'*} == *'[--] COMMAND'* ]]; then
		_readyctl_files "$word" -c -f
	elif [[ $command != fleet && ${help%%$'\n'*} == *PID* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(readyctl list --print pid 2>/dev/null)" -- "$word")
	fi
}
complete -F _readyctl readyctl
