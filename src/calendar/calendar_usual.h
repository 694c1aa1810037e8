/* calendar_usual.h: how long a source usually takes to answer: the time within which 95 of 100
 * answers came, the latest counting most; and whether it says nothing any more. In memory; any
 * thread. Times are of sys_mono_ms(). */
#pragma once
#include "base/base.h"

#define CALENDAR_USUAL_REST_MS MIN_MS

struct calendar_usual;

/* Knows of at most so many sources; the one that was not noted for longest is forgotten. */
struct calendar_usual *calendar_usual_new(size_t sources_max);
void calendar_usual_free(struct calendar_usual **usual); /* NULL is fine */
/* source: any name, as "server mail2" or "document btex-1"; took_ms: until its answer, also one
 * that came too late to count, or until nobody waited for it any more. */
void calendar_usual_note(struct calendar_usual *usual, struct slice source, uint64_t took_ms);
/* At most an eighth too much; 0: too few answers are known. */
uint64_t calendar_usual_ms(struct calendar_usual *usual, struct slice source);

/* A question went out to it; then calendar_usual_heard() for each time it says anything, whatever
 * it is, and once calendar_usual_ended(). */
void calendar_usual_asked(struct calendar_usual *usual, struct slice source, uint64_t now_ms);
void calendar_usual_heard(struct calendar_usual *usual, struct slice source, uint64_t now_ms);
void calendar_usual_ended(struct calendar_usual *usual, struct slice source);
/* Whether nobody asked it for CALENDAR_USUAL_REST_MS, or ever. */
bool calendar_usual_rests(struct calendar_usual *usual, struct slice source, uint64_t now_ms);
/* For how long a question waits, or waited in vain, with not a word from it since then; 0: none. */
uint64_t calendar_usual_silent_ms(struct calendar_usual *usual, struct slice source,
                                  uint64_t now_ms);
