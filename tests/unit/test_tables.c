// SPDX-License-Identifier: GPL-2.0
/*
 * driver/x86's page tables, walked as the processor would: everything that
 * must be mapped is, with the right rights, and nothing else.
 */
#include "cvm.h"
#include "../../driver/x86/x86.h"

/* Stand-ins for switch.S, check.c and cpu.c. */
const u8 co_passage_page[4096] __attribute__((aligned(4096)));
const struct co_passage_offsets co_passage_at = {
	.call = 0x100, .nmi = 0x200, .mce = 0x240, .transit_nmi = 0x280,
	.transit_mce = 0x2c0, .faults = 0x400, .resume = 0x700,
	.resume_end = 0x780,
};
struct co_x86_features co_x86;

void co_cpu_init_vcpu(struct co_arch_vcpu *arch)
{
}

static int setup(void **state)
{
	test_setup(state);
	co_x86 = (struct co_x86_features){ .xsave_bytes = 832 };
	return 0;
}

static struct co_cvm *create(u32 vcpus, u64 mem_bytes, bool la57)
{
	struct co_cvm *cvm = co_cvm_new();

	co_x86.la57 = la57;
	assert_int_equal(cvm_create(cvm, vcpus, mem_bytes), 0);
	assert_int_equal(cvm_boot(cvm, ENTRY, CO_ZERO_PAGE_GPA), 0);
	return cvm;
}

static struct co_state *state_of(struct co_cvm *cvm, u32 vcpu)
{
	return cvm->vcpu[vcpu].arch->state;
}

/* --- a walk ------------------------------------------------------------------- */

struct leaf {
	u64 entry;
	u32 level;
	u64 rights;		/* what all levels allow */
};

static struct leaf walk(u64 cr3, u64 va)
{
	struct leaf l = { .level = co_x86.la57 ? 5 : 4, .rights = ~0ULL };
	u64 *table = sim_hva(cr3);

	for (;; l.level--) {
		assert_non_null(table);
		l.entry = table[va >> (12 + 9 * (l.level - 1)) & 511];
		if (!(l.entry & PT_PRESENT))
			return (struct leaf){ 0 };
		l.rights &= l.entry;
		if (l.level == 1 || l.entry & PT_LARGE)
			return l;
		table = sim_hva(l.entry & PT_ADDRESS);
	}
}

static void check_page(u64 cr3, u64 va, u64 hpa, u64 flags)
{
	struct leaf l = walk(cr3, va);

	if (!l.entry)
		fail_msg("%llx is not mapped", va);
	assert_int_equal(l.level, 1);
	assert_true((l.entry & PT_ADDRESS) == hpa);
	assert_true((l.entry & PT_WRITE) == (flags & PT_WRITE));
	if (flags & PT_WRITE)
		assert_true(l.rights & PT_WRITE);
	assert_true((l.entry & PT_NX) == (flags & PT_NX));
	assert_false(l.entry & 4);	/* not for user mode */
	assert_false(l.entry & 0x100);	/* not global */
}

static u64 count(u64 entry, u32 level, u64 *large)
{
	u64 *table = sim_hva(entry & PT_ADDRESS), n = 0;
	u32 i;

	assert_non_null(table);
	for (i = 0; i < 512; i++) {
		if (!(table[i] & PT_PRESENT))
			continue;
		if (level > 1 && !(table[i] & PT_LARGE))
			n += count(table[i], level - 1, large);
		else if (level > 1)
			++*large;
		else
			n++;
	}
	return n;
}

/* --- tests ---------------------------------------------------------------------- */

