# Completion of maildir-imapctl for fish. The program is asked what may come: a word with its description on each
# line, and last ":" and what to do where there is none: 4 nothing, 16 directories, else files.
function __maildir_imapctl
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    test -n "$current"; or set current ''
    set -l answer ($words[1] __complete $words[2..-1] $current 2>/dev/null)
    test (count $answer) -gt 0; or return
    set -l todo $answer[-1]
    set -e answer[-1]
    # fish completes the whole word, with the flag before the =.
    set -l flag (string match -r -- '^-[^=]*=' $current); or set flag ''
    if test (count $answer) -gt 0
        printf '%s\n' $flag$answer
    else if test "$todo" = :16
        __fish_complete_directories $current
    else if test "$todo" != :4
        __fish_complete_path $current
    end
end
complete -c maildir-imapctl -f -a '(__maildir_imapctl)'
