# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced, after lib.sh, by scripts that build parts of a kernel tree to look at
# them: kbuild with $source and $out, configured from fragments.

# As scripts/build does, so that ccache knows an object from there.
export KBUILD_BUILD_TIMESTAMP='1970-01-01' KBUILD_BUILD_USER=user_events \
	KBUILD_BUILD_HOST=overlay KBUILD_BUILD_VERSION=1 LOCALVERSION=
export CCACHE_NOHASHDIR=1

# shellcheck disable=SC2154 # the caller sets them
kbuild()
{
	make -C "$source" O="$out" ARCH="${KARCH:-x86_64}" CC="${CC:-ccache gcc}" HOSTCC="ccache gcc" \
		--no-print-directory "$@"
}

# need_kbuild WHY
need_kbuild()
{
	need_packages "$1" gcc libc6-dev make flex bison bc perl python3 libelf-dev lz4 rsync ccache
}

# kconfig FRAGMENT...: what they do not name is off. Options that the tree does
# not have are left out.
kconfig()
{
	cat "$@" >"$out/wanted.config"
	kbuild allnoconfig KCONFIG_ALLCONFIG="$out/wanted.config" >"$out/config.log" 2>&1 ||
		die "configuring $out: $(tail -n1 "$out/config.log"), see $out/config.log"
}

# TAP on stdout, and what went wrong before a "not ok", see scripts/tap.
number=0

# result STATUS WHAT [LOG]
result()
{
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number - $2"
	else
		[ -z "${3:-}" ] || tail -n 40 "$3" | sed 's/^/  /'
		echo "not ok $number - $2"
	fi
}

# quiet_build LOG TARGET...: fails on a warning, too. Not on what a linker of today
# says of the assembly and the segments of ARCH=um in 6.1.
quiet_build()
{
	local log=$1

	shift
	kbuild -j"$JOBS" "$@" >"$log" 2>&1 &&
		awk '/warning:|WARNING:/ &&
			!/ld: warning: .*(missing \.note\.GNU-stack|has a LOAD segment with RWX)/ { bad = 1 }
		     END { exit bad }' "$log"
}
