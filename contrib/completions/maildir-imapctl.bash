# Completion of maildir-imapctl for bash. The program is asked what may come: a word with its description on each line,
# and last ":" and what to do where there is none: 4 nothing, 16 directories, else files.
_maildir_imapctl() {
	local words word=${COMP_WORDS[COMP_CWORD]} cur value answer line
	# As typed: bash breaks words at = : @ as well, and replaces no more than what is behind the last of these.
	read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
	[[ ${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]] && words+=('')
	cur=${words[-1]}
	[[ $word == [=:@] ]] && word=
	value=$cur
	[[ $cur == -*=* ]] && value=${cur#*=}
	COMPREPLY=()
	mapfile -t answer < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
	[ ${#answer[@]} -gt 0 ] || return
	for line in "${answer[@]:0:${#answer[@]}-1}"; do
		line=${line%%$'\t'*}
		[[ $line == "$value"* ]] && COMPREPLY+=("$(printf %q "${line#"${value%"$word"}"}")")
	done
	if [ ${#COMPREPLY[@]} -eq 0 ]; then
		case ${answer[-1]} in
		:4) ;;
		:16) compopt -o dirnames ;;
		*) compopt -o default ;;
		esac
	fi
}
complete -F _maildir_imapctl maildir-imapctl
