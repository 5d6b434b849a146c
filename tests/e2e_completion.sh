#!/usr/bin/env bash
# Completion of readyctl, by the shells themselves; and that the options of its tables are completed, in the help and in
# the manual.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016
. "$(dirname "$0")/lib.sh"

COMPLETION=$SRC/contrib/completion
COMMANDS="help list mark monitor ping run stats status wait"
# A program of its own, which may not be built.
[ ! -x "$BUILD/client/readyctl-fleet" ] || COMMANDS="fleet $COMMANDS"
# shellcheck disable=SC2086
LISTED=$(printf '%s\n' fleet $COMMANDS | sort -u)

# --- what each shell proposes for a line: by_SHELL LINE prints the words, one a line

by_bash() {
	rm -f compopt
	PATH=$T/bin:$PATH bash --norc -c '. "$1"
		compopt() { echo "$*" >compopt; }
		read -ra COMP_WORDS < <(sed "s/=/ = /g" <<<"$2")
		[[ $2 != *" " ]] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$2
		_readyctl readyctl "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
		[ ${#COMPREPLY[@]} -eq 0 ] || printf "%s\n" "${COMPREPLY[@]}"' bash "$COMPLETION/readyctl.bash" "$1"
}

by_fish() {
	HOME=$T PATH=$T/bin:$PATH fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$COMPLETION/readyctl.fish" "$1" |
		sed 's/\t.*//; s/^--[a-z]*=//'
}

# An interactive zsh in a terminal, which writes what it would propose to `hits`.
by_zsh() {
	rm -f hits
	PATH=$T/bin:$PATH ZDOTDIR=$T timeout 60 zsh -f -c '
		zmodload zsh/zpty
		zpty -b z zsh -f -i
		zpty -w z "source $1; setup"
		zpty -w -n z "$2"$'\''\t'\''
		until [[ -e hits.done ]]; do zpty -r z line || sleep 0.01; done' zsh "$T/setup.zsh" "$1" >zsh.log 2>&1 ||
		die "zsh: $(cat zsh.log)"
	rm -f hits.done
	[ ! -e hits ] || cat hits
}
write_zsh_setup() {
	cat >setup.zsh <<-EOF
	cd $T
	fpath=($COMPLETION \$fpath)
	EOF
	cat >>setup.zsh <<-'EOF'
	setup() {
		autoload -Uz compinit
		compinit -u -d "$PWD/dump"
		compadd() {
			if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
				builtin compadd "$@"
				return
			fi
			local -a shown
			builtin compadd -A shown "$@"
			print -rl -- $shown >>hits
			builtin compadd "$@"
		}
		propose() { zle complete-word; : >hits.done }
		zle -N propose
		bindkey '^I' propose
		zstyle ':completion:*' format ''
		setopt no_list_beep
		PROMPT=
	}
	EOF
}

# proposes LINE WORD...: exactly these, in any order.
proposes() {
	local line=$1
	shift
	expect "$SHELL_USED: '$line'" "$("by_$SHELL_USED" "$line" | sed 's|^files/||; s|/$||; /^$/d' | sort -u | paste -sd ' ')" \
		"$(printf '%s\n' "$@" | sed '/^$/d' | sort -u | paste -sd ' ')"
}

# options_of [COMMAND]: as the help has them.
options_of() {
	"$READYCTL" "$@" --help | grep -oE '^  (-., +|    )--[a-z-]+' | tr -d ' ' | tr ',' '\n'
}

# completes SHELL: the same lines for each shell.
completes() {
	local command
	SHELL_USED=$1
	need "$1"
	export LC_ALL=C
	mkdir -p bin
	ln -sf "$READYCTL" bin/readyctl
	start_readyd
	spawn_worker
	mark "$PID"
	until_true 60 lists "$PID"
	# shellcheck disable=SC2086
	proposes "readyctl " $LISTED
	proposes "readyctl wa" wait
	proposes "readyctl help s" status stats
	for command in $COMMANDS; do
		mapfile -t want < <(options_of "$command" | grep -e '^--')
		proposes "readyctl $command --" "${want[@]}"
	done
	mapfile -t want < <(options_of wait)
	proposes "readyctl wait -" "${want[@]}"
	mapfile -t want < <(options_of | grep -e '^--')
	proposes "readyctl --" "${want[@]}"
	proposes "readyctl wait --for " ready end
	proposes "readyctl wait --for=" ready end
	proposes "readyctl -q wait --print=p" pid
	if [ -x "$BUILD/client/readyctl-fleet" ]; then
		proposes "readyctl fleet " list monitor wait
		proposes "readyctl fleet m" monitor
		proposes "readyctl fleet wait "
		mapfile -t want < <(options_of fleet wait | grep -e '^--')
		proposes "readyctl fleet wait --" "${want[@]}"
	fi
	proposes "readyctl wait --timeout "
	proposes "readyctl list "
	proposes "readyctl wait " "$PID"
	proposes "readyctl -t 5 status -q " "$PID"
	mkdir -p files/dir
	: >files/file
	printf '#!/bin/sh\n' >bin/only-one-program
	chmod +x bin/only-one-program
	proposes "readyctl wait --pidfile files/f" file
	proposes "readyctl wait --pidfile=files/f" file
	proposes "readyctl wait -d files/" dir
	proposes "readyctl run --listen=files/f" file
	proposes "readyctl run only-one" only-one-program
	proposes "readyctl wait 1 -- only-one" only-one-program
}
lists() { [ "$(ctl list --print pid)" = "$1" ]; }

test_bash() { completes bash; }
# Else bash writes a space after a directory, and leaves spaces in names as they are.
test_bash_is_told_what_are_files() {
	need bash
	mkdir -p bin files/dir
	ln -sf "$READYCTL" bin/readyctl
	for line in "wait -d files/" "wait --pidfile files/" "run --listen=files/" "run ./fi" "wait 1 -- ./fi"; do
		[ -n "$(by_bash "readyctl $line")" ] || die "$line: nothing is proposed"
		expect "compopt for '$line'" "$(cat compopt)" "-o filenames"
	done
	by_bash "readyctl wait --for=" >words
	[ ! -e compopt ] || die "words are taken for files"
}
test_fish() { completes fish; }
test_zsh() {
	write_zsh_setup
	completes zsh
}

# --- the tables, the help and the manuals

# rows FILE: the name of each option in the table of the file.
rows() { sed -nE "s/^    \{[A-Z_']*[a-zA-Z]*'?, ('.'|0), \"([a-z-]+)\".*/\2/p" "$1"; }

# known FILE MANUALS HELP...: each option of the table is in one of the manuals and in the help of some command.
known() {
	local file=$1 option manuals
	read -ra manuals <<<"$2"
	shift 2
	[ "$(rows "$file" | wc -l)" -gt 10 ] || die "the table of $file is not read"
	expect "rows of $file" "$(rows "$file" | wc -l)" "$(grep -cE "^    \{.*, ('.'|0), \"" "$file")"
	for option in $(rows "$file"); do
		grep -qE -- "^  (-., |    )--$option([ =]|\$)" "$@" || die "--$option is not in the help"
		grep -qE -- "^\.It .*Fl -$option( |\$)" "${manuals[@]}" || die "--$option is not described in ${manuals[*]}"
	done
}

test_every_option_is_in_the_help_and_the_manual() {
	local command
	for command in $COMMANDS; do "$READYCTL" help "$command" >"help.$command"; done
	known "$SRC/client/ctl/options.c" "$SRC/man/readyctl.1 $SRC/man/readyctl-run.1 $SRC/man/readyctl-monitor.1" help.*
	"$READYD" --help >readyd.help
	known "$SRC/daemon/options.c" "$SRC/man/readyd.8" readyd.help
	expect "commands" "$("$READYCTL" --help | sed -nE '/^$/,/^$/s/^  ([a-z]+)  .*/\1/p' | sort | paste -sd ' ')" "$(paste -sd ' ' <<<"$LISTED")"
	for command in $LISTED; do
		grep -qE "^\.It Cm .*\<$command\>" "$SRC/man/readyctl.1" || die "readyctl.1 does not describe $command"
	done
}

run_tests "$@"
