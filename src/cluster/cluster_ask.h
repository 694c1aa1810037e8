/* cluster_ask.h: questions from server to server, and their answers. What is in them is the
 * caller's business: at most CLUSTER_BODY_BYTES_MAX each.
 *
 * A question travels on a connection of its own to the other's cluster port, with the domain's
 * certificates; idle connections are kept for the next questions. */
#pragma once
#include "base/base.h"

struct buf;
struct cluster;

/* An answer, as soon as it is there; on the thread that asks. Lives during the call. Other than
 * ST_OK: no more are wanted. */
typedef enum st cluster_answer_fn(void *ctx, struct slice answer);

/* Asks the server of this name; any thread; blocks until the last answer, at most until
 * sys_mono_ms() reaches deadline_ms (no more than CLUSTER_ASK_MS_MAX from now count). ST_OK: the
 * other said that there are no more answers. Otherwise why gets a phrase, and answers may have come
 * nevertheless:
 *   ST_IO         it was not reached, fell silent, or the connection broke (or this server stops)
 *   ST_AGAIN      it was reached and cannot answer (all of it): it is busy, or failed
 *   ST_INVALID    it talks garbage
 *   ST_DENIED     it refuses, or shows no certificate that will do
 *   ST_NOT_FOUND  no server of this name has a cluster port
 *   ST_TOO_BIG    cluster_questions_max are out to it, or the question is over the limit; not sent
 *   others        what fn returned */
MUST_USE enum st cluster_ask(struct cluster *cluster, struct slice server, struct slice question,
                             uint64_t deadline_ms, cluster_answer_fn *fn, void *ctx,
                             struct buf *why);
/* The server ends: questions that are out end at once with ST_IO, and so does each later one. Does
 * not wait. NULL is fine. */
void cluster_hurry(struct cluster *cluster);

/* --- a question that came --- */

struct cluster_asked;
struct slice cluster_asked_question(const struct cluster_asked *asked);
/* Who asks, as its certificate says. */
const char *cluster_asked_server(const struct cluster_asked *asked);
uint64_t cluster_asked_deadline_ms(const struct cluster_asked *asked); /* of sys_mono_ms() here */
/* Sends an answer at once, on the session's thread; a slow reader is waited for until the deadline.
 * ST_TOO_BIG: over the limit, not sent. ST_IO: nobody waits for it any more. */
MUST_USE enum st cluster_asked_answer(struct cluster_asked *asked, struct slice answer);

/* Answers a question, on its session's thread; returns ST_OK behind the last answer, or anything
 * else: the asker learns that it failed. It may block (no net_block_begin() is needed), but should
 * be done by the deadline, and soon after cluster_asked_answer() failed. */
typedef enum st cluster_asked_fn(void *ctx, struct cluster_asked *asked);
/* Before cluster_start(). fn is called by many threads at a time, cluster_questions_served_max at
 * most, until net_join() is over. */
void cluster_serve(struct cluster *cluster, cluster_asked_fn *fn, void *ctx);
