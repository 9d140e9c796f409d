// SPDX-License-Identifier: GPL-2.0
/* CO_IOC_VERSION, CREATE and BOOT: order, errors, memory, failures. */
#include "cvm.h"

static void version(void **state)
{
	struct co_cvm *cvm = co_cvm_new();

	(void)state;
	assert_int_equal(co_cvm_ioctl(cvm, CO_IOC_VERSION, NULL),
			 CO_ABI_REVISION);
	co_cvm_destroy(cvm);
}

static void unknown_ioctl_is_enotty(void **state)
{
	struct co_cvm *cvm = co_cvm_new();
	u8 data[256] = { 0 };

	(void)state;
	assert_int_equal(co_cvm_ioctl(cvm, _IO(0xC0, 0x7f), data), -ENOTTY);
	assert_int_equal(co_cvm_ioctl(cvm, _IOWR(0xC0, 0x11, u64), data),
			 -ENOTTY);
	assert_int_equal(co_cvm_ioctl(cvm, 0, data), -ENOTTY);
	co_cvm_destroy(cvm);
}

static void create_wrong_revision_is_eproto(void **state)
{
	struct co_ioc_create args = {
		.revision = CO_ABI_REVISION + 1, .vcpus = 1,
		.mem_bytes = CO_MEM_MIN,
	};
	struct co_cvm *cvm = co_cvm_new();

	(void)state;
	assert_int_equal(co_cvm_ioctl(cvm, CO_IOC_CREATE, &args), -EPROTO);
	assert_int_equal(args.revision, CO_ABI_REVISION);
	assert_int_equal(co_cvm_ioctl(cvm, CO_IOC_CREATE, &args), 0);
	assert_int_equal(args.got_bytes, CO_MEM_MIN);
	co_cvm_destroy(cvm);
}

static void create_bad_sizes_are_einval(void **state)
{
	struct co_cvm *cvm = co_cvm_new();

	(void)state;
	assert_int_equal(cvm_create(cvm, 0, CO_MEM_MIN), -EINVAL);
	assert_int_equal(cvm_create(cvm, CO_MAX_VCPUS + 1, CO_MEM_MIN), -EINVAL);
	assert_int_equal(cvm_create(cvm, ~0U, CO_MEM_MIN), -EINVAL);
	assert_int_equal(cvm_create(cvm, 1, 0), -EINVAL);
	assert_int_equal(cvm_create(cvm, 1, CO_MEM_MIN - CO_CHUNK_SIZE),
			 -EINVAL);
	assert_int_equal(cvm_create(cvm, 1, CO_MEM_MIN + 4096), -EINVAL);
	assert_int_equal(cvm_create(cvm, 1, CO_MEM_MAX + CO_CHUNK_SIZE),
			 -EINVAL);
	assert_int_equal(cvm_create(cvm, 1, ~0ULL & ~(CO_CHUNK_SIZE - 1)),
			 -EINVAL);
	assert_int_equal(cvm_create(cvm, 1, CO_MEM_MIN), 0);
	co_cvm_destroy(cvm);
}

static void create_twice_is_ebusy(void **state)
{
	struct co_cvm *cvm = co_cvm_new();

	(void)state;
	assert_int_equal(cvm_create(cvm, 2, CO_MEM_MIN), 0);
	assert_int_equal(cvm_create(cvm, 1, CO_MEM_MIN), -EBUSY);
	assert_int_equal(cvm->vcpus, 2);
	co_cvm_destroy(cvm);
}

static void create_short_of_memory_says_how_much(void **state)
{
	struct co_ioc_create args = {
		.revision = CO_ABI_REVISION, .vcpus = 1,
		.mem_bytes = 128UL << 20,
	};
	struct co_cvm *cvm = co_cvm_new();

	(void)state;
	sim.chunks_free = 40;
	assert_int_equal(co_cvm_ioctl(cvm, CO_IOC_CREATE, &args), -ENOMEM);
	assert_int_equal(args.got_bytes, 40 * CO_CHUNK_SIZE);
	assert_int_equal(sim.chunks, 0);
	args.mem_bytes = args.got_bytes;
	assert_int_equal(co_cvm_ioctl(cvm, CO_IOC_CREATE, &args), 0);
	co_cvm_destroy(cvm);
}

