// SPDX-License-Identifier: GPL-2.0
/*
 * Giving up privileges on Linux, see os.h. The guest's kernel runs in ring 0,
 * so this is no wall against it (docs/trust.md); it limits what a mistake in
 * the daemon can do, such as a wrong answer to a guest's disk request.
 */
#include <errno.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#include "os/os.h"

/* Nothing that is started from here gets back what is not kept. */
static int keep(uint32_t capabilities)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	data[0].permitted = data[0].effective = capabilities;
	data[0].inheritable = capabilities;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (syscall(SYS_capset, &header, data) < 0)
		return -errno;
	return 0;
}

int os_drop_privileges(void)
{
	return keep(0);
}

/*
 * A program that root starts gets all of the bounding set whatever is kept
 * here, so that is emptied, too. Who is not root has nothing to lose.
 */
int os_limit_helper(void)
{
	const uint32_t files = 1U << CAP_DAC_OVERRIDE |
			       1U << CAP_DAC_READ_SEARCH;

	if (geteuid() != 0)
		return keep(0);
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (cap > 31 || !(files >> cap & 1))
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	return keep(files);
}