static void check_area(struct co_cvm *cvm, u64 cr3)
{
	u32 i;

	check_page(cr3, CO_AREA_CODE_GVA, SIM_CODE_HPA, 0);
	for (i = 0; i < cvm->p2m_pages; i++)
		check_page(cr3, CO_AREA_P2M_GVA + i * 4096ULL, cvm->p2m[i].hpa,
			   PT_NX);
	for (i = 0; i < cvm->m2p_pages; i++)
		check_page(cr3, CO_AREA_M2P_GVA + i * 4096ULL, cvm->m2p[i].hpa,
			   PT_NX);
	for (i = 0; i < cvm->vcpus; i++) {
		u64 hpa = cvm->vcpu[i].arch->state_hpa;
		u64 gva = CO_AREA_VCPU_GVA + i * (u64)CO_VCPU_STATE_SIZE;

		assert_ptr_equal(sim_hva(hpa), state_of(cvm, i));
		check_page(cr3, gva, hpa, PT_WRITE | PT_NX);
		check_page(cr3, gva + 4096, hpa + 4096, PT_WRITE | PT_NX);
	}
}

static void check_all(u32 vcpus, u64 mem_bytes, bool la57)
{
	struct co_cvm *cvm = create(vcpus, mem_bytes, la57);
	u64 passage = cvm->arch->passage.page[0].hpa;
	u64 boot = cvm->arch->boot.page[0].hpa;
	u64 area = 1 + cvm->p2m_pages + cvm->m2p_pages + 2 * vcpus, gpa;
	u64 end = mem_bytes < CO_KERNEL_MAP_SIZE ? mem_bytes :
						   CO_KERNEL_MAP_SIZE;
	u64 large = 0;
	u32 i;

	check_area(cvm, passage);
	check_area(cvm, boot);
	/* The host's side of the passage. */
	check_page(passage, (u64)co_passage_page, SIM_CODE_HPA, 0);
	for (i = 0; i < vcpus; i++)
		check_page(passage, (u64)state_of(cvm, i),
			   cvm->vcpu[i].arch->state_hpa, PT_WRITE | PT_NX);
	assert_int_equal(count(passage, la57 ? 5 : 4, &large),
			 area + 1 + 2 * vcpus);
	assert_int_equal(large, 0);
	/* The kernel mapping of the guest's first tables. */
	for (gpa = 0; gpa < end; gpa += CO_CHUNK_SIZE) {
		struct leaf l = walk(boot, CO_KERNEL_MAP_GVA + gpa);

		assert_int_equal(l.level, 2);
		assert_true((l.entry & PT_ADDRESS) == co_memory_hpa(cvm, gpa));
		assert_true(l.rights & PT_WRITE);
		assert_false(l.entry & PT_NX);
	}
	assert_int_equal(count(boot, la57 ? 5 : 4, &large), area);
	assert_int_equal(large, end / CO_CHUNK_SIZE);
	assert_int_equal(walk(boot, CO_KERNEL_MAP_GVA + end).entry, 0);
	co_cvm_destroy(cvm);
}

static void small_guest_4_levels(void **state)
{
	check_all(1, CO_MEM_MIN, false);
}

static void small_guest_5_levels(void **state)
{
	check_all(1, CO_MEM_MIN, true);
}

static void large_guest_4_levels(void **state)
{
	sim.max_hpa = 64ULL << 30;
	check_all(CO_MAX_VCPUS, 8ULL << 30, false);
}

static void large_guest_5_levels(void **state)
{
	sim.max_hpa = 64ULL << 30;
	check_all(CO_MAX_VCPUS, 8ULL << 30, true);
}

/* The guest puts this entry into every page table it makes. */
static void area_entry_is_what_boot_says(void **state)
{
	int la57;

	for (la57 = 0; la57 < 2; la57++) {
		struct co_cvm *cvm = create(2, CO_MEM_MIN, la57);
		struct co_boot *boot = co_memory_hva(cvm, CO_BOOT_GPA, 256);
		u64 *table = sim_hva(cvm->arch->boot.page[0].hpa);

		if (la57)
			table = sim_hva(table[511] & PT_ADDRESS);
		assert_true(boot->area_entry == table[CO_AREA_SLOT]);
		assert_true(boot->area_entry & PT_PRESENT);
		co_cvm_destroy(cvm);
	}
}

