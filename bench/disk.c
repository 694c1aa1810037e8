/* disk: how many equal records a second the disk takes durably from N writers, when one committer
 * writes whatever waits in one go and calls fdatasync() once for all. It is the most that a mail
 * store can hope for. Prints one JSON object; its file is gone afterwards.
 *
 *     disk DIR [--writers N] [--size BYTES] [--seconds N] */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/slice.h"

static const char file_name[] = "disk.bench";

enum { WRITERS_MAX = 1000, STACK_BYTES = 64 * 1024 };

struct disk {
    uint64_t writers;
    uint64_t size;
    uint64_t seconds;
    int fd;
    double begun;
    double end;
    pthread_mutex_t lock;
    pthread_cond_t waiting; /* there is something to write, or all is over */
    pthread_cond_t written; /* done has grown */
    char *fill;             /* records are gathered here, */
    char *spare;            /* while these are being written */
    uint64_t fill_count;
    uint64_t handed; /* records handed over so far */
    uint64_t done;   /* of these, durable */
    uint64_t syncs;
    uint64_t running; /* writers */
};

static _Noreturn void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "disk: %s: %s\n", what, why);
    exit(2);
}

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void write_whole(int fd, const char *ptr, size_t len)
{
    while (len > 0) {
        ssize_t done = write(fd, ptr, len);

        if (done < 0)
            die("write", strerror(errno));
        ptr += done;
        len -= (size_t)done;
    }
}

/* Hands over one record at a time and waits until it is durable, as a mail session does. */
static void *writer(void *arg)
{
    struct disk *disk = arg;
    char *record = mem_alloc(disk->size);

    memset(record, 'r', disk->size);
    (void)pthread_mutex_lock(&disk->lock);
    while (now() < disk->end) {
        uint64_t mine;

        memcpy(disk->fill + disk->fill_count++ * disk->size, record, disk->size);
        mine = ++disk->handed;
        (void)pthread_cond_signal(&disk->waiting);
        while (disk->done < mine)
            (void)pthread_cond_wait(&disk->written, &disk->lock);
    }
    disk->running--;
    (void)pthread_cond_signal(&disk->waiting);
    (void)pthread_mutex_unlock(&disk->lock);
    mem_free(record);
    return NULL;
}

static void commit(struct disk *disk)
{
    char *full = disk->fill;
    uint64_t count = disk->fill_count;
    uint64_t upto = disk->handed;

    disk->fill = disk->spare;
    disk->spare = full;
    disk->fill_count = 0;
    (void)pthread_mutex_unlock(&disk->lock);
    write_whole(disk->fd, full, count * disk->size);
    if (fdatasync(disk->fd) < 0)
        die("fdatasync", strerror(errno));
    (void)pthread_mutex_lock(&disk->lock);
    disk->done = upto;
    disk->syncs++;
    (void)pthread_cond_broadcast(&disk->written);
}

static void run(struct disk *disk)
{
    pthread_t thread[WRITERS_MAX];
    pthread_attr_t attr;

    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    disk->running = disk->writers;
    disk->begun = now();
    disk->end = disk->begun + (double)disk->seconds;
    for (uint64_t i = 0; i < disk->writers; i++) {
        if (pthread_create(&thread[i], &attr, writer, disk) != 0)
            die("pthread_create", "no thread");
    }
    (void)pthread_mutex_lock(&disk->lock);
    while (disk->running > 0) {
        if (disk->fill_count > 0)
            commit(disk);
        else
            (void)pthread_cond_wait(&disk->waiting, &disk->lock);
    }
    (void)pthread_mutex_unlock(&disk->lock);
    for (uint64_t i = 0; i < disk->writers; i++)
        (void)pthread_join(thread[i], NULL);
    (void)pthread_attr_destroy(&attr);
}

static uint64_t number(const char *name, const char *arg, uint64_t max)
{
    uint64_t value;

    if (slice_to_u64(slice_str(arg), &value) != ST_OK || value == 0 || value > max)
        die(name, "out of range");
    return value;
}

/* The folder, with the numbers set as asked. */
static const char *options_read(struct disk *disk, int argc, char **argv)
{
    static const struct option options[] = {
        {"writers", required_argument, NULL, 'w'},
        {"size", required_argument, NULL, 's'},
        {"seconds", required_argument, NULL, 't'},
        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'w')
            disk->writers = number("writers", optarg, WRITERS_MAX);
        else if (option == 's')
            disk->size = number("size", optarg, MIB);
        else if (option == 't')
            disk->seconds = number("seconds", optarg, 3600);
        else
            exit(2);
    }
    if (optind + 1 != argc)
        die("usage", "disk DIR [--writers N] [--size BYTES] [--seconds N]");
    return argv[optind];
}

int main(int argc, char **argv)
{
    struct disk disk = {.writers = 1, .size = 10240, .seconds = 3};
    const char *dir = options_read(&disk, argc, argv);
    double secs;

    if (chdir(dir) < 0)
        die(dir, strerror(errno));
    disk.fd = open(file_name, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (disk.fd < 0)
        die(file_name, strerror(errno));
    (void)pthread_mutex_init(&disk.lock, NULL);
    (void)pthread_cond_init(&disk.waiting, NULL);
    (void)pthread_cond_init(&disk.written, NULL);
    disk.fill = mem_alloc(disk.writers * disk.size);
    disk.spare = mem_alloc(disk.writers * disk.size);
    run(&disk);
    secs = now() - disk.begun;
    (void)printf("{\"writers\": %" PRIu64 ", \"size\": %" PRIu64
                 ", \"seconds\": %.3f"
                 ", \"rate\": %.1f, \"syncs\": %.1f}\n",
                 disk.writers, disk.size, secs, (double)disk.done / secs,
                 (double)disk.syncs / secs);
    mem_free(disk.fill);
    mem_free(disk.spare);
    (void)close(disk.fd);
    (void)unlink(file_name);
    return 0;
}
