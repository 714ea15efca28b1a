// SPDX-License-Identifier: GPL-2.0
/*
 * DIAG_IOCSREG: what it accepts, what it refuses with which errno, and that a
 * refused registration leaves nothing behind.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "uev_harness.h"

#ifndef __NR_memfd_secret
#define __NR_memfd_secret	447
#endif

/* Longest command string, without the terminating NUL */
#define COMMAND_MAX	511

/* A command of exactly @len characters: one event name, one field. */
static char *command_of_length(size_t len)
{
	static const char head[] = "reg_long u32 ";
	char *command = malloc(len + 1);

	memset(command, 'f', len);
	memcpy(command, head, strlen(head));
	command[len] = '\0';
	return command;
}

static void *map_page(int prot)
{
	return mmap(NULL, uev_page_size(), prot, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
}

/* An address at which nothing is mapped, with room up to the next page. */
static void *hole(void)
{
	void *at = map_page(PROT_NONE);

	munmap(at, uev_page_size());
	return at;
}

TEST_F(uev, header_layout)
{
	EXPECT_EQ(28, sizeof(struct user_reg));
	EXPECT_EQ(0, offsetof(struct user_reg, size));
	EXPECT_EQ(4, offsetof(struct user_reg, enable_bit));
	EXPECT_EQ(5, offsetof(struct user_reg, enable_size));
	EXPECT_EQ(6, offsetof(struct user_reg, flags));
	EXPECT_EQ(8, offsetof(struct user_reg, enable_addr));
	EXPECT_EQ(16, offsetof(struct user_reg, name_args));
	EXPECT_EQ(24, offsetof(struct user_reg, write_index));

	EXPECT_EQ(16, sizeof(struct user_unreg));
	EXPECT_EQ(0, offsetof(struct user_unreg, size));
	EXPECT_EQ(4, offsetof(struct user_unreg, disable_bit));
	EXPECT_EQ(5, offsetof(struct user_unreg, __reserved));
	EXPECT_EQ(6, offsetof(struct user_unreg, __reserved2));
	EXPECT_EQ(8, offsetof(struct user_unreg, disable_addr));

	EXPECT_EQ('*', DIAG_IOC_MAGIC);
	EXPECT_EQ(0xc0002a00UL | sizeof(void *) << 16, DIAG_IOCSREG);
	EXPECT_EQ(0x40002a01UL | sizeof(void *) << 16, DIAG_IOCSDEL);
	EXPECT_EQ(0x40002a02UL | sizeof(void *) << 16, DIAG_IOCSUNREG);

	EXPECT_EQ(1, USER_EVENT_REG_PERSIST);
	EXPECT_EQ(2, USER_EVENT_REG_MULTI_FORMAT);
	EXPECT_EQ(4, USER_EVENT_REG_MAX);
	EXPECT_EQ(0x00050010, DYN_LOC(16, 5));
	EXPECT_STREQ("user_events", USER_EVENTS_SYSTEM);
	EXPECT_STREQ("user_events_multi", USER_EVENTS_MULTI_SYSTEM);
	EXPECT_STREQ("u:", USER_EVENTS_PREFIX);
}

TEST_F(uev, modes_of_the_files)
{
	struct stat st;

	ASSERT_EQ(0, stat(UEV_DATA, &st));
	EXPECT_EQ(0640, st.st_mode & 07777);
	ASSERT_EQ(0, stat(TRACEFS "user_events_status", &st));
	EXPECT_EQ(0440, st.st_mode & 07777);
	ASSERT_EQ(0, stat(UEV_MAX_SYSCTL, &st));
	EXPECT_EQ(0644, st.st_mode & 07777);
}

/* It is there for the program, but the kernel could never write the bit */
TEST_F(uev, memory_that_the_kernel_cannot_see)
{
	int fd = syscall(__NR_memfd_secret, O_CLOEXEC);
	__u32 *value;

	if (fd < 0)
		SKIP(return, "no secret memory");
	ASSERT_EQ(0, ftruncate(fd, uev_page_size()));
	value = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE, MAP_SHARED,
		     fd, 0);
	ASSERT_NE(MAP_FAILED, value);
	*value = 0;
	EXPECT_ERR(EFAULT, uev_reg(self->fd, value, 0, 4, 0, "reg_secret u32 a",
				   NULL));
	EXPECT_FALSE(uev_alive("reg_secret"));
	/* Nor where the address space has a bit elsewhere */
	ASSERT_LE(0, uev_reg_index(self->fd, &self->value[0], "reg_open u32 a"));
	EXPECT_ERR(EFAULT, uev_reg(self->fd, value, 0, 4, 0, "reg_secret u32 a",
				   NULL));
	EXPECT_FALSE(uev_alive("reg_secret"));
	munmap(value, uev_page_size());
	close(fd);
}

