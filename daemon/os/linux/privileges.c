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

int os_drop_privileges(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	/* Nothing that is started from here gets them back. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (syscall(SYS_capset, &header, none) < 0)
		return -errno;
	return 0;
}
