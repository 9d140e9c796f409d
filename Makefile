# SPDX-License-Identifier: GPL-2.0
#
# make run      build all and boot a Debian guest; CMD='...' runs that in it
# make check    every test
# make bench    measurements, see docs/bench.md
# make install  what is built, into PREFIX (/usr), with DKMS for the driver;
#               DESTDIR=DIR for packages; make uninstall takes it away again
#
# HOST=qemu (default where the module cannot be loaded) or HOST=local
# KERNEL=6.1|6.12  the host's kernel in QEMU

SHELL := /bin/sh
B := build
RELEASE_6.1 = $(shell ls -d /usr/src/linux-headers-6.1.*-amd64 2>/dev/null | sort -V | tail -n 1 | sed s,.*headers-,,)
RELEASE_6.12 = $(shell ls -d /usr/src/linux-headers-6.12.*-amd64 2>/dev/null | sort -V | tail -n 1 | sed s,.*headers-,,)

.PHONY: all run check bench deps agent driver driver-6.1 driver-6.12 driver-local \
	driver-debug guest daemon image tools unit static clean \
	install uninstall

all: driver guest daemon image tools

deps:
	@tools/deps.sh

# --- parts ---------------------------------------------------------------

driver: driver-6.1 driver-6.12

driver-6.1 driver-6.12: driver-%: deps
	@echo "driver for Linux $*" >&2
	@tools/build-driver $(RELEASE_$*)
	@ln -sfn $(RELEASE_$*) $(B)/driver/$*

# For the tests: can send NMI storms.
driver-debug: driver
	@echo "driver, debug build" >&2
	@for v in 6.1 6.12; do \
		release=$$(readlink $(B)/driver/$$v); \
		CO_DEBUG=y tools/build-driver $$release || exit 1; \
		ln -sfn $$release-debug $(B)/driver/$$v-debug; \
	done

driver-local: deps
	@echo "driver for this machine" >&2
	@tools/build-driver $$(uname -r)
	@ln -sfn $$(uname -r) $(B)/driver/local

guest: deps
	@echo "guest kernel" >&2
	@guest/build.sh >&2

daemon: deps
	@echo "daemon" >&2
	@$(MAKE) -s -C daemon >&2

# Runs in guests; static.
agent: deps
	@echo "agent" >&2
	@$(MAKE) -s -C agent >&2

image: agent
	@echo "guest image" >&2
	@tools/build-image

tools: $(B)/cojob $(B)/tests/cvm $(B)/tests/tables $(B)/tests/fpu $(B)/tests/fragment $(B)/tests/net $(B)/tests/pty $(B)/tests/files | deps
	@$(MAKE) -s -C tests/guest OUT=../../$(B)/tests

$(B)/tests/%: tests/tools/%.c include/colinux/abi.h include/colinux/ioctl.h | deps
	@mkdir -p $(B)/tests
	@$(CC) -O2 -Wall -Wextra -Werror -Iinclude -static -o $@ $<

$(B)/cojob: testbed/cojob.c | deps
	@mkdir -p $(B)
	@$(CC) -O2 -Wall -Wextra -Werror -static -o $@ $<

# --- what people use -----------------------------------------------------

run: guest daemon image tools
	@testbed/run

check: all driver-debug
	@tests/run $(T)

unit: deps
	@$(MAKE) -s -C tests/unit check

bench: all
	@bench/run

# What was built, into this system or below DESTDIR.
install uninstall:
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' tools/install $@

clean:
	rm -rf $(B)
