#compdef maildir-imapctl
# Completion of maildir-imapctl for zsh, as _maildir-imapctl in a directory of fpath. The program is asked what may
# come: a word with its description on each line, and last ":" and what to do where there is none: 4 nothing, 16
# directories, else files.
local -a answer offers
local line todo
answer=("${(@f)$(_call_program words "${(q)words[1]}" __complete "${(@q)words[2,CURRENT-1]}" "${(q)PREFIX}" 2>/dev/null)}")
todo=${answer[-1]}
[[ $PREFIX == -*=* ]] && compset -P '*='
for line in "${(@)answer[1,-2]}"; do
	offers+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
done
if (( $#offers )); then
	_describe -o -t words 'maildir-imapctl' offers
elif [[ $todo == :16 ]]; then
	_files -/
elif [[ $todo != :4 ]]; then
	_files
fi
