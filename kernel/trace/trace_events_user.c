// SPDX-License-Identifier: GPL-2.0
/*
 * User events: user_events_data, which takes registrations and records, and
 * start-up. See trace_events_user.h for how the parts go together.
 */
#include <linux/capability.h>
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "trace_events_user.h"

/* Slots of a file's first table; each further one has twice as many */
#define TABLE_MIN	8

/**
 * struct user_events_fd - an open user_events_data
 * @group: the group that its events are in, referenced; constant
 * @table: events by index; replaced under @lock, read under RCU
 * @lock: serialises registering through this file
 * @nr: number of indexes given out; @lock
 * @indexes: index by user_event.id, so that an event registered again is found
 *	at the same cost however many there are; @lock
 */
struct user_events_fd {
	struct user_event_group		*group;
	struct user_event_table __rcu	*table;
	struct mutex			lock;	/* registering */
	unsigned int			nr;
	struct xarray			indexes;
};

static int data_open(struct inode *inode, struct file *file)
{
	struct user_event_group *group = user_event_group_open(inode);
	struct user_events_fd *fd;

	if (IS_ERR(group))
		return PTR_ERR(group);

	fd = kzalloc(sizeof(*fd), GFP_KERNEL_ACCOUNT);
	if (!fd) {
		user_event_group_put(group);
		return -ENOMEM;
	}

	fd->group = group;
	mutex_init(&fd->lock);
	xa_init_flags(&fd->indexes, XA_FLAGS_ACCOUNT);
	file->private_data = fd;

	/* No f_pos, so concurrent writers do not serialise on it */
	return stream_open(inode, file);
}

static int data_release(struct inode *inode, struct file *file)
{
	struct user_events_fd *fd = file->private_data;
	/* Nobody else has the file now */
	struct user_event_table *table = rcu_dereference_protected(fd->table, 1);
	unsigned int i;

	for (i = 0; i < fd->nr; i++) {
		user_event_life_unhold(table->slots[i]);
		user_event_registry_put(table->slots[i]);
	}
	kvfree(table);
	xa_destroy(&fd->indexes);
	mutex_destroy(&fd->lock);
	user_event_group_put(fd->group);
	kfree(fd);
	return 0;
}

static ssize_t data_write(struct file *file, const char __user *buf,
			  size_t count, loff_t *pos)
{
	struct user_events_fd *fd = file->private_data;

	return user_event_write(&fd->table, buf, count);
}

static ssize_t data_write_iter(struct kiocb *kiocb, struct iov_iter *from)
{
	struct user_events_fd *fd = kiocb->ki_filp->private_data;

	return user_event_write_iter(&fd->table, from);
}

