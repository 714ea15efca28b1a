# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced, after lib.sh, by scripts that build a kernel tree or parts of it: kbuild
# with $source and $out, configured from fragments.

# No time and no path goes into the objects, so that what is built a second time,
# here or in another clone, comes from ccache.
export KBUILD_BUILD_TIMESTAMP='1970-01-01' KBUILD_BUILD_USER=user_events \
	KBUILD_BUILD_HOST=overlay KBUILD_BUILD_VERSION=1 LOCALVERSION=
export CCACHE_BASEDIR=$BUILD CCACHE_NOHASHDIR=1

kbuild()
{
	make -C "$source" O="$out" ARCH="${KARCH:-x86_64}" CROSS_COMPILE="${cross:-}" \
		CC="${CC:-ccache ${cross:-}gcc}" HOSTCC="ccache gcc" \
		${only[@]+"${only[@]}"} --no-print-directory "$@"
}

# need_kbuild WHY
need_kbuild()
{
	need_packages "$1" gcc libc6-dev make flex bison bc perl python3 libelf-dev lz4 rsync ccache
}

# fragments FLAVOUR: those of a kernel that is tested here; the last has the last word
fragments()
{
	local more=()

	# A kernel with mutants has more that notices them
	[ -z "${MUTATED:-}" ] || more=(faults kunit)
	case $1 in
	debug)		more=(checks faults kunit) ;;
	kcov)		more=(checks faults) ;;
	gcov)		more=(faults kunit) ;;
	preempt|rt)	more=(checks) ;;
	esac
	(cd "$TOP/scripts/config" && realpath -eq "$source/tools/testing/selftests/user_events/config" \
		"${more[@]/%/.config}" {base,"$BASE","$1","$ARCH","$ARCH-$1"}.config) || true
}

# kconfig FRAGMENT...: options that no fragment names are off; the last fragment that
# names one decides. Options that the tree does not have are left out.
kconfig()
{
	local log=$out/config.log

	mkdir -p "$out/merge"
	{
		(cd "$source" && scripts/kconfig/merge_config.sh -m -O "$out/merge" "$@") &&
		kbuild allnoconfig KCONFIG_ALLCONFIG="$out/merge/.config"
	} >"$log" 2>&1 || die "configuring $out: $(tail -n1 "$log"), see $log"
}

# not_so: the options that a fragment names and that did not come out so
not_so()
{
	awk -F= '!/^CONFIG_/ { next }
		NR == FNR { is[$1] = $0; next }
		$0 != ($1 in is ? is[$1] : $1 "=n")' "$out/.config" "$out/merge/.config"
}

# quiet_build TARGET...: fails on a warning, too, except those of current linkers about
# the assembly and the segments of ARCH=um in 6.1.
quiet_build()
{
	kbuild -j"$JOBS" "$@" 2>&1 | awk '{ print }
		/warning:|WARNING:/ &&
			!/ld: warning: .*(missing \.note\.GNU-stack|has a LOAD segment with RWX)/ { bad = 1 }
		END { exit bad }'
}