/* Without trying: that would take the host's last page first. */
static void create_more_than_the_host_has_is_e2big(void **state)
{
	struct co_ioc_create args = {
		.revision = CO_ABI_REVISION, .vcpus = 1,
		.mem_bytes = SIM_HOST_BYTES + CO_CHUNK_SIZE,
	};
	struct co_cvm *cvm = co_cvm_new();

	(void)state;
	sim.allocations = 0;
	assert_int_equal(co_cvm_ioctl(cvm, CO_IOC_CREATE, &args), -E2BIG);
	assert_true(args.got_bytes == SIM_HOST_BYTES);
	assert_int_equal(sim.allocations, 0);
	assert_int_equal(cvm_create(cvm, 1, CO_MEM_MIN), 0);
	co_cvm_destroy(cvm);
}

/* Nothing may be set that a failed CREATE would have to take away. */
static void events_before_create_are_enxio(void **state)
{
	struct co_cvm *cvm = co_cvm_new();
	int fd = sim_event();

	(void)state;
	assert_int_equal(cvm_doorbell(cvm, 0, fd), -ENXIO);
	assert_int_equal(cvm_doorbell(cvm, 0, -1), -ENXIO);
	assert_int_equal(cvm_virqfd(cvm, 0, 16, fd), -ENXIO);
	assert_int_equal(cvm_virqfd(cvm, 0, 16, -1), -ENXIO);
	assert_int_equal(sim.events + sim.watches, 0);
	co_cvm_destroy(cvm);
	sim_event_close(fd);
}

/* Create a CVM with the nth allocation (and all after it) failing. */
static long create_failing(unsigned long nth, bool all, unsigned long *used)
{
	struct co_cvm *cvm = co_cvm_new();
	long err;

	assert_non_null(cvm);
	sim.allocations = 0;
	sim.fail_at = nth;
	sim.fail_on = all;
	err = cvm_create(cvm, 3, CO_MEM_MIN);
	*used = sim.allocations;
	sim.fail_at = 0;
	if (err) {
		/* All is back, and it may be tried again. */
		assert_int_equal(sim_live(), 1);
		assert_int_equal(cvm_create(cvm, 3, CO_MEM_MIN), 0);
	}
	co_cvm_destroy(cvm);
	assert_int_equal(sim_live(), 0);
	return err;
}

static void create_survives_each_failed_allocation(void **state)
{
	unsigned long n, needed, used;

	(void)state;
	assert_int_equal(create_failing(0, false, &needed), 0);
	assert_true(needed > 32);
	for (n = 1; n <= needed; n++) {
		assert_int_equal(create_failing(n, false, &used), -ENOMEM);
		assert_int_equal(create_failing(n, true, &used), -ENOMEM);
	}
	assert_int_equal(create_failing(needed + 1, true, &used), 0);
}

static void no_memory_for_a_cvm(void **state)
{
	(void)state;
	sim.fail_at = 1;
	assert_null(co_cvm_new());
}

static u32 table_entry(const struct co_page *table, u64 index)
{
	return ((u32 *)table[index / 1024].hva)[index % 1024];
}

/* p2m and m2p are each other's inverse and cover just this guest. */
static void check_tables(struct co_cvm *cvm)
{
	u64 entries = cvm->m2p_pages * 1024ULL, i, owned = 0;

	assert_true(entries * CO_CHUNK_SIZE >= sim.max_hpa);
	for (i = 0; i < cvm->chunks; i++) {
		u32 host = table_entry(cvm->p2m, i);

		assert_true(host < entries);
		assert_int_equal(table_entry(cvm->m2p, host), i);
		assert_ptr_equal(sim_hva((u64)host << CO_CHUNK_SHIFT),
				 cvm->chunk[i].hva);
	}
	for (; i < cvm->p2m_pages * 1024ULL; i++)
		assert_int_equal(table_entry(cvm->p2m, i), CO_CHUNK_NONE);
	for (i = 0; i < entries; i++)
		owned += table_entry(cvm->m2p, i) != CO_CHUNK_NONE;
	assert_int_equal(owned, cvm->chunks);
}

static void tables_are_inverse(void **state)
{
	struct co_cvm *a = co_cvm_new(), *b = co_cvm_new();

	(void)state;
	assert_int_equal(cvm_create(a, 1, CO_MEM_MIN), 0);
	assert_int_equal(cvm_create(b, 1, 1UL << 30), 0);
	check_tables(a);
	check_tables(b);
	co_cvm_destroy(a);
	check_tables(b);
	co_cvm_destroy(b);
}

static void tables_of_the_largest_guest(void **state)
{
	struct co_cvm *cvm = co_cvm_new();

	(void)state;
	sim.max_hpa = 400ULL << 30;
	assert_int_equal(cvm_create(cvm, CO_MAX_VCPUS, CO_MEM_MAX), 0);
	check_tables(cvm);
	co_cvm_destroy(cvm);
}

