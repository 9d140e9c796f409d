// SPDX-License-Identifier: GPL-2.0
/*
 * fpu SECONDS SEED: keep values of our own in the x87, SSE and (if the CPU has
 * it) AVX registers over loops and system calls, and see that they stay. Exit
 * status 1 if one was lost.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct regs {
	uint8_t vector[16][32];
	double x87[4];
	uint32_t mxcsr;
	uint32_t reserved;
};

/* Long enough for a timer interrupt now and then, then a system call. */
#define PAUSE							\
	"mov $2000, %%ecx\n"					\
	"1: dec %%ecx\n"					\
	"jnz 1b\n"						\
	"mov $24, %%eax\n"	/* sched_yield */		\
	"syscall\n"

#define X87_IN	"fninit\n fldl 512(%0)\n fldl 520(%0)\n fldl 528(%0)\n fldl 536(%0)\n"
#define X87_OUT	"fstpl 536(%1)\n fstpl 528(%1)\n fstpl 520(%1)\n fstpl 512(%1)\n"

#define EACH(OP)							\
	OP(0) OP(1) OP(2) OP(3) OP(4) OP(5) OP(6) OP(7)			\
	OP(8) OP(9) OP(10) OP(11) OP(12) OP(13) OP(14) OP(15)

#define SSE_IN(n)	"movdqu " #n "*32(%0), %%xmm" #n "\n"
#define SSE_OUT(n)	"movdqu %%xmm" #n ", " #n "*32(%1)\n"
#define AVX_IN(n)	"vmovdqu " #n "*32(%0), %%ymm" #n "\n"
#define AVX_OUT(n)	"vmovdqu %%ymm" #n ", " #n "*32(%1)\n"

#define CLOBBERS							\
	"rax", "rcx", "r11", "memory", "cc",				\
	"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",	\
	"xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

static void hold_sse(const struct regs *in, struct regs *out)
{
	asm volatile("ldmxcsr 544(%0)\n" X87_IN EACH(SSE_IN)
		     PAUSE
		     EACH(SSE_OUT) X87_OUT "stmxcsr 544(%1)\n"
		     : : "r" (in), "r" (out) : CLOBBERS);
}

static void hold_avx(const struct regs *in, struct regs *out)
{
	asm volatile("ldmxcsr 544(%0)\n" X87_IN EACH(AVX_IN)
		     PAUSE
		     EACH(AVX_OUT) X87_OUT "stmxcsr 544(%1)\nvzeroupper\n"
		     : : "r" (in), "r" (out) : CLOBBERS);
}

static void fill(struct regs *r, unsigned int avx)
{
	unsigned int i, j;

	memset(r, 0, sizeof(*r));
	for (i = 0; i < 16; i++)
		for (j = 0; j < (avx ? 32 : 16); j++)
			r->vector[i][j] = (uint8_t)rand();
	for (i = 0; i < 4; i++)
		r->x87[i] = rand() / 3.0;
	r->mxcsr = 0x1f80 | (uint32_t)(rand() & 3) << 13;
}

int main(int argc, char **argv)
{
	unsigned int avx = !!__builtin_cpu_supports("avx");
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 5);
	struct regs in, out;
	unsigned long rounds = 0;
	uint32_t mxcsr;

	asm volatile("stmxcsr %0" : "=m" (mxcsr));
	srand(argc > 2 ? (unsigned int)atoi(argv[2]) : 1);
	while (time(NULL) < end) {
		fill(&in, avx);
		memset(&out, 0, sizeof(out));
		if (avx)
			hold_avx(&in, &out);
		else
			hold_sse(&in, &out);
		asm volatile("ldmxcsr %0" : : "m" (mxcsr));
		if (memcmp(&in, &out, sizeof(in))) {
			printf("fpu: registers lost in round %lu\n", rounds);
			return 1;
		}
		rounds++;
	}
	printf("fpu: %lu rounds, %s\n", rounds, avx ? "AVX" : "SSE");
	return 0;
}