TEST_F(uev, an_index_belongs_to_a_file)
{
	__u32 *v = self->value;
	int other = uev_open();
	int first, second;

	ASSERT_LE(0, other);
	first = uev_reg_index(self->fd, &v[0], "reg_one u32 a");
	ASSERT_LE(0, first);
	second = uev_reg_index(self->fd, &v[1], "reg_two u32 a");
	ASSERT_LE(0, second);
	EXPECT_NE(first, second);

	/* Registered again at another address: a file has one index per event. */
	EXPECT_EQ(first, uev_reg_index(self->fd, &v[2], "reg_one u32 a"));
	EXPECT_EQ(second, uev_reg_index(self->fd, &v[3], "reg_two u32 a;"));

	/* Another file has indexes of its own. */
	EXPECT_EQ(first, uev_reg_index(other, &v[4], "reg_two u32 a"));
	EXPECT_EQ(second, uev_reg_index(other, &v[5], "reg_one u32 a"));

	EXPECT_TRUE(uev_event_exists("reg_one"));
	EXPECT_TRUE(uev_event_exists("reg_two"));
	close(other);
}

TEST_F(uev, index_goes_with_its_event)
{
	__u32 count = 0, index[300];
	char command[64], text[64];
	__u32 *v = self->value;
	int i;

	for (i = 0; i < 300; i++) {
		sprintf(command, "reg_many%d u32 a", i);
		ASSERT_OK(uev_reg(self->fd, &v[i], 3, 4, 0, command, &index[i]));
	}
	ASSERT_OK(uev_append("events/user_events/enable", "1"));
	for (i = 299; i >= 0; i -= 23) {
		char name[32], *shown;

		count = i * 1000;
		ASSERT_EQ(8, uev_emit(self->fd, index[i], &count, sizeof(count)));
		sprintf(name, "reg_many%d", i);
		sprintf(text, "a=%u\n", count);
		shown = uev_trace_of("trace", name);
		EXPECT_STREQ(text, shown);
		free(shown);
	}
}

TEST_F(uev, struct_may_be_smaller_or_larger)
{
	size_t page = uev_page_size();
	char *area = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct user_reg reg = uev_reg_arg(self->value, 0, 4, 0, "reg_size");
	struct user_reg *at = (void *)area;
	static const __u32 short_sizes[] = { 0, 1, 16, 24, 27 };
	static const __u32 good_sizes[] = { 28, 29, 32, 100, 4095 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(short_sizes); i++) {
		*at = reg;
		at->size = short_sizes[i];
		EXPECT_ERR(EINVAL, uev_reg_raw(self->fd, at))
			TH_LOG("size %u", short_sizes[i]);
	}
	for (i = 0; i <= ARRAY_SIZE(good_sizes); i++) {
		__u32 size = i < ARRAY_SIZE(good_sizes) ? good_sizes[i] : page;

		memset(area, 0, 2 * page);
		*at = reg;
		at->size = size;
		EXPECT_OK(uev_reg_raw(self->fd, at)) TH_LOG("size %u", size);
		EXPECT_EQ(0, at->write_index);
		EXPECT_OK(uev_unreg(self->fd, self->value, 0));

		/* Bytes beyond the struct that this kernel knows must be zero. */
		if (size == sizeof(reg))
			continue;
		area[size - 1] = 1;
		EXPECT_ERR(E2BIG, uev_reg_raw(self->fd, at))
			TH_LOG("size %u, last byte set", size);
		area[size - 1] = 0;
		area[sizeof(reg)] = 0x80;
		EXPECT_ERR(E2BIG, uev_reg_raw(self->fd, at))
			TH_LOG("size %u, first byte set", size);
		area[sizeof(reg)] = 0;
		/* Bytes beyond the given size are not looked at. */
		area[size] = 1;
		EXPECT_OK(uev_reg_raw(self->fd, at)) TH_LOG("size %u", size);
		EXPECT_OK(uev_unreg(self->fd, self->value, 0));
	}

	memset(area, 0, 3 * page);
	*at = reg;
	at->size = page + 1;
	EXPECT_ERR(E2BIG, uev_reg_raw(self->fd, at));
	at->size = ~0U;
	EXPECT_ERR(E2BIG, uev_reg_raw(self->fd, at));
	munmap(area, 3 * page);
}

