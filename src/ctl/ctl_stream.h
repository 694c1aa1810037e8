/* ctl_stream.h: answers of the admin API that are a JSON object a line, taken as they come. Inside
 * ctl/. */
#pragma once
#include "ctl/ctl_cmd.h"

/* Looks at an object, dropped afterwards. Other than ST_OK gives the rest up. */
typedef enum st ctl_stream_fn(void *ctx, json_t *object);
/* One call; query and args are consumed. An exit status, the sentence printed; EX_IOERR where the
 * server broke off, or fn gave up. */
int ctl_stream_get(struct ctl *ctl, const char *path, json_t *query, ctl_stream_fn *fn, void *ctx);
int ctl_stream_post(struct ctl *ctl, const char *path, json_t *args, ctl_stream_fn *fn, void *ctx);

/* A member's text, cleared for a terminal; "" where there is none. */
const char *ctl_json_text(struct arena *arena, const json_t *object, const char *key);
uint64_t ctl_json_number(const json_t *object, const char *key); /* 0 where there is none */
/* "2026-01-02 03:04:05", in the time zone of whoever asks. */
#define CTL_TIME_BYTES 32
const char *ctl_time(char room[CTL_TIME_BYTES], int64_t at_ms);
