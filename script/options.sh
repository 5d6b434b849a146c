# Sourced by the scripts before they do anything else.
# shellcheck shell=bash

# Prints the comment at the head of the script.
show_help() {
	sed -n '2,/^[^#]/s/^# \{0,1\}//p' "script/${0##*/}"
}

refuse() {
	echo "$0: invalid argument '$1'; see $0 --help" >&2
	exit 2
}

# help_or_refuse ARGUMENT: handle an argument that the script does not know.
help_or_refuse() {
	case $1 in
	-h | --help)
		show_help
		exit 0
		;;
	*) refuse "$1" ;;
	esac
}

# no_options ARGUMENT...: handle the arguments of a script without options.
no_options() {
	[ $# -eq 0 ] || help_or_refuse "$1"
}
