#include "ctl/ctl_progress.h"

#include "base/buf.h"
#include "ctl/ctl_table.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <unistd.h>

#define TELL_EVERY_MS 200
#define LINE_BYTES_MAX 200

void ctl_progress_begin(struct ctl_progress *progress, const char *unit, uint64_t total_bytes)
{
    *progress = (struct ctl_progress){.unit = unit,
                                      .total_bytes = total_bytes,
                                      .begun_ms = sys_mono_ms(),
                                      .terminal = isatty(STDERR_FILENO) == 1};
}

/* Of work that has no bytes. */
static void write_counts(const struct ctl_progress *progress, uint64_t passed_ms, struct buf *out)
{
    char room[CTL_QUANTITY_BYTES];
    uint64_t rate = passed_ms == 0 ? 0 : progress->count * SEC_MS / passed_ms;

    buf_putf(out, "%s", ctl_table_number(room, progress->count));
    if (progress->total_count > 0)
        buf_putf(out, " of %s", ctl_table_number(room, progress->total_count));
    buf_putf(out, " %s, ", progress->unit);
    buf_putf(out, "%s a second", ctl_table_number(room, rate));
    if (progress->total_count > progress->count && rate > 0)
        buf_putf(
            out, ", %s left",
            ctl_table_duration(room, (progress->total_count - progress->count) * SEC_MS / rate));
}

void ctl_progress_write(const struct ctl_progress *progress, uint64_t passed_ms, struct buf *out)
{
    char room[CTL_QUANTITY_BYTES];
    uint64_t rate = passed_ms == 0 ? 0 : progress->bytes * SEC_MS / passed_ms;

    if (progress->bytes == 0 && progress->total_bytes == 0) {
        write_counts(progress, passed_ms, out);
        return;
    }
    buf_putf(out, "%s %s, ", ctl_table_number(room, progress->count), progress->unit);
    buf_putf(out, "%s", ctl_table_size(room, progress->bytes));
    if (progress->total_bytes > 0)
        buf_putf(out, " of %s", ctl_table_size(room, progress->total_bytes));
    buf_putf(out, ", %s a second", ctl_table_size(room, rate));
    if (progress->total_bytes > progress->bytes && rate > 0)
        buf_putf(
            out, ", %s left",
            ctl_table_duration(room, (progress->total_bytes - progress->bytes) * SEC_MS / rate));
}

void ctl_progress_step(struct ctl_progress *progress, uint64_t count, uint64_t bytes)
{
    uint64_t now_ms = progress->terminal ? sys_mono_ms() : 0;

    progress->count += count;
    progress->bytes += bytes;
    if (!progress->terminal || now_ms - progress->told_ms < TELL_EVERY_MS)
        return;
    AUTO(buf) struct buf line = BUF(LINE_BYTES_MAX);
    progress->told_ms = now_ms;
    ctl_progress_write(progress, now_ms - progress->begun_ms, &line);
    fprintf(stderr, "\r%s\033[K", line.ptr);
}

void ctl_progress_end(struct ctl_progress *progress)
{
    if (progress->terminal && progress->told_ms != 0)
        fputs("\r\033[K", stderr);
}
