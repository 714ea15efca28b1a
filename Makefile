# SPDX-License-Identifier: GPL-2.0
#
# Commands of this repository; "make help" lists them. What they do is in
# scripts/; README.md lists the settings and their defaults. (The kernel's own
# Makefile is in the prepared tree.)

# As it was typed: it is for the guest's shell, not for make.
override CMD := $(value CMD)
export CMD

help:
	@awk -f scripts/help README.md

bench check clean coverage deb fuzz fuzz-kernel kunit mutate series test torture vm:
	@scripts/$@

demo tour:
	@scripts/show $@

kernel:
	@scripts/build >/dev/null

image:
	@scripts/build

.PHONY: bench check clean coverage deb demo fuzz fuzz-kernel help image kernel kunit mutate series \
	test torture tour vm
