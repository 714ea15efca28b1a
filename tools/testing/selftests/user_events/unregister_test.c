// SPDX-License-Identifier: GPL-2.0
/*
 * DIAG_IOCSUNREG and DIAG_IOCSDEL, and what is no command at all.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "uev_harness.h"

static struct user_unreg unreg_arg(const void *value, int bit)
{
	struct user_unreg unreg = {
		.size = sizeof(unreg),
		.disable_bit = bit,
		.disable_addr = (uintptr_t)value,
	};

	return unreg;
}

static int unreg_raw(int fd, const void *arg)
{
	return ioctl(fd, DIAG_IOCSUNREG, arg) < 0 ? -errno : 0;
}

TEST_F(uev, unregister_clears_the_bit)
{
	__u32 *v = self->value;

	/* whatever the state of the event: somebody listens, ... */
	ASSERT_OK(uev_reg(self->fd, v, 3, 4, 0, "rel_clear", NULL));
	ASSERT_OK(uev_enable("rel_clear", true));
	ASSERT_BECOMES(1U << 3, *v);
	ASSERT_OK(uev_unreg(self->fd, v, 3));
	EXPECT_EQ(0, UEV_READ(*v));

	/* ... or nobody, and the program has set the bit. */
	ASSERT_OK(uev_enable("rel_clear", false));
	ASSERT_OK(uev_reg(self->fd, v, 3, 4, 0, "rel_clear", NULL));
	UEV_WRITE(*v, ~0U);
	ASSERT_OK(uev_unreg(self->fd, v, 3));
	EXPECT_EQ(~(1U << 3), UEV_READ(*v));

	/* After that a switch does not write to it. */
	UEV_WRITE(*v, 0);
	ASSERT_OK(uev_enable("rel_clear", true));
	usleep(100000);
	EXPECT_EQ(0, UEV_READ(*v));
}

/* What cannot be written any more is unregistered, and left as it is. */
TEST_F(uev, unregister_what_cannot_be_written)
{
	size_t page = uev_page_size();
	int fd = memfd_create("uev", MFD_CLOEXEC);
	__u32 *v = self->value;

	ASSERT_OK(uev_reg(self->fd, v, 3, 4, 0, "rel_locked", NULL));
	ASSERT_OK(uev_enable("rel_locked", true));
	ASSERT_BECOMES(1U << 3, *v);
	ASSERT_EQ(0, mprotect(v, page, PROT_READ));
	EXPECT_OK(uev_unreg(self->fd, v, 3));
	EXPECT_EQ(1U << 3, UEV_READ(*v));
	EXPECT_ERR(ENOENT, uev_unreg(self->fd, v, 3));

	/* A file that was truncated */
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, page));
	v = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, v);
	ASSERT_OK(uev_reg(self->fd, v, 3, 4, 0, "rel_locked", NULL));
	ASSERT_EQ(0, ftruncate(fd, 0));
	EXPECT_OK(uev_unreg(self->fd, v, 3));
	EXPECT_ERR(ENOENT, uev_unreg(self->fd, v, 3));
	munmap(v, page);
	close(fd);
}

TEST_F(uev, unregister_what_is_not_registered)
{
	struct user_unreg unreg = unreg_arg(self->value, 3);
	__u32 *v = self->value;

	EXPECT_ERR(ENOENT, uev_unreg(self->fd, v, 0));
	ASSERT_OK(uev_reg(self->fd, v, 3, 4, 0, "rel_noent", NULL));
	EXPECT_ERR(ENOENT, uev_unreg(self->fd, v, 4));
	EXPECT_ERR(ENOENT, uev_unreg(self->fd, v + 1, 3));
	EXPECT_ERR(ENOENT, uev_unreg(self->fd, NULL, 3));
	EXPECT_ERR(ENOENT, uev_unreg(self->fd, (char *)v + 1, 3));
	/* What is outside of user space is not registered, either. */
	unreg.disable_addr += 1ULL << 63;
	EXPECT_ERR(ENOENT, unreg_raw(self->fd, &unreg));
	unreg.disable_addr = -4096ULL;
	EXPECT_ERR(ENOENT, unreg_raw(self->fd, &unreg));
	EXPECT_OK(uev_unreg(self->fd, v, 3));
	EXPECT_ERR(ENOENT, uev_unreg(self->fd, v, 3));
}

