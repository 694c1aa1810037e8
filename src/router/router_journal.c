#include "router/router_journal.h"

#include "base/buf.h"
#include "base/mem.h"
#include "log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CLEAR_BYTES \
    (64 * KIB) /* a journal that everything of is stored is cleared from here on \
                */

struct router_journal {
    pthread_mutex_t lock;
    int fd;
    size_t pending; /* noted and not stored */
    uint64_t bytes;
};

/* A record that a kill cut short, or that is none, does not pass. */
static uint64_t check_of(const struct router_journal_entry *entry)
{
    uint64_t mix = UINT64_C(0x9e3779b97f4a7c15);

    mix = (mix ^ (uint64_t)entry->envelope_id) * UINT64_C(0xbf58476d1ce4e5b9);
    mix = (mix ^ (mix >> 31) ^ (uint64_t)entry->rcpt_no) * UINT64_C(0x94d049bb133111eb);
    return (mix ^ (mix >> 29) ^ entry->relayed) * UINT64_C(0xbf58476d1ce4e5b9);
}

enum st router_journal_open(const char *data_dir, struct buf *why,
                            struct router_journal **journal_r)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/queue.journal", data_dir);
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
        buf_putf(why, "%s cannot be opened: %s", path, strerror(errno));
        return ST_IO;
    }
    *journal_r = mem_new(struct router_journal);
    pthread_mutex_init(&(*journal_r)->lock, NULL);
    (*journal_r)->fd = fd;
    return ST_OK;
}

void router_journal_close(struct router_journal **journal)
{
    if (*journal == NULL)
        return;
    close((*journal)->fd);
    pthread_mutex_destroy(&(*journal)->lock);
    mem_free(*journal);
    *journal = NULL;
}

enum st router_journal_each(struct router_journal *journal, router_journal_fn *fn, void *ctx)
{
    struct router_journal_entry entry;
    enum st st = ST_OK;
    off_t at = 0;

    for (; st == ST_OK && pread(journal->fd, &entry, sizeof(entry), at) == sizeof(entry);
         at += (off_t)sizeof(entry))
        if (entry.check == check_of(&entry))
            st = fn(ctx, &entry);
    journal->bytes = (uint64_t)at;
    return st;
}

static void trouble(const char *what)
{
    log_event(EV_QUEUE_TROUBLE, 0, LOG_C("what", what), LOG_C("why", strerror(errno)));
}

void router_journal_clear(struct router_journal *journal)
{
    if (ftruncate(journal->fd, 0) != 0)
        trouble("journal cannot be cleared");
    journal->bytes = 0;
}

void router_journal_note(struct router_journal *journal, struct router_journal_entry *list,
                         size_t count)
{
    size_t bytes = count * sizeof(list[0]);

    for (size_t i = 0; i < count; i++)
        list[i].check = check_of(&list[i]);
    pthread_mutex_lock(&journal->lock);
    journal->pending += count;
    if (write(journal->fd, list, bytes) != (ssize_t)bytes)
        trouble("journal cannot be written");
    else
        journal->bytes += bytes;
    pthread_mutex_unlock(&journal->lock);
}

void router_journal_stored(struct router_journal *journal, size_t count)
{
    pthread_mutex_lock(&journal->lock);
    journal->pending -= count;
    if (journal->pending == 0 && journal->bytes >= CLEAR_BYTES)
        router_journal_clear(journal);
    pthread_mutex_unlock(&journal->lock);
}
