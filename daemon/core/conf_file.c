// SPDX-License-Identifier: GPL-2.0
/*
 * Classic coLinux configuration files: words separated by blanks, key=value
 * for the daemon, anything else for the guest's kernel. '#' starts a comment,
 * "..." protects blanks. Keys of classic coLinux that we cannot honour are
 * refused by name.
 *
 * A misspelt key must not end up as a silent kernel parameter: key=value is
 * passed on only if it is known to be the kernel's; append= takes any.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/config.h"
#include "core/log.h"

#define CONF_MAX_BYTES	65536
#define CONF_MAX_WORD	4096

struct parser {
	struct config *config;
	const char *name;	/* of the file */
	const char *at;
	const char *end;
	unsigned int line;
	unsigned int seen;	/* a bit per key in keys[] */
};

/* --- values --------------------------------------------------------------- */

static int set_kernel(struct config *c, const char *value, const char *what)
{
	return config_set_string(&c->kernel, value, what);
}

static int set_initrd(struct config *c, const char *value, const char *what)
{
	return config_set_string(&c->initrd, value, what);
}

static int set_root(struct config *c, const char *value, const char *what)
{
	return config_set_string(&c->root, value, what);
}

static int set_log(struct config *c, const char *value, const char *what)
{
	return config_set_string(&c->log, value, what);
}

static const struct {
	const char *key;
	int (*set)(struct config *c, const char *value, const char *what);
	bool repeats;
} keys[] = {
	{ "kernel", set_kernel, false },
	{ "initrd", set_initrd, false },
	{ "root",   set_root, false },
	{ "mem",    config_set_mem, false },
	{ "cpus",   config_set_cpus, false },
	{ "name",   config_set_name, false },
	{ "log",    set_log, false },
	{ "cocon",  config_set_cocon, false },
	{ "append", config_append, true },
};

/* Keys of classic coLinux for what does not exist here (yet); N: a number. */
static const struct {
	const char *key;
	const char *why;
} refused[] = {
	{ "scsiN",   "SCSI devices are not supported: use cobdN=" },
	{ "audioN",  "sound is not supported yet: remove it" },
	{ "videoN",  "video is not supported yet: remove it" },
	{ "pciN",    "PCI devices are not supported: remove it" },
	{ "setcobd", "cobd is always asynchronous: remove it" },
	{ "color",   "the terminal's colours are used: remove it" },
	{ "cursor",  "the terminal's cursor is used: remove it" },
	{ "initramfs", "it is called initrd= here" },
	{ "bootparams", "it is called append= here" },
};

/* Parameters of Linux common in such files; also anything with a dot. */
static const char * const kernel_keys[] = {
	"apparmor", "audit", "cgroup_disable", "cgroup_no_v1", "console",
	"fsck", "hostname", "init", "ip", "ipv6", "lockdown", "loglevel",
	"log_buf_len", "lsm", "mitigations", "module_blacklist", "net",
	"nfsroot", "panic", "panic_on_oops", "pti", "quiet", "ramdisk_size",
	"rcutree", "rdinit", "reboot", "resume", "rootdelay", "rootflags",
	"rootfstype", "rootwait", "security", "selinux", "swapaccount",
	"sysrq_always_enabled", "transparent_hugepage", "vdso", "video",
};

/* --- names ---------------------------------------------------------------- */

/* Does key match pattern, where a final N stands for digits? */
static bool key_matches(const char *key, const char *pattern)
{
	size_t len = strlen(pattern);

	if (pattern[len - 1] != 'N')
		return !strcmp(key, pattern);
	if (strncmp(key, pattern, len - 1))
		return false;
	key += len - 1;
	return *key && strspn(key, "0123456789") == strlen(key);
}

/* hda1, sda2: names that classic coLinux could give to a cobd. */
static bool is_alias(const char *key)
{
	if ((key[0] != 'h' && key[0] != 's') || key[1] != 'd' ||
	    !islower((unsigned char)key[2]))
		return false;
	return strspn(key + 3, "0123456789") == strlen(key + 3);
}

static bool is_kernel_key(const char *key)
{
	if (strchr(key, '.'))
		return true;
	for (size_t i = 0; i < sizeof(kernel_keys) / sizeof(*kernel_keys); i++)
		if (!strcmp(key, kernel_keys[i]))
			return true;
	return false;
}

/* --- words ---------------------------------------------------------------- */

static int complain(const struct parser *p, const char *key, const char *why)
{
	say("%s:%u: '%s': %s", p->name, p->line, key, why);
	return -EINVAL;
}

static void remove_quotes(char *value)
{
	char *to = value;

	for (; *value; value++)
		if (*value != '"')
			*to++ = *value;
	*to = '\0';
}