TEST_F(uev, unregister_argument)
{
	size_t page = uev_page_size();
	char *area = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct user_unreg unreg = unreg_arg(self->value, 1);
	struct user_unreg *at = (void *)area;
	__u32 size;

	ASSERT_OK(uev_reg(self->fd, self->value, 1, 4, 0, "rel_arg", NULL));

	for (size = 0; size < sizeof(unreg); size++) {
		*at = unreg;
		at->size = size;
		EXPECT_ERR(EINVAL, unreg_raw(self->fd, at))
			TH_LOG("size %u", size);
	}
	*at = unreg;
	at->__reserved = 1;
	EXPECT_ERR(EINVAL, unreg_raw(self->fd, at));
	*at = unreg;
	at->__reserved2 = 0x100;
	EXPECT_ERR(EINVAL, unreg_raw(self->fd, at));

	memset(area, 0, page);
	*at = unreg;
	at->size = page;
	area[page - 1] = 1;
	EXPECT_ERR(E2BIG, unreg_raw(self->fd, at));
	area[page - 1] = 0;
	at->size = page + 1;
	EXPECT_ERR(E2BIG, unreg_raw(self->fd, at));

	EXPECT_ERR(EFAULT, unreg_raw(self->fd, NULL));
	ASSERT_EQ(0, munmap(area + 2 * page, page));
	memcpy(area + 2 * page - 15, &unreg, 15);
	EXPECT_ERR(EFAULT, unreg_raw(self->fd, area + 2 * page - 15));

	/* All that has left the registration as it was. */
	at->size = page;
	EXPECT_OK(unreg_raw(self->fd, at));
	EXPECT_ERR(ENOENT, unreg_raw(self->fd, at));
	munmap(area, 2 * page);
}

TEST_F(uev, unregister_through_another_file)
{
	__u32 *v = self->value;
	int other = uev_open();

	ASSERT_LE(0, other);
	ASSERT_OK(uev_reg(self->fd, v, 0, 4, 0, "rel_other", NULL));
	ASSERT_OK(uev_enable("rel_other", true));
	ASSERT_BECOMES(1, *v);
	EXPECT_OK(uev_unreg(other, v, 0));
	EXPECT_EQ(0, UEV_READ(*v));

	/* Also when the file that registered is no more. */
	ASSERT_OK(uev_reg(other, v, 0, 4, 0, "rel_other", NULL));
	close(other);
	EXPECT_EQ(1, UEV_READ(*v));
	EXPECT_OK(uev_unreg(self->fd, v, 0));
	EXPECT_EQ(0, UEV_READ(*v));
}

TEST_F(uev, registration_outlives_its_file)
{
	__u32 *v = self->value;
	int other = uev_open();

	ASSERT_LE(0, other);
	ASSERT_OK(uev_reg(other, v, 0, 4, 0, "rel_closed", NULL));
	close(other);
	ASSERT_OK(uev_enable("rel_closed", true));
	ASSERT_BECOMES(1, *v);
	ASSERT_OK(uev_enable("rel_closed", false));
	ASSERT_BECOMES(0, *v);
	EXPECT_OK(uev_unreg(self->fd, v, 0));
}

TEST_F(uev, unregister_of_unmapped_value)
{
	__u32 *v = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_OK(uev_reg(self->fd, v, 0, 4, 0, "rel_unmapped", NULL));
	ASSERT_EQ(0, munmap(v, uev_page_size()));
	EXPECT_OK(uev_unreg(self->fd, v, 0));
	EXPECT_ERR(ENOENT, uev_unreg(self->fd, v, 0));
}

TEST_F(uev, unregister_one_of_many)
{
	__u32 *v = self->value;
	int bit, left;

	for (bit = 0; bit < 32; bit++)
		ASSERT_OK(uev_reg(self->fd, v, bit, 4, 0, "rel_many", NULL));
	ASSERT_OK(uev_enable("rel_many", true));
	ASSERT_BECOMES(~0U, *v);
	for (bit = 0; bit < 32; bit++) {
		left = (bit * 7 + 3) % 32;
		ASSERT_OK(uev_unreg(self->fd, v, left));
		EXPECT_EQ(0, UEV_READ(*v) & 1U << left);
		EXPECT_EQ(31 - bit, __builtin_popcount(UEV_READ(*v)));
	}
}