TEST_F(uev, flags_that_are_not_abi)
{
	int bit;

	for (bit = 2; bit < 16; bit++) {
		EXPECT_ERR(EINVAL, uev_reg(self->fd, self->value, 0, 4,
					   1 << bit, "reg_flag", NULL))
			TH_LOG("flag 1 << %d", bit);
	}
	EXPECT_ERR(EINVAL, uev_reg(self->fd, self->value, 0, 4,
				   USER_EVENT_REG_MAX | USER_EVENT_REG_PERSIST,
				   "reg_flag", NULL));
}

TEST_F(uev, flags_in_the_string)
{
	static const char * const commands[] = {
		"reg_colon:persist", "reg_colon:persist u32 a", "reg_colon:",
		"reg_colon:BPF_ITER u32 a", ":persist", "reg_colon :persist",
		"reg_colon u32 a:persist", "reg_colon u32 :persist",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		EXPECT_ERR(EINVAL, uev_reg(self->fd, self->value, 0, 4, 0,
					   commands[i], NULL))
			TH_LOG("'%s'", commands[i]);
	}
}

TEST_F(uev, sizes_of_the_value)
{
	char *base = self->page;
	bool has_8 = uev_kernel_is_64();
	int size, bit;

	for (size = 0; size < 256; size++) {
		if (size == 4 || (size == 8 && has_8))
			continue;
		EXPECT_ERR(EINVAL, uev_reg(self->fd, base, 0, size, 0,
					   "reg_value", NULL))
			TH_LOG("enable_size %d", size);
	}
	for (bit = 32; bit < 256; bit++) {
		EXPECT_ERR(EINVAL, uev_reg(self->fd, base, bit, 4, 0,
					   "reg_value", NULL))
			TH_LOG("bit %d of 4 bytes", bit);
	}
	for (bit = 64; bit < 256; bit++) {
		EXPECT_ERR(EINVAL, uev_reg(self->fd, base, bit, 8, 0,
					   "reg_value", NULL))
			TH_LOG("bit %d of 8 bytes", bit);
	}
	EXPECT_OK(uev_reg(self->fd, base, 31, 4, 0, "reg_value", NULL));
	EXPECT_EQ(has_8 ? 0 : -EINVAL,
		  uev_reg(self->fd, base + 8, 63, 8, 0, "reg_value", NULL));
}

TEST_F(uev, alignment_of_the_value)
{
	bool has_8 = uev_kernel_is_64();
	char *base = self->page;
	int off;

	for (off = 0; off < 16; off++) {
		EXPECT_EQ(off % 4 ? -EINVAL : 0,
			  uev_reg(self->fd, base + off, 1, 4, 0, "reg_al",
				  NULL)) TH_LOG("4 bytes at +%d", off);
		EXPECT_EQ(off % 8 || !has_8 ? -EINVAL : 0,
			  uev_reg(self->fd, base + off, 2, 8, 0, "reg_al",
				  NULL)) TH_LOG("8 bytes at +%d", off);
	}
}

TEST_F(uev, length_of_the_string)
{
	char *longest = command_of_length(COMMAND_MAX);
	char *longer = command_of_length(COMMAND_MAX + 1);
	char *much = command_of_length(100000);

	EXPECT_OK(uev_reg(self->fd, self->value, 0, 4, 0, longest, NULL));
	EXPECT_ERR(EINVAL, uev_reg(self->fd, self->value, 1, 4, 0, longer,
				   NULL));
	EXPECT_ERR(EINVAL, uev_reg(self->fd, self->value, 2, 4, 0, much, NULL));
	free(longest);
	free(longer);
	free(much);
}