/* Grow the table if it is full */
static int fd_reserve(struct user_events_fd *fd)
{
	struct user_event_table *old, *new;
	unsigned int size;

	old = rcu_dereference_protected(fd->table, lockdep_is_held(&fd->lock));
	if (old && fd->nr <= old->mask)
		return 0;

	size = old ? 2 * (old->mask + 1) : TABLE_MIN;
	new = kvzalloc(struct_size(new, slots, size), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	new->mask = size - 1;
	if (old)
		memcpy(new->slots, old->slots, fd->nr * sizeof(*new->slots));
	rcu_assign_pointer(fd->table, new);
	if (old)
		kvfree_rcu(old, rcu);
	return 0;
}

/* Find or reserve the index of @event; fd_publish_index() makes it usable */
static int fd_prepare_index(struct user_events_fd *fd, struct user_event *event,
			    unsigned int *index)
{
	void *entry = xa_load(&fd->indexes, event->id);
	int ret;

	if (entry) {
		*index = xa_to_value(entry);
		return 0;
	}

	ret = fd_reserve(fd);
	if (ret)
		return ret;
	*index = fd->nr;
	return xa_err(xa_store(&fd->indexes, event->id, xa_mk_value(*index),
			       GFP_KERNEL_ACCOUNT));
}

static void fd_cancel_index(struct user_events_fd *fd, struct user_event *event,
			    unsigned int index)
{
	if (index == fd->nr)
		xa_erase(&fd->indexes, event->id);
}

/* Give @index out. The caller's hold on @event passes to the file */
static void fd_publish_index(struct user_events_fd *fd,
			     struct user_event *event, unsigned int index)
{
	struct user_event_table *table;

	if (index != fd->nr) {
		user_event_life_unhold(event);
		user_event_registry_put(event);
		return;
	}

	table = rcu_dereference_protected(fd->table,
					  lockdep_is_held(&fd->lock));
	/* Pairs with the address dependency in the write path */
	smp_store_release(&table->slots[index], event);
	fd->nr++;
}

/*
 * An address that a program gave as a number, checked to be one of its own. Where
 * a program may keep a tag in its pointers, the tag is no part of the address.
 */
static int user_address(u64 number, size_t size, unsigned long *addr)
{
	*addr = number;
	if (*addr != number || !access_ok((void __user *)*addr, size))
		return -EFAULT;
	*addr = untagged_addr(*addr);
	return 0;
}

/*
 * Copy a struct whose first member is the size that the program was built with.
 * A shorter one is refused; a longer one is taken if all past @known is 0.
 */
static int copy_sized(void *to, size_t known, const u32 __user *from)
{
	u32 size;

	if (get_user(size, from))
		return -EFAULT;
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (size < known)
		return -EINVAL;
	return copy_struct_from_user(to, known, from, size);
}

/* Validate @reg, and untag enable_addr in place */
static int check_reg(struct user_reg *reg)
{
	unsigned long addr;
	int ret;

	if (reg->flags & ~(USER_EVENT_REG_MAX - 1))
		return -EINVAL;
	if (reg->enable_size != 4 &&
	    (reg->enable_size != 8 || !IS_ENABLED(CONFIG_64BIT)))
		return -EINVAL;
	if (reg->enable_bit >= reg->enable_size * BITS_PER_BYTE)
		return -EINVAL;
	if (reg->enable_addr % reg->enable_size)
		return -EINVAL;
	if ((reg->flags & USER_EVENT_REG_PERSIST) && !perfmon_capable())
		return -EPERM;

	ret = user_address(reg->enable_addr, reg->enable_size, &addr);
	reg->enable_addr = addr;
	return ret;
}

/* The event that a registration asks for, held and referenced */
static struct user_event *reg_event(struct user_event_group *group,
				    struct user_event_owner *owner,
				    const struct user_reg *reg)
{
	/* Small enough for the stack, and mostly no other copy is needed */
	char cmd[USER_EVENT_CMD_MAX];
	unsigned long addr;
	long len;

	if (user_address(reg->name_args, 1, &addr))
		return ERR_PTR(-EFAULT);
	len = strncpy_from_user(cmd, (const char __user *)addr, sizeof(cmd));
	if (len < 0)
		return ERR_PTR(len);
	if (len == sizeof(cmd))
		return ERR_PTR(-EINVAL);

	return user_event_find_or_create(group, owner, cmd, reg->flags);
}

/*
 * A step that fails undoes those before it. Registering the bit is the last
 * that can fail, as undoing it could fail too; only then is the index
 * published.
 */
static int fd_register(struct user_events_fd *fd, const struct user_reg *reg,
		       u32 __user *write_index)
{
	struct user_event_mm *umm = user_event_mm_of_current();
	struct user_event *event;
	unsigned int index;
	int ret;

	if (IS_ERR(umm))
		return PTR_ERR(umm);
	event = reg_event(fd->group, umm->owner, reg);
	if (IS_ERR(event))
		return PTR_ERR(event);

	ret = fd_prepare_index(fd, event, &index);
	if (ret)
		goto err_event;

	ret = put_user(index, write_index);
	if (ret)
		goto err_index;

	ret = user_event_register(umm, event, reg->enable_addr, reg->enable_size,
				  reg->enable_bit);
	if (ret)
		goto err_index;

	if (reg->flags & USER_EVENT_REG_PERSIST)
		user_event_life_persist(event);
	fd_publish_index(fd, event, index);
	return 0;

err_index:
	fd_cancel_index(fd, event, index);
err_event:
	user_event_owner_lock(umm->owner);
	user_event_life_unhold_now(event);
	mutex_unlock(&event_mutex);
	return ret;
}

static long ioctl_reg(struct user_events_fd *fd, void __user *arg)
{
	struct user_reg __user *ureg = arg;
	struct user_reg reg;
	int ret;

	ret = copy_sized(&reg, sizeof(reg), &ureg->size);
	if (!ret)
		ret = check_reg(&reg);
	if (ret)
		return ret;

	/* The holder may wait for a page that never comes */
	if (mutex_lock_killable(&fd->lock))
		return -EINTR;
	ret = fd_register(fd, &reg, &ureg->write_index);
	mutex_unlock(&fd->lock);
	return ret;
}

static long ioctl_unreg(void __user *arg)
{
	struct user_unreg __user *uunreg = arg;
	struct user_unreg unreg;
	unsigned long addr;
	int ret;

	ret = copy_sized(&unreg, sizeof(unreg), &uunreg->size);
	if (ret)
		return ret;
	if (unreg.__reserved || unreg.__reserved2)
		return -EINVAL;
	/* What cannot be an address is not registered either */
	if (user_address(unreg.disable_addr, 1, &addr))
		return -ENOENT;
	return user_event_unregister(addr, unreg.disable_bit);
}

static long ioctl_del(struct user_events_fd *fd, const char __user *arg)
{
	char *name = strndup_user(arg, USER_EVENT_CMD_MAX);
	struct user_event_owner *owner;
	long ret = -ENOMEM;

	if (IS_ERR(name))
		return PTR_ERR(name);

	owner = user_event_owner_of_current(NULL);
	if (owner) {
		ret = user_event_delete(fd->group, owner, name);
		user_event_owner_put(owner);
	}
	kfree(name);
	return ret;
}

static long data_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case DIAG_IOCSREG:
		return ioctl_reg(file->private_data, uarg);
	case DIAG_IOCSUNREG:
		return ioctl_unreg(uarg);
	case DIAG_IOCSDEL:
		return ioctl_del(file->private_data, uarg);
	default:
		return -ENOTTY;
	}
}

