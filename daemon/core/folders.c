// SPDX-License-Identifier: GPL-2.0
/* The host folders of a CVM: a virtiofsd and a cofs for each. */
#include <stdio.h>

#include "core/machine.h"

void folders_end(struct machine *m)
{
	char why[200];

	while (m->servers > 0)
		virtiofsd_end(&m->server[--m->servers], 0, why, sizeof(why));
}

/* Early, as it needs privileges that we give up before there are devices. */
int folders_start(struct machine *m)
{
	for (unsigned int i = 0; i < m->config->cofses; i++) {
		const struct cofs_config *c = &m->config->cofs[i];
		const struct virtiofsd_options options = {
			.folder = c->path,
			.read_only = c->read_only,
			.cache = c->cache,
		};
		char what[24];
		int err;

		snprintf(what, sizeof(what), "cofs%u", c->number);
		err = virtiofsd_start(&m->server[i], &options, what);
		if (err) {
			folders_end(m);
			return err;
		}
		m->servers++;
	}
	return 0;
}

int folders_create(struct machine *m)
{
	const struct config *c = m->config;
	int err = 0;

	for (unsigned int i = 0; i < m->servers && !err; i++)
		err = cofs_create(&m->bus, &m->server[i], c->cofs[i].number,
				  c->cofs[i].path);
	return err;
}