static int own_key(struct parser *p, const char *key, char *value, bool *done)
{
	char what[PATH_MAX + 64];

	snprintf(what, sizeof(what), "%s:%u: %s", p->name, p->line, key);
	*done = true;
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		if (strcmp(key, keys[i].key))
			continue;
		if (!keys[i].repeats && (p->seen & (1U << i)))
			return complain(p, key, "is given twice: remove one");
		p->seen |= 1U << i;
		remove_quotes(value);
		return keys[i].set(p->config, value, what);
	}
	if (key_matches(key, "cobdN")) {
		remove_quotes(value);
		if (strlen(key) > 7)
			return complain(p, key, "use numbers from 0 to 255");
		return config_add_cobd(p->config, atoi(key + 4), value, what);
	}
	if (key_matches(key, "ethN")) {
		remove_quotes(value);
		if (strlen(key) > 5)
			return complain(p, key, "use numbers from 0 to 99");
		return config_add_eth(p->config, atoi(key + 3), value, what);
	}
	if (key_matches(key, "cofsN")) {
		remove_quotes(value);
		if (strlen(key) > 7)
			return complain(p, key, "use numbers from 0 to 255");
		return config_add_cofs(p->config, atoi(key + 4), value, what);
	}
	if (key_matches(key, "ttysN")) {
		remove_quotes(value);
		if (strlen(key) > 6)
			return complain(p, key, "use numbers from 0 to 31");
		return config_add_ttys(p->config, atoi(key + 4), value, what);
	}
	if (key_matches(key, "execN")) {
		remove_quotes(value);
		if (strlen(key) > 6)
			return complain(p, key, "use numbers from 0 to 99");
		return config_add_exec(p->config, atoi(key + 4), value, what);
	}
	*done = false;
	return 0;
}

static int key_value(struct parser *p, char *word, char *equals)
{
	bool done;
	int err;

	*equals = '\0';
	err = own_key(p, word, equals + 1, &done);
	if (done)
		return err;
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		if (key_matches(word, refused[i].key))
			return complain(p, word, refused[i].why);
	if (is_alias(word))
		return complain(p, word,
				"other names for a cobd are not supported: use cobdN=");
	if (!is_kernel_key(word))
		return complain(p, word,
				"unknown key: put kernel parameters into append=\"...\"");
	*equals = '=';
	return config_append(p->config, word, p->name);
}

static int take_word(struct parser *p, char *word)
{
	char *equals = strchr(word, '=');

	if (equals == word)
		return complain(p, word, "no key before '='");
	if (equals && !memchr(word, '"', equals - word))
		return key_value(p, word, equals);
	if (word[0] == '-' || word[0] == '@')
		return complain(p, word, "options do not belong into a file");
	return config_append(p->config, word, p->name);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void skip_blanks(struct parser *p)
{
	bool comment = false;

	for (; p->at < p->end; p->at++) {
		if (*p->at == '\n') {
			p->line++;
			comment = false;
		} else if (*p->at == '#') {
			comment = true;
		} else if (!comment && !is_blank(*p->at)) {
			return;
		}
	}
}

/* Copies the next word, quotes included. 1: there, 0: end of file. */
static int next_word(struct parser *p, char *word)
{
	bool quoted = false;
	size_t len = 0;

	skip_blanks(p);
	if (p->at == p->end)
		return 0;
	for (; p->at < p->end; p->at++) {
		if (*p->at == '\n' || (!quoted && is_blank(*p->at)))
			break;
		if (*p->at == '\0')
			return complain(p, "\\0", "this is not a text file");
		if (len == CONF_MAX_WORD - 1)
			return complain(p, "...", "this word is too long");
		quoted ^= *p->at == '"';
		word[len++] = *p->at;
	}
	word[len] = '\0';
	if (quoted)
		return complain(p, word, "a closing \" is missing");
	return 1;
}

/* --- files ---------------------------------------------------------------- */

int config_parse_text(struct config *c, const char *name, const char *text,
		      size_t len)
{
	struct parser p = {
		.config = c, .name = name, .line = 1,
		.at = text, .end = text + len,
	};
	char word[CONF_MAX_WORD];
	int err;

	c->has_file = true;
	while ((err = next_word(&p, word)) == 1) {
		err = take_word(&p, word);
		if (err)
			return err;
	}
	return err;
}

static int read_all(int fd, const char *path, char *text, size_t *len)
{
	ssize_t n;

	*len = 0;
	while ((n = read(fd, text + *len, CONF_MAX_BYTES + 1 - *len)) > 0)
		*len += n;
	if (n < 0) {
		say("%s: cannot read: %s", path, strerror(errno));
		return -EINVAL;
	}
	if (*len > CONF_MAX_BYTES) {
		say("%s: longer than %d bytes: not a configuration file", path,
		    CONF_MAX_BYTES);
		return -EINVAL;
	}
	return 0;
}

int config_read_file(struct config *c, const char *path)
{
	char *text;
	size_t len;
	int fd, err;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		say("%s: cannot open the configuration file: %s", path,
		    strerror(errno));
		return -EINVAL;
	}
	text = malloc(CONF_MAX_BYTES + 1);
	if (!text) {
		say("%s: out of memory", path);
		err = -ENOMEM;
		goto close;
	}
	err = read_all(fd, path, text, &len);
	if (!err)
		err = config_parse_text(c, path, text, len);
	if (!err)
		err = config_set_string(&c->file, path, "configuration file");
	free(text);
close:
	close(fd);
	return err;
}