TEST_F(uev, memory_that_cannot_be_read)
{
	size_t page = uev_page_size();
	char *two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *edge = two + page;
	struct user_reg reg;

	ASSERT_EQ(0, munmap(edge, page));

	EXPECT_ERR(EFAULT, uev_reg_raw(self->fd, NULL));
	EXPECT_ERR(EFAULT, uev_reg_raw(self->fd, hole()));
	/* The struct reaches into the hole, with its known part or its tail. */
	reg = uev_reg_arg(self->value, 0, 4, 0, "reg_fault");
	memcpy(edge - 27, &reg, 27);
	EXPECT_ERR(EFAULT, uev_reg_raw(self->fd, (void *)(edge - 27)));
	memset(edge - 64, 0, 64);
	reg.size = 100;
	memcpy(edge - 64, &reg, sizeof(reg));
	EXPECT_ERR(EFAULT, uev_reg_raw(self->fd, (void *)(edge - 64)));

	EXPECT_ERR(EFAULT, uev_reg(self->fd, self->value, 0, 4, 0, NULL, NULL));
	EXPECT_ERR(EFAULT, uev_reg(self->fd, self->value, 0, 4, 0, hole(),
				   NULL));
	/* A string without its NUL before the hole */
	memcpy(edge - 10, "reg_fault ", 10);
	EXPECT_ERR(EFAULT, uev_reg(self->fd, self->value, 0, 4, 0, edge - 10,
				   NULL));
	memcpy(edge - 10, "reg_fault", 10);
	EXPECT_OK(uev_reg(self->fd, self->value, 0, 4, 0, edge - 10, NULL));
	munmap(two, page);
}

TEST_F(uev, addresses_outside_user_space)
{
	/* Even in a 32-bit program the field has 64 bits of address. */
	const __u64 far = 1ULL << 63;
	static const char command[] __aligned(8) = "reg_far";
	const __u64 outside[] = {
		0xffffffff81000000ULL, 0xffff888000000000ULL, far, ~0ULL - 7,
		/* These would be valid if the top bit were dropped. */
		far + (uintptr_t)self->value, far + (uintptr_t)command,
	};
	struct user_reg reg;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(outside); i++) {
		reg = uev_reg_arg(NULL, 0, 4, 0, "reg_outside");
		reg.enable_addr = outside[i];
		EXPECT_ERR(EFAULT, uev_reg_raw(self->fd, &reg))
			TH_LOG("value at 0x%llx", (unsigned long long)outside[i]);
		reg = uev_reg_arg(self->value, 0, 4, 0, NULL);
		reg.name_args = outside[i];
		EXPECT_ERR(EFAULT, uev_reg_raw(self->fd, &reg))
			TH_LOG("string at 0x%llx", (unsigned long long)outside[i]);
	}
}

#ifdef __aarch64__
/* A program that asks for it may put a tag into the top byte of a pointer. */
TEST_F(uev, tag_in_a_pointer)
{
	__u32 *v = self->value, *tagged, *other;

	tagged = (__u32 *)((uintptr_t)v | 0x5aUL << 56);
	other = (__u32 *)((uintptr_t)v | 0xa5UL << 56);
	EXPECT_ERR(EFAULT, uev_reg(self->fd, tagged, 3, 4, 0, "reg_tag", NULL));
	ASSERT_EQ(0, prctl(PR_SET_TAGGED_ADDR_CTRL, PR_TAGGED_ADDR_ENABLE, 0, 0,
			   0));
	ASSERT_OK(uev_reg(self->fd, tagged, 3, 4, 0, "reg_tag", NULL));
	EXPECT_ERR(EADDRINUSE, uev_reg(self->fd, v, 3, 4, 0, "reg_tag", NULL));
	EXPECT_ERR(EADDRINUSE, uev_reg(self->fd, other, 3, 4, 0, "reg_tag",
				       NULL));
	ASSERT_OK(uev_enable("reg_tag", true));
	ASSERT_BECOMES(8, *v);
	ASSERT_OK(uev_unreg(self->fd, other, 3));
	EXPECT_EQ(0, *v);
	EXPECT_ERR(ENOENT, uev_unreg(self->fd, v, 3));
	/* A pointer to the string may have a tag as well. */
	ASSERT_OK(uev_reg(self->fd, v, 3, 4, 0,
			  (char *)((uintptr_t)"reg_tag" | 0x5aUL << 56), NULL));
}
#endif

