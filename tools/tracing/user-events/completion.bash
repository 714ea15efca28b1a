# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Completion of user-events for bash

# Complete $word with the lines on stdin. Not by compgen -W, which expands them like words
# that were typed: an event's name may have "$(...)" in it.
_user_events_complete()
{
	local name quoted

	while IFS= read -r name; do
		printf -v quoted %q "$name"
		if [[ $name == "$word"* || $quoted == "$word"* ]]; then
			COMPREPLY+=("$quoted")
		fi
	done
}

_user_events()
{
	local word=${COMP_WORDS[COMP_CWORD]} command at=1

	COMPREPLY=()
	while [[ ${COMP_WORDS[at]} == --* ]]; do
		at=$((at + 1))
		# Bash splits --color=always in three words
		if [[ ${COMP_WORDS[at]} == = ]]; then
			at=$((at + 2))
		fi
	done
	command=${COMP_WORDS[at]}
	if [[ $COMP_CWORD -lt $at && ($word == = || ${COMP_WORDS[COMP_CWORD - 1]} == =) ]]; then
		word=${word#=}
		_user_events_complete < <(printf '%s\n' always never)
		return
	fi
	if [ "$COMP_CWORD" -le "$at" ]; then
		_user_events_complete < <(printf '%s\n' --help --json --color=always --color=never \
			help list watch stat emit record group doctor)
		return
	fi
	case $command in
	list | watch | stat | record)
		_user_events_complete < <(user-events list 2>/dev/null | cut -f1 | cut -d: -f2)
		;;
	group)
		if [ "$COMP_CWORD" -eq $((at + 1)) ]; then
			_user_events_complete < <(printf '%s\n' list add limit delegate remove)
		else
			_user_events_complete < <(user-events group list 2>/dev/null | cut -f1)
		fi
		;;
	esac
}
complete -F _user_events user-events
