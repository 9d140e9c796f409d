// SPDX-License-Identifier: GPL-2.0
/*
 * The trivial guest's program, chosen by words on its command line:
 *
 *	switch=N	N round trips with registers checked (default 1000)
 *	fpu=N		with x87/SSE state checked over N round trips
 *	work=N		N x 1000 turns of a loop between round trips
 *	cr0		with CR0.AM not as the host has it
 *	spin		interrupts off for ever
 *	panic		end by CO_OP_PANIC
 *	wild		jump to an unmapped address
 *	badop		an operation that does not exist
 *	badforward	forward what is no interrupt
 *	stubpanic	accept an interrupt of the host and panic in its stub
 *	stubspin	... spin in it, interrupts off
 *	stubfault	... fault in it
 *	stubprint	... print a line instead of forwarding; 100 times
 *
 * Without a bad end it prints "stage1: ok ..." and powers off.
 */
#include <colinux/abi.h>

#define CR0_AM	(1ULL << 18)

static struct co_boot *boot;
static struct co_vcpu_page *page;

static void call(unsigned int op, __u64 arg)
{
	register void (*target)(__u64) asm("rax");

	page->op = op;
	page->arg[0] = arg;
	target = (void (*)(__u64))boot->passage_call;
	asm volatile("call *%%rax"
		     : "+r" (target)
		     : "D" (CO_AREA_VCPU_GVA)
		     : "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11",
		       "memory", "cc");
}

static unsigned int append(unsigned int at, const char *text)
{
	while (*text)
		page->text[at++] = (__u8)*text++;
	return at;
}