TEST_F(uev, value_that_cannot_be_written)
{
	struct uev_census before;
	__u32 *read_only = map_page(PROT_READ);
	__u32 *none = map_page(PROT_NONE);

	uev_census_take(&before);
	EXPECT_ERR(EFAULT, uev_reg(self->fd, NULL, 0, 4, 0, "reg_w", NULL));
	EXPECT_ERR(EFAULT, uev_reg(self->fd, hole(), 0, 4, 0, "reg_w", NULL));
	EXPECT_ERR(EFAULT, uev_reg(self->fd, read_only, 0, 4, 0, "reg_w", NULL));
	EXPECT_ERR(EFAULT, uev_reg(self->fd, none, 0, 4, 0, "reg_w", NULL));
	EXPECT_STREQ("", uev_census_diff(&before));

	/* The refused attempts have not taken the address. */
	ASSERT_EQ(0, mprotect(read_only, uev_page_size(),
			      PROT_READ | PROT_WRITE));
	EXPECT_OK(uev_reg(self->fd, read_only, 0, 4, 0, "reg_w", NULL));
	EXPECT_EQ(0, *read_only);
	uev_census_free(&before);
}

TEST_F(uev, address_and_bit_are_taken_once)
{
	__u32 *v = self->value;
	int other = uev_open();

	ASSERT_LE(0, other);
	ASSERT_OK(uev_reg(self->fd, v, 5, 4, 0, "reg_used u32 a", NULL));
	/* Same event, other event, other file, other size: the bit is taken. */
	EXPECT_ERR(EADDRINUSE, uev_reg(self->fd, v, 5, 4, 0, "reg_used u32 a",
				       NULL));
	EXPECT_ERR(EADDRINUSE, uev_reg(self->fd, v, 5, 4, 0, "reg_used2 u32 a",
				       NULL));
	EXPECT_ERR(EADDRINUSE, uev_reg(other, v, 5, 4, 0, "reg_used u32 a",
				       NULL));
	if (uev_kernel_is_64())
		EXPECT_ERR(EADDRINUSE, uev_reg(self->fd, v, 5, 8, 0, "reg_used2",
					       NULL));
	EXPECT_FALSE(uev_event_exists("reg_used2"));
	/* Other bits and other addresses are not. */
	EXPECT_OK(uev_reg(self->fd, v, 6, 4, 0, "reg_used u32 a", NULL));
	EXPECT_OK(uev_reg(self->fd, v + 1, 5, 4, 0, "reg_used u32 a", NULL));
	/* And it is free again after DIAG_IOCSUNREG. */
	EXPECT_OK(uev_unreg(self->fd, v, 5));
	EXPECT_OK(uev_reg(other, v, 5, 4, 0, "reg_used2 u32 a", NULL));
	close(other);
}

TEST_F(uev, event_with_other_fields)
{
	__u32 *v = self->value;
	static const char * const others[] = {
		"reg_same", "reg_same u32 a", "reg_same u32 a;u16 c",
		"reg_same u32 b;u16 a", "reg_same u16 b;u32 a",
		"reg_same u32 a;s16 b", "reg_same u32 a;u16 b;u16 c",
		"reg_same unsigned int a;u16 b",
	};
	size_t i;

	ASSERT_OK(uev_reg(self->fd, v, 0, 4, 0, "reg_same u32 a;u16 b", NULL));
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		EXPECT_ERR(EADDRINUSE, uev_reg(self->fd, &v[1], 0, 4, 0,
					       others[i], NULL))
			TH_LOG("'%s'", others[i]);
	}
	EXPECT_OK(uev_reg(self->fd, &v[1], 0, 4, 0, "reg_same u32 a ; u16 b ;",
			  NULL));
}

TEST_F(uev, bit_is_right_on_return)
{
	__u32 *v = self->value;
	int i;

	ASSERT_OK(uev_dynamic("u:reg_live u32 a"));
	ASSERT_OK(uev_enable("reg_live", true));
	for (i = 0; i < 200; i++) {
		v[0] = 0;
		ASSERT_OK(uev_reg(self->fd, v, i % 32, 4, 0, "reg_live u32 a",
				  NULL));
		ASSERT_EQ(1U << i % 32, UEV_READ(v[0]));
		ASSERT_OK(uev_unreg(self->fd, v, i % 32));
		ASSERT_EQ(0, UEV_READ(v[0]));
	}
	/* Nobody listens: a bit that was set by chance is cleared. */
	ASSERT_OK(uev_enable("reg_live", false));
	v[0] = ~0U;
	ASSERT_OK(uev_reg(self->fd, v, 7, 4, 0, "reg_live u32 a", NULL));
	EXPECT_EQ(~(1U << 7), UEV_READ(v[0]));
}

