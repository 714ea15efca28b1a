/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kselftest_harness.h for these tests, with more than its 30 seconds for a test,
 * which are short on an emulated CPU with KASAN, and a fixture for most tests: an
 * open file, and an enable word that is alone in its page.
 */
#ifndef UEV_HARNESS_H
#define UEV_HARNESS_H

#include "uev_util.h"
#include "../kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT UEV_TEST_TIMEOUT

/* What @call returns is 0 or a negative errno: show it as such. */
#define ASSERT_OK(call)		ASSERT_EQ(0, call)
#define EXPECT_OK(call)		EXPECT_EQ(0, call)
#define ASSERT_ERR(err, call)	ASSERT_EQ(-(err), call)
#define EXPECT_ERR(err, call)	EXPECT_EQ(-(err), call)

/* The bits of an enable word become what they should be, at once or a little later. */
#define BECOMES(want, value)	uev_wait_for(UEV_READ(value) == (want))
#define ASSERT_BECOMES(want, value)					\
	ASSERT_TRUE(BECOMES(want, value))				\
		TH_LOG(#value " stays 0x%llx",				\
		       (unsigned long long)UEV_READ(value))

/* Switch EVENT_NAME, which bit 0 of the fixture's enable word shows to be done */
#define SWITCH(on) do {							\
	ASSERT_OK(uev_enable(EVENT_NAME, on));				\
	ASSERT_BECOMES(!!(on), *self->value);				\
} while (0)

FIXTURE(uev) {
	int fd;
	__u32 *value;	/* first of a page of zeroes */
	void *page;
};

FIXTURE_SETUP(uev)
{
	uev_reset();
	self->fd = uev_open();
	ASSERT_LE(0, self->fd)
		TH_LOG("no " UEV_DATA ": needs CONFIG_USER_EVENTS and tracefs");
	self->page = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->page);
	self->value = self->page;
	*self->value = 0;
}

FIXTURE_TEARDOWN(uev)
{
	if (self->page && self->page != MAP_FAILED)
		munmap(self->page, uev_page_size());
	close(self->fd);
	uev_reset();
}

#endif /* UEV_HARNESS_H */
