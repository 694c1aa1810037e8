/* The instances, one after the other: each piece merges its rules and dates, leaves out what is
 * excepted or overridden, and shifts; the pieces and the overrides are merged by their start. */
#include "base/slice.h"
#include "ical/ical_recur_data.h"

static void next_of_rule(struct ical_recur *recur, struct ical_rule_source *source)
{
    int64_t local_s;
    enum st st;
    bool gap;

    source->has_head = false;
    while (!source->ended) {
        if ((st = ical_rule_iter_next(&source->iter, &local_s)) != ST_OK) {
            source->ended = true;
            recur->gave_up |= st == ST_TOO_BIG;
            return;
        }
        int64_t utc_s = ical_zone_cursor_utc(&source->cursor, local_s, &gap);

        if (gap && source->iter.rule.freq < ICAL_DAILY) {
            ical_rule_iter_uncount(&source->iter, 1);
        } else if (utc_s > source->last_s) {
            source->head = (struct ical_stamp){utc_s, local_s, NULL};
            source->last_s = utc_s;
            source->has_head = true;
            return;
        }
    }
}

static const struct ical_stamp *rule_head(struct ical_recur *recur, struct ical_rule_source *source)
{
    if (!source->has_head)
        next_of_rule(recur, source);
    return source->has_head ? &source->head : NULL;
}

/* The least of all that the rules and dates have. */
static bool next_stamp(struct ical_recur *recur, struct ical_piece *piece,
                       struct ical_stamp *stamp_r)
{
    const struct ical_stamp *least = NULL;

    if (piece->dates_passed < recur->date_count)
        least = &recur->dates[piece->dates_passed];
    for (size_t i = 0; i < recur->rule_count; i++) {
        const struct ical_stamp *head = rule_head(recur, &piece->rules[i]);

        if (head != NULL && (least == NULL || head->utc_s < least->utc_s))
            least = head;
    }
    if (least == NULL)
        return false;
    *stamp_r = *least;
    while (piece->dates_passed < recur->date_count &&
           recur->dates[piece->dates_passed].utc_s == stamp_r->utc_s)
        piece->dates_passed++;
    for (size_t i = 0; i < recur->rule_count; i++)
        if (piece->rules[i].has_head && piece->rules[i].head.utc_s == stamp_r->utc_s)
            piece->rules[i].has_head = false;
    return true;
}

/* Whether the list has it; what is asked for grows from call to call. */
static bool listed(const struct ical_instants *list, size_t *passed, int64_t at)
{
    while (*passed < list->count && list->at[*passed] < at)
        *passed += 1;
    return *passed < list->count && list->at[*passed] == at;
}

static bool excepted(struct ical_recur *recur, struct ical_piece *piece,
                     const struct ical_stamp *stamp)
{
    if (listed(&recur->exdates, &piece->exdates_passed, stamp->utc_s) ||
        listed(&recur->exdays, &piece->exdays_passed, ical_day_of(stamp->local_s)) ||
        listed(&recur->overridden, &piece->overridden_passed, stamp->utc_s))
        return true;
    for (size_t i = 0; i < recur->exrule_count; i++) {
        const struct ical_stamp *head;

        while ((head = rule_head(recur, &piece->exrules[i])) != NULL && head->utc_s < stamp->utc_s)
            piece->exrules[i].has_head = false;
        if (head != NULL && head->utc_s == stamp->utc_s)
            return true;
    }
    return false;
}

static void make_instance(const struct ical_recur *recur, struct ical_piece *piece,
                          const struct ical_stamp *stamp)
{
    const struct ical_zone *floating = recur->window.floating;
    struct ical_instance *head = &piece->head;

    head->comp = piece->comp;
    head->id = recur->start;
    head->id.local_s = stamp->local_s;
    head->id_s = stamp->utc_s;
    head->start = piece->start;
    if (piece->same_clock) {
        head->start.local_s = stamp->local_s;
        head->start_s = stamp->utc_s;
    } else {
        const struct ical_zone *zone = piece->start_cursor.zone;

        head->start.local_s =
            piece->start.form == recur->start.form && piece->start.zone == recur->start.zone
                ? stamp->local_s
            : zone != NULL ? ical_zone_local(zone, stamp->utc_s)
                           : stamp->utc_s;
        head->start.local_s += piece->shift_s;
        head->start_s = ical_zone_cursor_utc(&piece->start_cursor, head->start.local_s, NULL);
    }
    if (stamp->period == NULL) {
        head->end_s = ical_length_end(&piece->length, head->start, head->start_s, floating);
    } else if (stamp->period->by_duration) {
        struct ical_length length = {.nominal = stamp->period->duration};

        head->end_s = ical_length_end(&length, head->start, head->start_s, floating);
    } else {
        head->end_s = head->start_s + ical_time_utc(stamp->period->end, floating) -
                      ical_time_utc(stamp->period->start, floating);
    }
}

static void next_of_piece(struct ical_recur *recur, struct ical_piece *piece)
{
    struct ical_stamp stamp;

    piece->has_head = false;
    while (next_stamp(recur, piece, &stamp) && stamp.utc_s < piece->high_s) {
        if (stamp.utc_s < piece->low_s || excepted(recur, piece, &stamp))
            continue;
        make_instance(recur, piece, &stamp);
        if (ical_window_touches(&recur->window, piece->head.start_s, piece->head.end_s)) {
            piece->has_head = true;
            return;
        }
    }
    piece->ended = true;
}

enum st ical_recur_next(struct ical_recur *recur, struct ical_instance *instance_r)
{
    const struct ical_instance *least = NULL;
    struct ical_piece *from = NULL;

    if (recur->given == recur->window.instances_max)
        return ST_TOO_BIG;
    if (recur->override_passed < recur->override_count)
        least = &recur->overrides[recur->override_passed];
    for (size_t i = 0; i < recur->piece_count; i++) {
        struct ical_piece *piece = &recur->pieces[i];

        if (!piece->has_head && !piece->ended)
            next_of_piece(recur, piece);
        if (piece->has_head && (least == NULL || piece->head.start_s < least->start_s)) {
            least = &piece->head;
            from = piece;
        }
    }
    if (least == NULL)
        return recur->gave_up ? ST_TOO_BIG : ST_NOT_FOUND;
    *instance_r = *least;
    if (from != NULL)
        from->has_head = false;
    else
        recur->override_passed++;
    recur->given++;
    return ST_OK;
}