TEST_F(uev, copy_out_fails)
{
	struct user_reg *reg = map_page(PROT_READ | PROT_WRITE);
	struct uev_census before;
	__u32 *v = self->value, dummy = 0;

	/* Somebody listens, so that a bit would be set on the way. */
	ASSERT_OK(uev_dynamic("u:reg_out_old u32 a"));
	ASSERT_OK(uev_enable("reg_out_old", true));

	*reg = uev_reg_arg(v, 4, 4, 0, "reg_out_old u32 a");
	ASSERT_EQ(0, mprotect(reg, uev_page_size(), PROT_READ));
	UEV_WRITE(*v, ~0U);
	uev_census_take(&before);
	EXPECT_ERR(EFAULT, uev_reg_raw(self->fd, reg));
	/* Nor would it be cleared again */
	EXPECT_EQ(~0U, UEV_READ(*v));
	/* no index in the file, ... */
	EXPECT_ERR(ENOENT, uev_emit(self->fd, 0, &dummy, sizeof(dummy)));
	/* ... no registration, ... */
	EXPECT_ERR(ENOENT, uev_unreg(self->fd, v, 4));
	/* ... no reference */
	ASSERT_OK(uev_enable("reg_out_old", false));
	EXPECT_OK(uev_delete(self->fd, "reg_out_old"));
	uev_census_free(&before);

	/* and no event, if there was none. */
	uev_census_take(&before);
	ASSERT_EQ(0, mprotect(reg, uev_page_size(), PROT_READ | PROT_WRITE));
	*reg = uev_reg_arg(v, 4, 4, 0, "reg_out_new u32 a");
	ASSERT_EQ(0, mprotect(reg, uev_page_size(), PROT_READ));
	EXPECT_ERR(EFAULT, uev_reg_raw(self->fd, reg));
	EXPECT_STREQ("", uev_census_diff(&before));
	EXPECT_ERR(ENOENT, uev_delete(self->fd, "reg_out_new"));
	EXPECT_ERR(ENOENT, uev_emit(self->fd, 0, &dummy, sizeof(dummy)));
	EXPECT_OK(uev_reg(self->fd, v, 4, 4, 0, "reg_out_new s64 other", NULL));

	/* An event that the file has already keeps its index. */
	ASSERT_EQ(0, mprotect(reg, uev_page_size(), PROT_READ | PROT_WRITE));
	*reg = uev_reg_arg(v, 9, 4, 0, "reg_out_new s64 other");
	ASSERT_EQ(0, mprotect(reg, uev_page_size(), PROT_READ));
	EXPECT_ERR(EFAULT, uev_reg_raw(self->fd, reg));
	EXPECT_ERR(ENOENT, uev_unreg(self->fd, v, 9));
	EXPECT_ERR(EBADF, uev_emit(self->fd, 0, "12345678", 8));
	uev_census_free(&before);
	munmap(reg, uev_page_size());
}

/*
 * The index of an existing event cannot be copied out: the next event gets that
 * index, and this one gets another index later.
 */
TEST_F(uev, copy_out_of_an_index_fails)
{
	struct user_reg *reg = map_page(PROT_READ | PROT_WRITE);
	__u32 *v = self->value, n = 1;
	int first, second;
	char *shown;

	ASSERT_OK(uev_dynamic("u:reg_vain u32 a"));
	*reg = uev_reg_arg(&v[0], 0, 4, 0, "reg_vain u32 a");
	ASSERT_EQ(0, mprotect(reg, uev_page_size(), PROT_READ));
	EXPECT_ERR(EFAULT, uev_reg_raw(self->fd, reg));

	first = uev_reg_index(self->fd, &v[1], "reg_next u32 b");
	ASSERT_LE(0, first);
	second = uev_reg_index(self->fd, &v[2], "reg_vain u32 a");
	ASSERT_LE(0, second);
	EXPECT_NE(first, second);
	ASSERT_OK(uev_append("events/user_events/enable", "1"));
	EXPECT_EQ(8, uev_emit(self->fd, second, &n, sizeof(n)));
	shown = uev_trace_of("trace", "reg_vain");
	EXPECT_STREQ("a=1\n", shown);
	free(shown);
	munmap(reg, uev_page_size());
}

/* Gone when the call returns, not a little later */
TEST_F(uev, copy_out_of_a_new_event_fails)
{
	struct user_reg *reg = map_page(PROT_READ | PROT_WRITE);
	int round;

	*reg = uev_reg_arg(self->value, 0, 4, 0, "reg_now u32 a");
	ASSERT_EQ(0, mprotect(reg, uev_page_size(), PROT_READ));
	for (round = 0; round < 100; round++) {
		ASSERT_ERR(EFAULT, uev_reg_raw(self->fd, reg));
		ASSERT_FALSE(uev_alive("reg_now")) TH_LOG("round %d", round);
	}
	munmap(reg, uev_page_size());
}

