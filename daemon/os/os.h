/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the daemon needs from its host beyond POSIX: the driver and the
 * terminal. One implementation per host, chosen at link time. Functions
 * return 0 or -errno and do not complain unless they say so.
 */
#ifndef COLINUX_OS_H
#define COLINUX_OS_H

#include <stdbool.h>
#include <stdint.h>

#include <colinux/ioctl.h>

#define OS_DRIVER_PATH	"/dev/colinux"

/* --- the driver ----------------------------------------------------------- */

/* Opens it and compares versions; complains. *driver is the CVM from now on. */
int os_driver_open(int *driver);
void os_driver_close(int driver);

/* -ENOMEM: *got says how many bytes the host could have given. */
int os_driver_create(int driver, uint32_t vcpus, uint64_t bytes, uint64_t *got);

/* All of guest memory, contiguous. */
int os_driver_map(int driver, uint64_t bytes, void **hva);
void os_driver_unmap(void *hva, uint64_t bytes);

int os_driver_boot(int driver, uint64_t entry_gva, uint64_t boot_params_gpa);

/* Runs vCPU run->vcpu until something is for us. -EINTR: nothing happened. */
int os_driver_run(int driver, struct co_ioc_run *run);

/* event: an eventfd, signalled by the guest's notifications; -1 removes. */
int os_driver_doorbell(int driver, uint32_t doorbell, int event);

/* event: an eventfd that raises a virq when signalled; -1 removes. */
int os_driver_virqfd(int driver, uint32_t vcpu, uint32_t virq, int event);

/* event: an eventfd that ends os_driver_run() when signalled; -1 removes. */
int os_driver_exitfd(int driver, uint32_t vcpu, int event);

/* On: the doorbell ends os_driver_run() instead of signalling its eventfd. */
int os_driver_exitbell(int driver, uint32_t doorbell, bool on);

int os_driver_raise(int driver, uint32_t vcpu, uint32_t virq);

int os_driver_stats(int driver, struct co_ioc_stats *stats);

/* --- the host ------------------------------------------------------------- */

enum os_check_verdict {
	OS_OK,
	OS_WARNING,		/* guests can run, something else cannot */
	OS_PROBLEM,
};

/* todo: what would help, NULL for OS_OK. All are valid during the call. */
typedef void os_check_report(void *arg, const char *name,
			     enum os_check_verdict verdict, const char *text,
			     const char *todo);

/* Can it run guests? root: where its files are; "". */
void os_check_host(const char *root, os_check_report *report, void *arg);

/* --- privileges ----------------------------------------------------------- */

/*
 * Everything is open: give up what a CVM does not need to run. Before the
 * first thread starts.
 */
int os_drop_privileges(void);

/*
 * In a child that becomes a program to handle files of the user: it keeps the
 * right to open them, and nothing else.
 */
int os_limit_helper(void);

/* --- the terminal --------------------------------------------------------- */

/*
 * Raw mode, if standard input is a terminal and ours to use; true if so. It
 * is undone by os_terminal_leave(), and by a crash of the daemon.
 */
bool os_terminal_enter(void);
void os_terminal_leave(void);

/* After we were stopped and continued. */
void os_terminal_again(void);

/* Of standard output or input. -ENOTTY: no terminal. */
int os_terminal_size(unsigned int *columns, unsigned int *rows);

#endif /* COLINUX_OS_H */