static void entry_points_are_in_the_area(void **state)
{
	struct co_cvm *cvm = create(1, CO_MEM_MIN, false);
	struct co_boot *boot = co_memory_hva(cvm, CO_BOOT_GPA, 256);

	assert_true(boot->passage_call == CO_AREA_CODE_GVA + co_passage_at.call);
	assert_true(boot->passage_nmi == CO_AREA_CODE_GVA + co_passage_at.nmi);
	assert_true(boot->passage_mce == CO_AREA_CODE_GVA + co_passage_at.mce);
	co_cvm_destroy(cvm);
}

static void first_registers_are_as_abi_says(void **state)
{
	struct co_cvm *cvm = create(1, CO_MEM_MIN, false);
	struct co_context *c = &state_of(cvm, 0)->guest;

	assert_true(c->rdi == CO_KERNEL_MAP_GVA + CO_BOOT_GPA);
	assert_true(c->rsi == CO_ZERO_PAGE_GPA);
	assert_true(c->frame.rip == ENTRY);
	assert_true(c->cr3 == cvm->arch->boot.page[0].hpa);
	assert_int_equal((u64)state_of(cvm, 0) % CO_VCPU_STATE_SIZE, 0);
	co_cvm_destroy(cvm);
}

static long create_failing(u64 nth, bool all, bool la57, unsigned long *used)
{
	struct co_cvm *cvm = co_cvm_new();
	long err;

	co_x86.la57 = la57;
	sim.allocations = 0;
	sim.fail_at = nth;
	sim.fail_on = all;
	err = cvm_create(cvm, 2, CO_MEM_MIN);
	*used = sim.allocations;
	sim.fail_at = 0;
	if (err && sim_live() != 1)
		fail_msg("failed allocation %llu: %ld things leak", nth,
			 sim_live() - 1);
	co_cvm_destroy(cvm);
	return err;
}

/* How many tables it takes depends on where the heap is: until it succeeds. */
static void create_survives_each_failed_allocation(void **state)
{
	unsigned long n, used;
	int kind;

	for (kind = 0; kind < 4; kind++) {
		for (n = 1; create_failing(n, kind & 1, kind & 2, &used); n++)
			;
		assert_true(n > 40);
		if (used >= n)
			fail_msg("created without allocation %lu", n);
	}
}

/* The FPU image is as large as the processor says. */
static void fpu_image_sizes(void **state)
{
	static const u32 bytes[] = { 512, 4096, 4097, 11008, 65536 };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bytes); i++) {
		struct co_cvm *cvm;

		co_x86.xsave_bytes = bytes[i];
		cvm = create(1, CO_MEM_MIN, false);
		assert_true(4096U << cvm->vcpu[0].arch->fpu_order >= bytes[i]);
		memset(cvm->vcpu[0].arch->fpu, 0x5a, bytes[i]);
		co_cvm_destroy(cvm);
	}
}

static void colliding_mappings_are_refused(void **state)
{
	struct co_tables t = { 0 };

	assert_int_equal(co_tables_create(&t), 0);
	assert_int_equal(co_tables_map(&t, 0x1000, 0x5000, PT_DATA, 1), 0);
	assert_int_equal(co_tables_map(&t, 0x1000, 0x5000, PT_DATA, 1), 0);
	assert_int_equal(co_tables_map(&t, 0x1000, 0x6000, PT_DATA, 1), -EEXIST);
	assert_int_equal(co_tables_map(&t, 0x1000, 0x5000, PT_CODE, 1), -EEXIST);
	co_tables_destroy(&t);
}

#undef TEST
#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, test_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(small_guest_4_levels),
		TEST(small_guest_5_levels),
		TEST(large_guest_4_levels),
		TEST(large_guest_5_levels),
		TEST(area_entry_is_what_boot_says),
		TEST(entry_points_are_in_the_area),
		TEST(first_registers_are_as_abi_says),
		TEST(create_survives_each_failed_allocation),
		TEST(fpu_image_sizes),
		TEST(colliding_mappings_are_refused),
	};

	return cmocka_run_group_tests_name("tables", tests, NULL, NULL);
}