/* One way to be refused, done often enough for a leak to show. */
struct refusal {
	const char *what;
	int err;
	const char *command;
	int bit, size, flags;
	enum { GOOD, UNMAPPED, READ_ONLY, OUTSIDE, TAKEN } where;
	bool read_only_struct;
	__u32 struct_size;
	bool as_nobody;
	bool at_the_limit;
};

static const struct refusal refusals[] = {
	{ "grammar", EINVAL, "reg_leak u32 a; u32 a", 0, 4 },
	{ "type", EINVAL, "reg_leak u32 a; long b", 0, 4 },
	{ "flag", EINVAL, "reg_leak u32 a", 0, 4, USER_EVENT_REG_MAX },
	{ "bit", EINVAL, "reg_leak u32 a", 32, 4 },
	{ "size too small", EINVAL, "reg_leak u32 a", 0, 4, .struct_size = 20 },
	{ "size too large", E2BIG, "reg_leak u32 a", 0, 4,
	  .struct_size = 1 << 20 },
	{ "value unmapped", EFAULT, "reg_leak u32 a", 0, 4, .where = UNMAPPED },
	{ "value read-only", EFAULT, "reg_leak u32 a", 0, 4,
	  .where = READ_ONLY },
	{ "value outside", EFAULT, "reg_leak u32 a", 0, 4, .where = OUTSIDE },
	{ "bit taken", EADDRINUSE, "reg_leak u32 a", 0, 4, .where = TAKEN },
	{ "bit taken, old event", EADDRINUSE, "reg_held u32 a", 0, 4,
	  .where = TAKEN },
	{ "other fields", EADDRINUSE, "reg_held u32 b; __rel_loc char[] c", 0,
	  4 },
	{ "value unmapped, multi-format", EFAULT, "reg_leak u32 a", 0, 4,
	  USER_EVENT_REG_MULTI_FORMAT, UNMAPPED },
	{ "value unmapped, persistent", EFAULT, "reg_leak u32 a", 0, 4,
	  USER_EVENT_REG_PERSIST, UNMAPPED },
	{ "not privileged", EPERM, "reg_leak u32 a", 0, 4,
	  USER_EVENT_REG_PERSIST, .as_nobody = true },
	{ "limit reached", EMFILE, "reg_leak u32 a", 0, 4,
	  .at_the_limit = true },
	{ "limit reached, multi-format", EMFILE, "reg_leak u32 a", 0, 4,
	  USER_EVENT_REG_MULTI_FORMAT, .at_the_limit = true },
	{ "copy-out", EFAULT, "reg_leak u32 a", 0, 4,
	  .read_only_struct = true },
	{ "copy-out, old event", EFAULT, "reg_held u32 a", 0, 4,
	  .read_only_struct = true },
	{ "copy-out, multi-format", EFAULT, "reg_leak u32 a", 0, 4,
	  USER_EVENT_REG_MULTI_FORMAT, .read_only_struct = true },
};

static long grown(long before)
{
	long now = uev_slab_objects();

	return now < 0 ? 0 : now - before;
}

struct refused_rounds {
	const struct refusal *how;
	struct user_reg *reg;
	int fd, rounds;
};

/* Returns the first round that was not refused as expected, or 0. */
static int refuse_often(void *arg)
{
	const struct refused_rounds *r = arg;
	int round;

	if (r->how->as_nobody && uev_become_nobody())
		return 1;
	for (round = 1; round <= r->rounds; round++) {
		if (uev_reg_raw(r->fd, r->reg) != -r->how->err)
			return round < 255 ? round : 255;
	}
	return 0;
}

