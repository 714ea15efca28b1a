# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by the scripts here: settings, which it checks, messages, locks, packages.

set -euo pipefail
export LC_ALL=C

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
BASES=$(cd "$TOP/base" && printf '%s ' */)
BASES=${BASES//\//}
: "${BASE:=${BASES%% *}}" "${FLAVOUR:=plain}" "${ARCH:=x86_64}" "${BUILD:=$TOP/build}" "${JOBS:=$(nproc)}"
FLAVOURS="plain debug"
. "$TOP/scripts/arch"

# Hide the variables on the command line of the caller's make from kbuild, which
# would take them for settings of its own.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL GNUMAKEFLAGS

die()
{
	printf 'error: %s\n' "$*" >&2
	exit 1
}

say()
{
	printf '%s\n' "$*" >&2
}

# one_of NAME VALUE CHOICE...
one_of()
{
	local name=$1 value=$2 choice

	shift 2
	for choice; do
		[ "$value" = "$choice" ] && return
	done
	die "$name=$value is unknown: use one of $*"
}

check_settings()
{
	one_of BASE "$BASE" $BASES
	one_of FLAVOUR "$FLAVOUR" $FLAVOURS kcsan gcov kcov preempt rt
	one_of ARCH "$ARCH" $ARCHS
	arch_settings
	KERNEL=$BASE-$FLAVOUR
	[ "$ARCH" = x86_64 ] || KERNEL+=-$ARCH
	case $TOP$BUILD in
	*[[:space:]:]*)
		die "a kernel does not build in a path with a blank or a colon: move $TOP (or set BUILD=)" ;;
	esac
	mkdir -p "$BUILD" 2>/dev/null ||
		die "cannot write to $BUILD: set BUILD=DIR to a folder of yours"
	BUILD=$(cd "$BUILD" && pwd -P)
	export BASE FLAVOUR ARCH BUILD JOBS
}
check_settings

# take_lock NAME [-s]: for the rest of this process, exclusive or shared (-s).
#   BASE           the prepared tree: shared while something is built from it,
#                  exclusive while it changes
#   $KERNEL        the build folder
#   BASE-prepare   what scripts/prepare keeps beside the tree
# BASE is taken after the others.
take_lock()
{
	local fd

	exec {fd}>"$BUILD/$1.lock"
	flock -n "${2:--x}" "$fd" && return
	say "waiting for another make that works on $1"
	flock "${2:--x}" "$fd"
}

# need_space DIR MEGABYTES WHAT
need_space()
{
	local free

	free=$(df -Pm "$1" | awk 'END { print $4 }')
	[ "$free" -ge "$2" ] ||
		die "$3 needs $2 MB in $1 and $free MB are free: make room, or set BUILD=DIR to another disk"
}

# TAP on stdout, see scripts/tap.
number=0

# result STATUS WHAT [LOG]: with the end of LOG before a "not ok"
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

# check WHAT COMMAND...: with what it says before a "not ok"
check()
{
	local what=$1 status=0

	shift
	( "$@" ) >"$scratch/said" 2>&1 </dev/null || status=$?
	result $status "$what" "$scratch/said"
}

# kunit LOG: the TAP of the unit tests, out of LOG, all that a kernel of $BASE has said
kunit()
{
	# They are one suite, whose tests are indented
	python3 -B "$BUILD/$BASE/source/tools/testing/kunit/kunit.py" parse --raw_output=kunit "$1" |
		sed -n 's/^    //p' || true
}

# tap PREFIX: makes one flat stream of the TAP on stdin, with a line for each test in
# $logs/results
tap()
{
	"$TOP/scripts/tap" "$logs/results" "$@"
}

# summary: of the tests in $logs/results
summary()
{
	local passed failed skipped

	read -r passed failed skipped < <(awk -F'\t' '{ n[$1]++ } END { print n["ok"] + 0, n["not ok"] + 0, n["skip"] + 0 }' "$logs/results")
	echo "1..$((passed + failed + skipped))"
	echo "$passed passed, $failed failed, $skipped skipped" | tee "$logs/summary"
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

# need_packages WHY PACKAGE...: installs what is missing, silent when nothing is.
need_packages()
{
	local why=$1 package missing=() sudo=()

	shift
	command -v dpkg-query apt-get >/dev/null ||
		die "$why takes Debian's packages ($*) and this is no Debian: use Debian 12, a container of it will do"
	for package; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0

	say "$why needs packages that are not installed: ${missing[*]}"
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null ||
			die "no right to install packages: as root, apt-get install ${missing[*]}"
		sudo=(sudo)
	fi
	flock -o "$BUILD/packages.lock" "${sudo[@]}" sh -c 'apt-get -q update &&
		DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$@"' - "${missing[@]}" \
		</dev/null >"$BUILD/packages.log" 2>&1 ||
		die "apt-get could not install ${missing[*]} ($(grep -m1 '^E:' "$BUILD/packages.log" || tail -n1 "$BUILD/packages.log")): check the network and /etc/apt/sources.list, or install them by hand"
}

# Debian's cross compilers conflict with gcc-multilib, which the user may need: only
# on a machine of CI may apt remove it.
multilib_in_the_way()
{
	[ -n "$cross" ] && [ -z "${CI:-}" ] && ! command -v "${cross}gcc" >/dev/null &&
		[ "$(dpkg-query -W -f '${db:Status-Status}' gcc-multilib 2>/dev/null)" = installed ]
}

# need_compiler: the one for $ARCH, with its C library.
need_compiler()
{
	! multilib_in_the_way ||
		die "Debian has no compiler for $ARCH beside gcc-multilib, which nothing here needs: apt-get remove gcc-multilib"
	need_packages "building for $ARCH" $compiler
}