static unsigned int append_number(unsigned int at, __u64 n)
{
	char digits[24], *p = digits + 23;

	*p = 0;
	do {
		*--p = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	return append(at, p);
}

static void print(const char *text, __u64 n, const char *rest)
{
	unsigned int length = append(0, text);

	length = append_number(length, n);
	length = append(length, rest);
	call(CO_OP_CONSOLE, length);
}

static int find(const char *command, const char *word, __u64 *value)
{
	const char *p, *w;

	for (p = command; *p; p++) {
		for (w = word; *w && p[w - word] == *w; w++)
			;
		if (*w || (p != command && p[-1] != ' '))
			continue;
		p += w - word;
		if (*p == '=')
			for (*value = 0, p++; *p >= '0' && *p <= '9'; p++)
				*value = *value * 10 + (__u64)(*p - '0');
		return 1;
	}
	return 0;
}

/* All callee-saved registers, and flags, through one round trip. */
static int registers_survive(void)
{
	int bad;

	page->op = CO_OP_NONE;
	asm volatile(
		"push %%rbx; push %%rbp\n\t"
		"mov $0x1111111111111111, %%rbx\n\t"
		"mov $0x2222222222222222, %%rbp\n\t"
		"mov $0x3333333333333333, %%r12\n\t"
		"mov $0x4444444444444444, %%r13\n\t"
		"mov $0x5555555555555555, %%r14\n\t"
		"mov $0x6666666666666666, %%r15\n\t"
		"call *%%rax\n\t"
		"xor %%eax, %%eax\n\t"
		"mov $0x1111111111111111, %%rcx; cmp %%rcx, %%rbx; setne %%al\n\t"
		"mov $0x2222222222222222, %%rcx; cmp %%rcx, %%rbp; setne %%dl; or %%dl, %%al\n\t"
		"mov $0x3333333333333333, %%rcx; cmp %%rcx, %%r12; setne %%dl; or %%dl, %%al\n\t"
		"mov $0x4444444444444444, %%rcx; cmp %%rcx, %%r13; setne %%dl; or %%dl, %%al\n\t"
		"mov $0x5555555555555555, %%rcx; cmp %%rcx, %%r14; setne %%dl; or %%dl, %%al\n\t"
		"mov $0x6666666666666666, %%rcx; cmp %%rcx, %%r15; setne %%dl; or %%dl, %%al\n\t"
		"pop %%rbp; pop %%rbx"
		: "=a" (bad)
		: "a" (boot->passage_call), "D" (CO_AREA_VCPU_GVA)
		: "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13",
		  "r14", "r15", "memory", "cc");
	return !bad;
}

static int sse_survives(__u64 n)
{
	__u64 in[2] = { n * 0x9e3779b97f4a7c15, ~n }, out[2];

	asm volatile("movdqu %0, %%xmm7" : : "m" (in));
	call(CO_OP_NONE, 0);
	asm volatile("movdqu %%xmm7, %0" : "=m" (out));
	return in[0] == out[0] && in[1] == out[1];
}

static void work(__u64 n)
{
	volatile __u64 i;

	for (i = 0; i < n * 1000; i++)
		;
}

static void fail(const char *text, __u64 n)
{
	call(CO_OP_PANIC, append_number(append(0, text), n));
}

/* --- with interrupts on ----------------------------------------------------- */

struct gate {
	unsigned short low, selector, type, mid;
	unsigned int high, zero;
};

struct table {
	unsigned short limit;
	__u64 base;
} __attribute__((packed));

static struct gate idt[256];
static const char *stub_command;
static volatile unsigned int interrupts;

void stub_entry(void);		/* start.S */

/*
 * In the stub of some interrupt, which never forwards it: what the driver finds
 * in service when the guest leaves in another way, it must run itself.
 */
void stub_main(void)
{
	__u64 none;

	interrupts++;
	if (find(stub_command, "stubpanic", &none))
		fail("stage1: panic in the stub ", interrupts);
	if (find(stub_command, "stubspin", &none))
		for (;;)
			asm volatile("pause");
	if (find(stub_command, "stubfault", &none))
		((void (*)(void))0xffffc0de00000000)();
	print("stage1: interrupt ", interrupts, "\n");
}

/* Exceptions, NMI and #MC stay with the passage's gates. */
static void load_idt(void)
{
	__u64 entry = (__u64)stub_entry;
	struct table table;
	unsigned int i;

	asm volatile("sidt %0" : "=m" (table));
	for (i = 0; i < 32; i++)
		idt[i] = ((struct gate *)table.base)[i];
	for (; i < 256; i++)
		idt[i] = (struct gate){ (unsigned short)entry, CO_CS, 0x8e00,
					(unsigned short)(entry >> 16),
					(unsigned int)(entry >> 32), 0 };
	table.limit = sizeof(idt) - 1;
	table.base = (__u64)idt;
	asm volatile("lidt %0" : : "m" (table));
}

static void accept_interrupts(const char *command)
{
	stub_command = command;
	load_idt();
	asm volatile("sti" : : : "memory");
	while (interrupts < 100)
		asm volatile("pause");
	asm volatile("cli" : : : "memory");
}

static void bad_ends(const char *command)
{
	__u64 none;

	if (find(command, "spin", &none))
		for (;;)
			asm volatile("pause");
	if (find(command, "panic", &none))
		fail("stage1: asked to panic ", 1);
	if (find(command, "wild", &none))
		((void (*)(void))0xffffc0de00000000)();
	if (find(command, "badop", &none))
		call(77, 0);
	if (find(command, "badforward", &none))
		call(CO_OP_FORWARD, 3);
	if (find(command, "stubpanic", &none) ||
	    find(command, "stubspin", &none) ||
	    find(command, "stubfault", &none) ||
	    find(command, "stubprint", &none))
		accept_interrupts(command);
}

static __u64 read_cr0(void)
{
	__u64 cr0;

	asm volatile("movq %%cr0, %0" : "=r" (cr0));
	return cr0;
}

/* What CR0 is to be from now on. */
static __u64 choose_cr0(const char *command)
{
	__u64 cr0 = read_cr0(), none;

	if (find(command, "cr0", &none)) {
		cr0 ^= CR0_AM;
		asm volatile("movq %0, %%cr0" : : "r" (cr0));
	}
	return cr0;
}

void guest_main(struct co_boot *b)
{
	const char *command = (char *)CO_KERNEL_MAP_GVA + CO_CMDLINE_GPA;
	__u64 i, switches = 1000, fpu = 0, turns = 0, cr0;

	boot = b;
	page = (void *)(CO_KERNEL_MAP_GVA + CO_VCPU_PAGES_GPA);
	if (boot->magic != CO_ABI_MAGIC || boot->revision != CO_ABI_REVISION)
		fail("stage1: no boot page, revision ", boot->revision);
	print("stage1: memory ", boot->mem_bytes >> 20, " MiB\n");
	find(command, "switch", &switches);
	find(command, "fpu", &fpu);
	find(command, "work", &turns);
	cr0 = choose_cr0(command);
	for (i = 0; i < switches; i++) {
		work(turns);
		if (!registers_survive())
			fail("stage1: registers lost in switch ", i);
	}
	for (i = 0; i < fpu; i++)
		if (!sse_survives(i))
			fail("stage1: xmm7 lost in switch ", i);
	if (read_cr0() != cr0)
		fail("stage1: CR0 lost, now ", read_cr0());
	bad_ends(command);
	print("stage1: ok ", switches, " switches\n");
	call(CO_OP_POWEROFF, 0);
}
