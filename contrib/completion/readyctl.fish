# Completion of readyctl for fish. What can be completed is read from readyctl's own help.

# The options in the lines of a help text: name, a tab, what it does.
function __readyctl_options
    string replace -rf -- '^  (?:-., |    )(--[a-z-]+)(?:[ =][^ ]+)?(?:  +(.*))?$' '$1\t$2' $argv
    string replace -rf -- '^  (-.), --[a-z-]+(?:[ =][^ ]+)?(?:  +(.*))?$' '$1\t$2' $argv
end

# What an option takes, as the lines of the help text have it: DURATION, ready|end, ... Nothing: no value.
function __readyctl_value -a option
    string match -rq -- '^--?[a-zA-Z]' $option
    and string replace -rf -- "^  (?:-., |    )$option"'[ =]([^ ]+).*$' '$1' $argv[2..-1]
end

function __readyctl_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l overview (readyctl --help 2>/dev/null)
    set -l commands (string replace -rf '^  ([a-z]+)  +(.*)$' '$1\t$2' $overview)
    set -l command
    for each in $words[2..-1]
        if test "$each" = --
            # What follows is another program's.
            __fish_complete_subcommand --commandline (string split -m1 -- ' -- ' (commandline -pc))[2]
            return
        end
        if test -z "$command"; and string match -q -- "$each"\t'*' $commands
            set command $each
        end
    end
    set -l help (readyctl $command --help 2>/dev/null)
    # It has commands of its own.
    set -l inner
    if test "$command" = fleet
        set commands (string replace -rf -- '^  ([a-z]+)  +(.*)$' '$1\t$2' $help)
        for each in $words[2..-1]
            string match -q -- "$each"\t'*' $commands; and set inner $each
        end
        test -z "$inner"; or set help (readyctl fleet $inner --help 2>/dev/null)
    end
    set -l option $words[-1]
    set -l prefix
    if string match -q -- '--*=*' $word
        set option (string split -m1 = -- $word)[1]
        set prefix $option=
    end
    # The name of a short option is in the same line.
    set -l long (string replace -rf -- "^  $option, (--[a-z-]+).*" '$1' $help)
    test -n "$long"; and set option $long
    set -l value (__readyctl_value $option $help)
    string match -rq -- '[A-Z]' "$value"; or set -l choices (string match -- '*|*' "$value")
    switch "$value"
        case $choices
            printf "$prefix%s\n" (string split '|' -- $value)
        case FILE '*PATH'
            printf "$prefix%s\n" (__fish_complete_path (string replace -- "$prefix" '' $word))
        case DIR
            printf "$prefix%s\n" (__fish_complete_directories (string replace -- "$prefix" '' $word))
        case '?*'
            return
        case '*'
            if string match -q -- '-*' $word
                __readyctl_options $help
            else if test -z "$command$inner"; or test "$command" = help; or test "$command$inner" = fleet
                printf '%s\n' $commands
            else if string match -q -- '*[--] COMMAND*' $help[1]
                __fish_complete_command
            else if test "$command" != fleet; and string match -q -- '*PID*' $help[1]
                readyctl list --print pid 2>/dev/null
            end
    end
end

complete -c readyctl -f -a '(__readyctl_complete)'