TEST_F(uev, delete_takes_a_name)
{
	static char name[600];

	EXPECT_ERR(ENOENT, uev_delete(self->fd, "rel_nothing"));
	EXPECT_ERR(EFAULT, uev_delete(self->fd, NULL));
	EXPECT_ERR(EFAULT, uev_delete(self->fd, (char *)(uintptr_t)-4096));
	memset(name, 'n', sizeof(name) - 1);
	EXPECT_ERR(EINVAL, uev_delete(self->fd, name));
	name[512] = '\0';
	EXPECT_ERR(EINVAL, uev_delete(self->fd, name));
	name[511] = '\0';
	EXPECT_ERR(ENOENT, uev_delete(self->fd, name));

	ASSERT_OK(uev_dynamic("u:rel_named u32 a"));
	EXPECT_ERR(ENOENT, uev_delete(self->fd, "rel_name"));
	EXPECT_ERR(ENOENT, uev_delete(self->fd, "rel_named2"));
	/* alone, without what a command string has */
	EXPECT_ERR(ENOENT, uev_delete(self->fd, "rel_named u32 a"));
	EXPECT_ERR(ENOENT, uev_delete(self->fd, "rel_named "));
	EXPECT_ERR(ENOENT, uev_delete(self->fd, "u:rel_named"));
	EXPECT_ERR(ENOENT, uev_delete(self->fd, ""));
	EXPECT_TRUE(uev_event_exists("rel_named"));
	EXPECT_OK(uev_delete(self->fd, "rel_named"));
	EXPECT_FALSE(uev_event_exists("rel_named"));
	EXPECT_FALSE(uev_alive("rel_named"));
	EXPECT_ERR(ENOENT, uev_delete(self->fd, "rel_named"));
}

TEST_F(uev, delete_while_a_file_has_it)
{
	__u32 *v = self->value;

	ASSERT_OK(uev_reg(self->fd, v, 0, 4, USER_EVENT_REG_PERSIST, "rel_file",
			  NULL));
	ASSERT_OK(uev_unreg(self->fd, v, 0));
	EXPECT_ERR(EBUSY, uev_delete(self->fd, "rel_file"));
	close(self->fd);
	self->fd = uev_open();
	ASSERT_LE(0, self->fd);
	EXPECT_OK(uev_delete(self->fd, "rel_file"));
	EXPECT_FALSE(uev_event_exists("rel_file"));
}

TEST_F(uev, delete_while_an_address_has_it)
{
	__u32 *v = self->value;

	ASSERT_OK(uev_reg(self->fd, v, 0, 4, USER_EVENT_REG_PERSIST, "rel_addr",
			  NULL));
	close(self->fd);
	self->fd = uev_open();
	ASSERT_LE(0, self->fd);
	EXPECT_ERR(EBUSY, uev_delete(self->fd, "rel_addr"));
	ASSERT_OK(uev_unreg(self->fd, v, 0));
	EXPECT_OK(uev_delete(self->fd, "rel_addr"));
}

TEST_F(uev, delete_while_a_tracer_has_it)
{
	ASSERT_OK(uev_dynamic("u:rel_tracer u32 a"));
	ASSERT_OK(uev_enable("rel_tracer", true));
	EXPECT_ERR(EBUSY, uev_delete(self->fd, "rel_tracer"));
	EXPECT_TRUE(uev_event_exists("rel_tracer"));
	ASSERT_OK(uev_enable("rel_tracer", false));
	EXPECT_OK(uev_delete(self->fd, "rel_tracer"));
	EXPECT_FALSE(uev_event_exists("rel_tracer"));
}

TEST_F(uev, other_commands)
{
	struct user_reg reg = uev_reg_arg(self->value, 0, 4, 0, "rel_tty");
	static const unsigned long wrong[] = {
		0, _IO(DIAG_IOC_MAGIC, 0), _IO(DIAG_IOC_MAGIC, 3),
		_IOWR(DIAG_IOC_MAGIC, 3, struct user_reg *),
		_IOW(DIAG_IOC_MAGIC, 255, char *), 0x5401 /* TCGETS */,
		_IOW(DIAG_IOC_MAGIC, 0, struct user_reg *),
		_IOWR(DIAG_IOC_MAGIC, 0, struct user_reg),
		_IOWR('+', 0, struct user_reg *), ~0U,
		/* the numbers of programs with the other size of pointers */
		_IOC(_IOC_READ | _IOC_WRITE, DIAG_IOC_MAGIC, 0,
		     12 - sizeof(void *)),
		_IOC(_IOC_WRITE, DIAG_IOC_MAGIC, 1, 12 - sizeof(void *)),
		_IOC(_IOC_WRITE, DIAG_IOC_MAGIC, 2, 12 - sizeof(void *)),
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		errno = 0;
		EXPECT_EQ(-1, ioctl(self->fd, wrong[i], &reg))
			TH_LOG("command 0x%lx", wrong[i]);
		EXPECT_EQ(ENOTTY, errno) TH_LOG("command 0x%lx", wrong[i]);
	}
	EXPECT_FALSE(uev_event_exists("rel_tty"));
}

TEST_HARNESS_MAIN
