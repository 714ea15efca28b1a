# SPDX-License-Identifier: GPL-2.0
#
# Commands of this repository; "make help" lists them. What they do is in
# scripts/, settings have their defaults in scripts/lib.sh. (The kernel's own
# Makefile is in the prepared tree.)

export ARCH BASE FLAVOUR BUILD JOBS SMP MEM ICOUNT SHARE TIMEOUT FULL QUICK CONFIG MINUTES SEED \
	FILES MUTANTS N

# As it was typed: it is for the guest's shell, not for make.
override CMD := $(value CMD)
export CMD

help:
	@cat scripts/help

kernel:
	@scripts/build >/dev/null

image:
	@scripts/build

vm:
	@scripts/vm

test:
	@scripts/test

kunit:
	@scripts/kunit

coverage:
	@scripts/coverage

mutate:
	@scripts/mutate

fuzz:
	@scripts/fuzz

fuzz-kernel:
	@scripts/fuzz-kernel

torture:
	@scripts/torture

series:
	@scripts/series

check:
	@scripts/check

demo:
	@scripts/show demo

tour:
	@scripts/show tour

bench:
	@scripts/bench

deb:
	@scripts/deb
	@[ "$$CONFIG" = none ] || scripts/deb-kernel

clean:
	@scripts/clean

.PHONY: bench check coverage deb fuzz fuzz-kernel help kunit kernel image mutate vm test demo torture \
	tour series clean
