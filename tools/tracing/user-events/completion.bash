# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Completion of user-events for bash

_user_events()
{
	local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} at=1

	while [[ ${COMP_WORDS[at]} == --* ]]; do
		at=$((at + 1))
		command=${COMP_WORDS[at]}
	done
	if [ "$COMP_CWORD" -le "$at" ]; then
		mapfile -t COMPREPLY < <(compgen -W "--json --color=always --color=never list watch stat emit record group doctor" -- "$word")
		return
	fi
	case $command in
	list | watch | stat | record)
		mapfile -t COMPREPLY < <(compgen -W "$(user-events list 2>/dev/null | cut -f1 | cut -d: -f2)" -- "$word")
		;;
	group)
		if [ "$COMP_CWORD" -eq $((at + 1)) ]; then
			mapfile -t COMPREPLY < <(compgen -W "list add limit delegate remove" -- "$word")
		else
			mapfile -t COMPREPLY < <(compgen -W "$(user-events group list 2>/dev/null | cut -f1)" -- "$word")
		fi
		;;
	esac
}
complete -F _user_events user-events