/* Memory that was plugged into the host behind what it said at first. */
static void chunk_beyond_host_memory_is_refused(void **state)
{
	struct co_cvm *cvm = co_cvm_new();

	(void)state;
	sim.told_hpa = 1ULL << 30;
	assert_true(cvm_create(cvm, 1, CO_MEM_MIN) < 0);
	assert_int_equal(sim_live(), 1);
	sim.told_hpa = 0;
	assert_int_equal(cvm_create(cvm, 1, CO_MEM_MIN), 0);
	check_tables(cvm);
	co_cvm_destroy(cvm);
}

static void memory_lookup_keeps_to_its_chunk(void **state)
{
	struct co_cvm *cvm = co_cvm_new();
	u64 end = CO_MEM_MIN;

	(void)state;
	assert_null(co_memory_hva(cvm, 0, 1));
	assert_int_equal(cvm_create(cvm, 1, CO_MEM_MIN), 0);
	assert_ptr_equal(co_memory_hva(cvm, 0, CO_CHUNK_SIZE),
			 cvm->chunk[0].hva);
	assert_ptr_equal(co_memory_hva(cvm, end - 1, 1),
			 (u8 *)cvm->chunk[31].hva + CO_CHUNK_SIZE - 1);
	assert_null(co_memory_hva(cvm, end - 1, 2));
	assert_null(co_memory_hva(cvm, end, 0));
	assert_null(co_memory_hva(cvm, CO_CHUNK_SIZE - 1, 2));
	assert_null(co_memory_hva(cvm, 0, CO_CHUNK_SIZE + 1));
	assert_null(co_memory_hva(cvm, ~0ULL, 1));
	assert_null(co_memory_hva(cvm, 1, ~0ULL));
	assert_int_equal(co_memory_hpa(cvm, CO_CHUNK_SIZE + 5),
			 cvm->chunk[1].hpa + 5);
	co_cvm_destroy(cvm);
}

/* A new guest must not see what the last one left. */
static void memory_is_zeroed(void **state)
{
	struct co_cvm *cvm;
	u64 gpa, sum = 0;
	int round;

	(void)state;
	for (round = 0; round < 2; round++) {
		cvm = co_cvm_new();
		assert_int_equal(cvm_create(cvm, 1, CO_MEM_MIN), 0);
		for (gpa = 0; gpa < CO_MEM_MIN; gpa += 4096) {
			u64 *p = co_memory_hva(cvm, gpa, 4096);

			sum |= *p;
			*p = ~0ULL;
		}
		co_cvm_destroy(cvm);
	}
	assert_int_equal(sum, 0);
}

static void vcpu_pages_are_where_abi_says(void **state)
{
	struct co_cvm *cvm = co_cvm_new();
	u32 i;

	(void)state;
	assert_int_equal(cvm_create(cvm, CO_MAX_VCPUS, CO_MEM_MIN), 0);
	for (i = 0; i < CO_MAX_VCPUS; i++)
		assert_ptr_equal(cvm->vcpu[i].page,
				 co_memory_hva(cvm, CO_VCPU_PAGES_GPA +
					       i * 4096ULL, 4096));
	assert_true(CO_VCPU_PAGES_GPA + CO_MAX_VCPUS * 4096ULL <= CO_LOW_SIZE);
	co_cvm_destroy(cvm);
}

/* --- boot ------------------------------------------------------------------- */

static void boot_before_create_is_enxio(void **state)
{
	struct co_cvm *cvm = co_cvm_new();

	(void)state;
	assert_int_equal(cvm_boot(cvm, ENTRY, CO_ZERO_PAGE_GPA), -ENXIO);
	co_cvm_destroy(cvm);
}

static void boot_twice_is_ebusy(void **state)
{
	struct co_cvm *cvm = cvm_ready();

	(void)state;
	assert_int_equal(cvm_boot(cvm, ENTRY, CO_ZERO_PAGE_GPA), -EBUSY);
	co_cvm_destroy(cvm);
}

