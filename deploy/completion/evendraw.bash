# Completion of evendraw for bash: commands, options and values as the tool's own table has them, names
# of datasets, jobs and strategies as the daemon has them. Installed where bash-completion finds it; to
# try it: source deploy/completion/evendraw.bash

# `evendraw --completion` prints a line for each option and argument of each command: COMMAND, a tab,
# --OPTION, --OPTION= (it takes a value) or the place of an argument, a tab, what may stand there.

# Commands, one a line: "load", "job create", ...
_evendraw_commands() { # TABLE
    cut -f1 <<<"$1" | uniq
}

# "--json", and with a "=" behind it if it takes a value.
_evendraw_options() { # TABLE COMMAND
    local command what words
    while IFS=$'\t' read -r command what words; do
        [[ $command == "$2" && $what == -* ]] && printf '%s\n' "$what"
    done <<<"$1"
}

# What may stand as the value of "--option=" or at place N: words, or one of @datasets, @files, ...
_evendraw_words() { # TABLE COMMAND --OPTION=|N
    local command what words
    while IFS=$'\t' read -r command what words; do
        [[ $command == "$2" && $what == "$3" ]] && printf '%s\n' "$words"
    done <<<"$1"
}

# Asks the daemon, which must be quick: nobody waits for a completion. Every value of a key, one a
# line. Names that JSON has to escape are left out.
_evendraw_ask() { # TOOL KEY COMMAND...
    local tool=$1 key=$2
    shift 2
    timeout 1 "$tool" "$@" ${_evendraw_server:+--server "$_evendraw_server"} --json 2>/dev/null |
        sed -n 's/^ *"'"$key"'": "\([^"\\]*\)",\?$/\1/p' | sort -u
}

# What _evendraw_words said, one a line.
_evendraw_values() { # TOOL WORDS
    case $2 in
    @datasets) _evendraw_ask "$1" dataset datasets ;;
    @jobs) _evendraw_ask "$1" job job ls ;;
    @strategies) _evendraw_ask "$1" kind strategies ;;
    @parameters) [ -n "$_evendraw_strategy" ] &&
        _evendraw_ask "$1" name strategies "$_evendraw_strategy" | sed 's/$/=/' ;;
    [!@]*) tr ' ' '\n' <<<"$2" ;;
    esac
}

# Offers the lines of standard input that begin with the word.
_evendraw_offer() {
    local line
    while IFS= read -r line; do
        [[ $line == "$1"* ]] && COMPREPLY+=("$(printf %q "$line")")
    done
}

# _evendraw_complete TOOL WORDS WORD: what begins with the word.
_evendraw_complete() {
    case $2 in
    @files)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$3")
        return
        ;;
    @parameters) compopt -o nospace 2>/dev/null ;;
    esac
    _evendraw_offer "$3" < <(_evendraw_values "$1" "$2")
}

_evendraw() {
    local tool=$1 word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local table command= options= place=1 i skip=0 last= _evendraw_server= _evendraw_strategy=

    COMPREPLY=()
    # bash cuts --option=value into three words.
    if [[ $word == "=" ]]; then
        word=
    elif [[ $before == "=" ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi

    table=$("$tool" --completion 2>/dev/null)

    # The command: one word or two.
    if ((COMP_CWORD == 1)); then
        _evendraw_offer "$word" < <(_evendraw_commands "$table" | cut -d' ' -f1 | sort -u
            printf '%s\n' --help --version)
        return
    fi
    command=${COMP_WORDS[1]}
    i=2
    if [ -n "$(_evendraw_commands "$table" | sed -n "s/^$command //p")" ]; then
        if ((COMP_CWORD == 2)); then
            _evendraw_offer "$word" < <(_evendraw_commands "$table" | sed -n "s/^$command //p")
            return
        fi
        command+=" ${COMP_WORDS[2]}"
        i=3
    fi

    # What stands between the command and this word.
    options=$(_evendraw_options "$table" "$command")
    for (( ; i < COMP_CWORD; i++)); do
        local at=${COMP_WORDS[i]}
        if ((skip)); then
            [[ $at == "=" ]] && continue
            skip=0
            case $last in
            --server) _evendraw_server=$at ;;
            --strategy) _evendraw_strategy=$at ;;
            esac
        elif [[ $at == --* ]]; then
            last=$at
            [[ $'\n'$options$'\n' == *$'\n'"$at="$'\n'* ]] && skip=1
        elif [[ $at != -* && $at != "=" ]]; then
            place=$((place + 1))
        fi
    done

    if ((skip)); then
        _evendraw_complete "$tool" "$(_evendraw_words "$table" "$command" "$before=")" "$word"
    elif [[ $word == -* ]]; then
        _evendraw_offer "$word" <<<"${options//=/}"
    else
        _evendraw_complete "$tool" "$(_evendraw_words "$table" "$command" "$place")" "$word"
    fi
}

complete -F _evendraw evendraw