#ifdef CONFIG_COMPAT
/* The structs are the same; the ioctl numbers contain the size of a pointer */
#define COMPAT_DIAG_IOCSREG	_IOWR(DIAG_IOC_MAGIC, 0, compat_uptr_t)
#define COMPAT_DIAG_IOCSDEL	_IOW(DIAG_IOC_MAGIC, 1, compat_uptr_t)
#define COMPAT_DIAG_IOCSUNREG	_IOW(DIAG_IOC_MAGIC, 2, compat_uptr_t)

static long data_compat_ioctl(struct file *file, unsigned int cmd,
			      unsigned long arg)
{
	switch (cmd) {
	case COMPAT_DIAG_IOCSREG:
		cmd = DIAG_IOCSREG;
		break;
	case COMPAT_DIAG_IOCSDEL:
		cmd = DIAG_IOCSDEL;
		break;
	case COMPAT_DIAG_IOCSUNREG:
		cmd = DIAG_IOCSUNREG;
		break;
	default:
		return -ENOTTY;
	}
	return data_ioctl(file, cmd, (unsigned long)compat_ptr(arg));
}
#else
#define data_compat_ioctl NULL
#endif

/*
 * For a debugger, or to register the same events again after a restart. Not under
 * @lock: a registration may wait for a page.
 */
static void data_show_fdinfo(struct seq_file *seq, struct file *file)
{
	struct user_events_fd *fd = file->private_data;
	struct user_event_table *table;
	struct user_event *event;
	unsigned int i;

	rcu_read_lock();
	table = rcu_dereference(fd->table);
	for (i = 0; table && i <= table->mask; i++) {
		/* Filled in order; pairs with the release of its index */
		event = smp_load_acquire(&table->slots[i]);
		if (!event)
			break;
		seq_printf(seq, "user_event: %u %s\n", i,
			   user_event_name(event));
	}
	rcu_read_unlock();
}

/*
 * write() has a path of its own: a record in one piece is by far the most
 * common, and an iov_iter costs more than the rest of the way.
 */
static const struct file_operations data_fops = {
	.owner		= THIS_MODULE,
	.open		= data_open,
	.release	= data_release,
	.write		= data_write,
	.write_iter	= data_write_iter,
	.unlocked_ioctl	= data_ioctl,
	.compat_ioctl	= data_compat_ioctl,
	.show_fdinfo	= data_show_fdinfo,
};

/* The files of each group */
static const struct {
	const char			*name;
	umode_t				mode;
	const struct file_operations	*fops;
} files[] = {
	{ "user_events_data", TRACE_MODE_WRITE, &data_fops },
	{ "user_events_status", TRACE_MODE_READ, &user_event_status_fops },
	{ "user_events_losses", TRACE_MODE_READ, &user_event_losses_fops },
	/* Shows addresses, so only root may read it, whatever mode the others have */
	{ "user_events_enablers", 0400, &user_event_enablers_fops },
};

/**
 * user_event_create_files() - make the files of a group
 * @dir: where, NULL for the top of tracefs
 * @id: user_event_group.id
 *
 * Context: may sleep.
 * Return: whether all of them could be made.
 */
bool user_event_create_files(struct dentry *dir, unsigned long id)
{
	bool all = true;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++)
		all &= !!trace_create_file(files[i].name, files[i].mode, dir,
					   (void *)id, files[i].fops);
	return all;
}

static int __init trace_events_user_init(void)
{
	int ret;

	user_event_limit_init();
	ret = user_event_registry_init(&user_event_dyn_ops);
	if (!ret)
		ret = user_event_set_init();
	if (!ret)
		ret = user_event_mm_init(user_event_register_work);
	if (!ret)
		ret = user_event_repair_init();
	if (!ret)
		ret = user_event_call_setup();
	if (!ret)
		ret = tracing_init_dentry();
	if (ret) {
		pr_warn("user_events: not available, error %d\n", ret);
		return ret;
	}

	user_event_create_files(NULL, 0);
	return 0;
}
fs_initcall(trace_events_user_init);
