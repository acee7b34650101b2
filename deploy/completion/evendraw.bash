# Completion of evendraw for bash: commands and options as the tool's own --help lists them, names of
# datasets, jobs and strategies as the daemon has them. Installed where bash-completion finds it; to
# try it: source deploy/completion/evendraw.bash

# Commands, one a line: "load", "job create", ...
_evendraw_commands() {
    "$1" --help 2>/dev/null | sed -n 's/^  \([a-z]*\( [a-z]*\)\?\)  .*/\1/p'
}

# _evendraw_options TOOL COMMAND...: "--json", and with a "=" behind it if it takes a value.
_evendraw_options() {
    "$@" --help 2>/dev/null |
        sed -n 's/^ \{2,6\}\(-., \)\?\(--[a-z-]*\)\(\[\?=\?\).*/\2\3/p' | sed 's/\[=$//'
}

# Asks the daemon, which must be quick: nobody waits for a completion. Every value of a key, one a
# line. Names that JSON has to escape are left out.
_evendraw_ask() { # TOOL KEY COMMAND...
    local tool=$1 key=$2
    shift 2
    timeout 1 "$tool" "$@" ${_evendraw_server:+--server "$_evendraw_server"} --json 2>/dev/null |
        sed -n 's/^ *"'"$key"'": "\([^"\\]*\)",\?$/\1/p' | sort -u
}

_evendraw_names() { # TOOL datasets|jobs|strategies
    case $2 in
    datasets) _evendraw_ask "$1" dataset datasets ;;
    jobs) _evendraw_ask "$1" job job ls ;;
    strategies) _evendraw_ask "$1" kind strategies ;;
    esac
}

# _evendraw_values TOOL COMMAND OPTION: what may follow an option.
_evendraw_values() {
    case $3 in
    --dataset) _evendraw_names "$1" datasets ;;
    --job) _evendraw_names "$1" jobs ;;
    --strategy) _evendraw_names "$1" strategies ;;
    --set) [ -n "$_evendraw_strategy" ] &&
        _evendraw_ask "$1" name strategies "$_evendraw_strategy" | sed 's/$/=/' ;;
    --kind) printf '%s\n' balanced inverse sqrt-inverse effective pos-weight log-prior ;;
    --when) printf '%s\n' now epoch at ;;
    --last-batch) printf '%s\n' short drop pad exact ;;
    --guarantee) printf '%s\n' at-least-once at-most-once ;;
    --mode) printf '%s\n' replay follow ;;
    --columns) printf '%s\n' label probability repeat augment_seed ;;
    --format) case $2 in
        pull | replay) printf '%s\n' json raw ;;
        load) printf '%s\n' idx npy csv tsv lines folders ;;
        esac ;;
    esac
}

# _evendraw_arguments TOOL COMMAND N: what may stand at the N-th place behind the command.
_evendraw_arguments() {
    case "$2 $3" in
    "load 1" | "stats 1" | "weights 1" | "preview 1" | "dataset rm 1") _evendraw_names "$1" datasets ;;
    "pull 1" | "job set 1" | "job info 1" | "job stats 1" | "job rm 1" | "confusion 1" | \
        "job position 1" | "job seek 1" | "job history 1" | "workers 1" | "trace 1" | "replay 1")
        _evendraw_names "$1" jobs ;;
    "strategies 1") _evendraw_names "$1" strategies ;;
    esac
}

# Offers the lines of standard input that begin with the word.
_evendraw_offer() {
    local line
    while IFS= read -r line; do
        [[ $line == "$1"* ]] && COMPREPLY+=("$(printf %q "$line")")
    done
}

_evendraw_files() {
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

_evendraw() {
    local tool=$1 word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local command= options= place=0 i skip=0 _evendraw_server= _evendraw_strategy=

    COMPREPLY=()
    # bash cuts --option=value into three words.
    if [[ $word == "=" ]]; then
        word=
    elif [[ $before == "=" ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi

    # The command: one word or two.
    if ((COMP_CWORD == 1)); then
        _evendraw_offer "$word" < <(_evendraw_commands "$tool" | cut -d' ' -f1 | sort -u
            printf '%s\n' --help --version)
        return
    fi
    command=${COMP_WORDS[1]}
    i=2
    if [ -n "$(_evendraw_commands "$tool" | sed -n "s/^$command //p")" ]; then
        if ((COMP_CWORD == 2)); then
            _evendraw_offer "$word" < <(_evendraw_commands "$tool" | sed -n "s/^$command //p")
            return
        fi
        command+=" ${COMP_WORDS[2]}"
        i=3
    fi

    # What stands between the command and this word.
    options=$(_evendraw_options "$tool" $command)
    for (( ; i < COMP_CWORD; i++)); do
        local at=${COMP_WORDS[i]}
        if ((skip)); then
            [[ $at == "=" ]] && continue
            skip=0
            case ${last-} in
            --server) _evendraw_server=$at ;;
            --strategy) _evendraw_strategy=$at ;;
            esac
        elif [[ $at == --* ]]; then
            local last=$at
            [[ $'\n'$options$'\n' == *$'\n'"$at="$'\n'* ]] && skip=1
        elif [[ $at != -* && $at != "=" ]]; then
            place=$((place + 1))
        fi
    done

    if ((skip)); then
        _evendraw_offer "$word" < <(_evendraw_values "$tool" "$command" "$before")
        [[ $before == --set ]] && compopt -o nospace 2>/dev/null
        case $before in
        --weights | --class-names | --csv | --svg) _evendraw_files "$word" ;;
        esac
    elif [[ $word == -* ]]; then
        _evendraw_offer "$word" <<<"${options//=/}"
    else
        _evendraw_offer "$word" < <(_evendraw_arguments "$tool" "$command" $((place + 1)))
        case "$command $place" in
        "load 1" | "backup 0") _evendraw_files "$word" ;;
        esac
    fi
}

complete -F _evendraw evendraw