static void boot_bad_addresses_are_einval(void **state)
{
	struct co_cvm *cvm = co_cvm_new();
	struct co_ioc_run run;

	(void)state;
	assert_int_equal(cvm_create(cvm, 1, CO_MEM_MIN), 0);
	assert_int_equal(cvm_boot(cvm, 0, CO_ZERO_PAGE_GPA), -EINVAL);
	assert_int_equal(cvm_boot(cvm, CO_KERNEL_MAP_GVA, CO_ZERO_PAGE_GPA),
			 -EINVAL);
	assert_int_equal(cvm_boot(cvm, CO_KERNEL_MAP_GVA + CO_MEM_MIN,
				  CO_ZERO_PAGE_GPA), -EINVAL);
	assert_int_equal(cvm_boot(cvm, ~0ULL, CO_ZERO_PAGE_GPA), -EINVAL);
	assert_int_equal(cvm_boot(cvm, ENTRY, CO_MEM_MIN), -EINVAL);
	assert_int_equal(cvm_boot(cvm, ENTRY, ~0ULL), -EINVAL);
	assert_int_equal(cvm_run(cvm, 0, &run), -ENXIO);
	assert_int_equal(cvm_boot(cvm, ENTRY, CO_ZERO_PAGE_GPA), 0);
	co_cvm_destroy(cvm);
}

static void boot_fills_co_boot(void **state)
{
	struct co_cvm *cvm = co_cvm_new();
	struct co_boot *boot;

	(void)state;
	assert_int_equal(cvm_create(cvm, 4, CO_MEM_MIN), 0);
	boot = co_memory_hva(cvm, CO_BOOT_GPA, sizeof(*boot));
	memset(boot, 0xff, sizeof(*boot));
	assert_int_equal(cvm_boot(cvm, ENTRY, CO_ZERO_PAGE_GPA), 0);
	assert_int_equal(boot->magic, CO_ABI_MAGIC);
	assert_int_equal(boot->revision, CO_ABI_REVISION);
	assert_int_equal(boot->mem_bytes, CO_MEM_MIN);
	assert_int_equal(boot->vcpus, 4);
	assert_int_equal(boot->m2p_entries, cvm->m2p_pages * 1024ULL);
	assert_int_equal(boot->tsc_khz, 2400000);
	assert_int_equal(boot->wall_version & 1, 0);
	assert_int_equal(boot->control, CO_CONTROL_NONE);
	assert_int_not_equal(boot->area_entry, 0);
	co_cvm_destroy(cvm);
}

/* --- destroy ------------------------------------------------------------------ */

static void destroy_in_every_state(void **state)
{
	struct co_ioc_run run;
	struct script s;
	static const struct step steps[] = {
		{ CO_OP_TIMER, 1000000000 }, { CO_OP_DEVICE, 0 },
	};
	int stage, fd = sim_event();

	(void)state;
	for (stage = 0; stage <= 6; stage++) {
		struct co_cvm *cvm = co_cvm_new();

		if (stage >= 1)
			assert_int_equal(cvm_create(cvm, 2, CO_MEM_MIN), 0);
		if (stage >= 2)
			assert_int_equal(cvm_doorbell(cvm, 3, fd), 0);
		if (stage >= 3)
			assert_int_equal(cvm_virqfd(cvm, 1, 20, fd), 0);
		if (stage >= 4)
			assert_int_equal(cvm_boot(cvm, ENTRY, 0x2000), 0);
		GUEST(&s, steps);
		if (stage >= 5)
			assert_int_equal(cvm_run(cvm, 0, &run), 0);
		if (stage >= 6)
			assert_int_equal(cvm_run(cvm, 0, &run), 0);
		co_cvm_destroy(cvm);
		assert_int_equal(sim_live(), 0);
		sim_advance(2000000000);	/* its timer must be gone */
	}
	sim_event_close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(version),
		TEST(unknown_ioctl_is_enotty),
		TEST(create_wrong_revision_is_eproto),
		TEST(create_bad_sizes_are_einval),
		TEST(create_twice_is_ebusy),
		TEST(create_short_of_memory_says_how_much),
		TEST(create_more_than_the_host_has_is_e2big),
		TEST(events_before_create_are_enxio),
		TEST(create_survives_each_failed_allocation),
		TEST(no_memory_for_a_cvm),
		TEST(tables_are_inverse),
		TEST(tables_of_the_largest_guest),
		TEST(chunk_beyond_host_memory_is_refused),
		TEST(memory_lookup_keeps_to_its_chunk),
		TEST(memory_is_zeroed),
		TEST(vcpu_pages_are_where_abi_says),
		TEST(boot_before_create_is_enxio),
		TEST(boot_twice_is_ebusy),
		TEST(boot_bad_addresses_are_einval),
		TEST(boot_fills_co_boot),
		TEST(destroy_in_every_state),
	};

	return cmocka_run_group_tests_name("create", tests, NULL, NULL);
}