TEST_F(uev, a_refused_registration_leaves_nothing)
{
	const int rounds = uev_rounds(600);
	struct user_reg *reg = map_page(PROT_READ | PROT_WRITE);
	__u32 *read_only = map_page(PROT_READ);
	__u32 *unmapped = hole();	/* last, so that nothing is mapped there */
	__u32 *v = self->value, dummy = 0;
	char full[16], *old = uev_get(UEV_MAX_SYSCTL);
	struct uev_census before;
	size_t i;

	ASSERT_OK(uev_reg(self->fd, &v[0], 0, 4, 0, "reg_held u32 a", NULL));
	/* Nobody listens: to write a bit would be to clear it */
	v[0] = ~0U;
	v[1] = ~0U;
	sprintf(full, "%d", uev_status_count("Active"));

	for (i = 0; i < ARRAY_SIZE(refusals); i++) {
		const struct refusal *r = &refusals[i];
		void *where[] = { &v[1], unmapped, read_only,
				  (void *)(uintptr_t)-4096, &v[0] };
		struct refused_rounds often = {
			.how = r, .reg = reg, .fd = self->fd, .rounds = rounds,
		};
		long objects;

		*reg = uev_reg_arg(where[r->where], r->bit, r->size, r->flags,
				   r->command);
		if (r->where == OUTSIDE)
			reg->enable_addr = -4096ULL;
		if (r->struct_size)
			reg->size = r->struct_size;
		if (r->read_only_struct)
			mprotect(reg, uev_page_size(), PROT_READ);

		uev_census_take(&before);
		objects = uev_slab_objects();
		if (r->at_the_limit)
			ASSERT_OK(uev_put(UEV_MAX_SYSCTL, full));
		ASSERT_EQ(0, r->as_nobody ? uev_in_child(refuse_often, &often) :
					    refuse_often(&often))
			TH_LOG("%s", r->what);
		ASSERT_OK(uev_put(UEV_MAX_SYSCTL, old));
		EXPECT_STREQ("", uev_census_diff(&before))
			TH_LOG("%s left something", r->what);
		/* If each round leaked an object, it would be more than this. */
		EXPECT_TRUE(objects < 0 || uev_wait_for(grown(objects) < rounds / 2))
			TH_LOG("%s: %ld objects more after %d rounds", r->what,
			       grown(objects), rounds);
		uev_census_free(&before);

		EXPECT_ERR(ENOENT, uev_emit(self->fd, 1, &dummy, sizeof(dummy)))
			TH_LOG("%s left an index", r->what);
		EXPECT_ERR(ENOENT, uev_unreg(self->fd, &v[1], 0))
			TH_LOG("%s left an address", r->what);
		EXPECT_EQ(~0U, UEV_READ(v[0]) & UEV_READ(v[1]))
			TH_LOG("%s", r->what);
		if (r->read_only_struct)
			mprotect(reg, uev_page_size(), PROT_READ | PROT_WRITE);
	}

	/* reg_held is still held by one file and one address. */
	EXPECT_ERR(EBUSY, uev_delete(self->fd, "reg_held"));
	close(self->fd);
	self->fd = uev_open();
	ASSERT_LE(0, self->fd);
	EXPECT_ERR(EBUSY, uev_delete(self->fd, "reg_held"));
	EXPECT_OK(uev_unreg(self->fd, &v[0], 0));
	EXPECT_EQ(true, !uev_alive("reg_held") ||
		  !uev_delete(self->fd, "reg_held") || !uev_alive("reg_held"));
	munmap(reg, uev_page_size());
	munmap(read_only, uev_page_size());
	free(old);
}

TEST_F(uev, limit_of_events)
{
	struct uev_census before;
	char text[16], *old = uev_get(UEV_MAX_SYSCTL);
	__u32 *v = self->value;

	ASSERT_OK(uev_reg(self->fd, &v[0], 0, 4, 0, "reg_limit1", NULL));
	sprintf(text, "%d", uev_status_count("Active"));
	uev_census_take(&before);
	ASSERT_OK(uev_put(UEV_MAX_SYSCTL, text));
	EXPECT_ERR(EMFILE, uev_reg(self->fd, &v[1], 0, 4, 0, "reg_limit2",
				   NULL));
	EXPECT_ERR(EMFILE, uev_reg(self->fd, &v[1], 0, 4,
				   USER_EVENT_REG_MULTI_FORMAT, "reg_limit1",
				   NULL));
	EXPECT_STREQ("", uev_census_diff(&before));
	EXPECT_ERR(ENOENT, uev_unreg(self->fd, &v[1], 0));
	/* What exists can be registered all the same. */
	EXPECT_OK(uev_reg(self->fd, &v[1], 0, 4, 0, "reg_limit1", NULL));
	EXPECT_OK(uev_put(UEV_MAX_SYSCTL, old));
	EXPECT_OK(uev_reg(self->fd, &v[2], 0, 4, 0, "reg_limit2", NULL));
	uev_census_free(&before);
	free(old);
}

TEST_HARNESS_MAIN
