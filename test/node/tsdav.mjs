// tsdav: a calendar client that knows a server's origin only. tsdav.mjs SCENARIO ORIGIN USER [OTHER USER]
// A scenario ends with "ok", or with what was not as it should be.
import assert from "node:assert/strict";
import { need } from "./clients.mjs";

const { DAVClient } = need("tsdav");
const [scenario, origin, user, other] = process.argv.slice(2);
const day = new Date(Date.now() + 3 * 86400e3).toISOString().slice(0, 10);
const stamp = (hour) => `${day.replaceAll("-", "")}T${String(hour).padStart(2, "0")}0000Z`;
const range = { start: `${day}T00:00:00Z`, end: `${day}T23:59:59Z` };

const event = (uid, summary, hour = 10, more = "") => [
  "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", "BEGIN:VEVENT", `UID:${uid}`, "DTSTAMP:20260101T000000Z",
  `DTSTART:${stamp(hour)}`, "DURATION:PT1H", `SUMMARY:${summary}`, ...(more ? [more] : []), "END:VEVENT", "END:VCALENDAR", ""].join("\r\n");

async function login(as = user, password = "horse") {
  const client = new DAVClient({
    serverUrl: origin, credentials: { username: as, password }, authMethod: "Basic", defaultAccountType: "caldav",
  });
  await client.login();
  return client;
}

async function calendarOf(client, name = "Calendar") {
  const calendar = (await client.fetchCalendars()).find(({ displayName }) => displayName === name);
  assert(calendar, `no calendar ${name}`);
  return calendar;
}

async function made(client, calendar, uid, summary, ...more) {
  const response = await client.createCalendarObject({ calendar, filename: `${uid}.ics`, iCalString: event(uid, summary, ...more) });
  assert.equal(response.status, 201);
  assert.match(response.headers.get("etag"), /^"/);
}

/** As it was written: a parser of XML makes one LF of CR LF (XML 1.0 section 2.11), and tsdav leaves out the last. */
const text = ({ data }) => `${data.replaceAll(/\r?\n/g, "\r\n")}\r\n`;
const summaries = (objects) => objects.map(({ data }) => /^SUMMARY:(.*?)\r?$/m.exec(data)[1]).sort();
const events = async (client, calendar) => summaries(await client.fetchCalendarObjects({ calendar }));

/** The calendar as tsdav's sync wants it: with what is known of it. */
const followed = async (client) => {
  const calendar = await calendarOf(client);
  return { ...calendar, objects: await client.fetchCalendarObjects({ calendar }), objectMultiGet: (p) => client.calendarMultiGet(p) };
};

const scenarios = {
  async discovers() {
    const client = await login();
    assert.equal(client.account.rootUrl, `${origin}/dav/`);
    assert.equal(client.account.principalUrl, `${origin}/dav/principals/${user}/`);
    assert.equal(client.account.homeUrl, `${origin}/dav/calendars/${user}/`);
    const calendar = await calendarOf(client);
    assert(calendar.reports.includes("syncCollection") && calendar.components.includes("VEVENT") && calendar.syncToken && calendar.ctag);
    assert((await client.fetchCalendarUserAddresses()).includes(`mailto:${user}@example.test`));
    await assert.rejects(login(user, "wrong"), /Invalid credentials/);
  },

  async makes_a_calendar() {
    const client = await login();
    const before = await client.fetchCalendars();
    const [answer] = await client.makeCalendar({ url: `${client.account.homeUrl}project/`, props: {
      "d:displayname": "Prøject & more", "ca:calendar-color": "#aabbccff", "c:calendar-description": "all of it" } });
    assert(answer.ok, JSON.stringify(answer));
    const { created, deleted } = await client.syncCalendars({ oldCalendars: before, detailedResult: true });
    assert.deepEqual([created.map(({ displayName, calendarColor, description }) => [displayName, calendarColor, description]), deleted],
      [[["Prøject & more", "#aabbccff", "all of it"]], []]);
    assert((await client.deleteObject({ url: created[0].url })).ok);
    assert.equal((await client.fetchCalendars()).length, before.length);
  },

  async changes() {
    const client = await login();
    const calendar = await calendarOf(client);
    await made(client, calendar, "one", "One");
    await made(client, calendar, "weekly", "Weekly", 12, "RRULE:FREQ=WEEKLY;COUNT=3");
    const twice = await client.createCalendarObject({ calendar, filename: "one.ics", iCalString: event("one", "Other") });
    assert.equal(twice.status, 412); // If-None-Match: *
    const [one] = await client.fetchCalendarObjects({ calendar, objectUrls: [`${calendar.url}one.ics`] });
    assert.equal(text(one), event("one", "One"));
    assert.equal((await client.updateCalendarObject({ calendarObject: { ...one, data: event("one", "Changed") } })).status, 204);
    assert.deepEqual(await events(client, calendar), ["Changed", "Weekly"]);
    assert.equal((await client.deleteCalendarObject({ calendarObject: one })).status, 412);
    const [now] = await client.fetchCalendarObjects({ calendar, objectUrls: [one.url] });
    assert.notEqual(now.etag, one.etag);
    assert.equal((await client.deleteCalendarObject({ calendarObject: now })).status, 204);
    assert.deepEqual(await events(client, calendar), ["Weekly"]);
    const later = new Date(Date.parse(range.start) + 7 * 86400e3).toISOString();
    const until = new Date(Date.parse(range.end) + 7 * 86400e3).toISOString();
    const found = await client.fetchCalendarObjects({ calendar, timeRange: { start: later, end: until }, expand: true });
    assert.match(found[0].data, new RegExp(`RECURRENCE-ID:${later.slice(0, 10).replaceAll("-", "")}T120000Z`));
    assert.equal(found.length, 1);
    const never = { start: "2020-01-01T00:00:00Z", end: "2020-02-01T00:00:00Z" };
    assert.deepEqual(await client.fetchCalendarObjects({ calendar, timeRange: never }), []);
    // what is none is refused with the precondition that it breaks
    const bad = await client.createCalendarObject({ calendar, filename: "bad.ics", iCalString: "no calendar" });
    assert.equal(bad.status, 403);
    assert.match(await bad.text(), /valid-calendar-data/);
  },

  async syncs() {
    const mine = await login(), theirs = await login();
    const calendar = await calendarOf(theirs);
    for (const name of ["stays", "changes", "goes"])
      await made(theirs, calendar, name, name);
    let known = await followed(mine);
    const nothing = await mine.smartCollectionSyncDetailed({ collection: known });
    assert.deepEqual(nothing.objects, { created: [], updated: [], deleted: [] });
    const named = (list) => list.map(({ url }) => url.slice(calendar.url.length));
    const [changing] = known.objects.filter(({ url }) => url.endsWith("changes.ics"));
    await theirs.updateCalendarObject({ calendarObject: { ...changing, data: event("changes", "changed") } });
    await theirs.deleteObject({ url: `${calendar.url}goes.ics` });
    await made(theirs, calendar, "comes", "comes");
    const { objects, syncToken } = await mine.smartCollectionSyncDetailed({ collection: known });
    assert.deepEqual([named(objects.created), named(objects.updated), named(objects.deleted)], [["comes.ics"], ["changes.ics"], ["goes.ics"]]);
    assert.notEqual(syncToken, known.syncToken);
    known = await mine.smartCollectionSync({ collection: known });
    assert.deepEqual(summaries(known.objects), ["changed", "comes", "stays"]);
    assert.deepEqual(summaries(known.objects), await events(mine, calendar));
    const again = await mine.smartCollectionSyncDetailed({ collection: known });
    assert.deepEqual([again.objects, again.syncToken], [{ created: [], updated: [], deleted: [] }, known.syncToken]);
    // by getctag, for servers that have no sync-collection
    const fetchObjects = ({ collection }) => mine.fetchCalendarObjects({ calendar: collection });
    const old = { ...known, ctag: calendar.ctag, fetchObjects, objects: [] };
    const basic = await mine.smartCollectionSync({ collection: old, method: "basic" });
    assert.deepEqual(summaries(basic.objects), ["changed", "comes", "stays"]);
    const same = await mine.smartCollectionSync({ collection: basic, method: "basic" });
    assert.equal(same, basic);
    await assert.rejects(mine.smartCollectionSync({ collection: { ...known, syncToken: "http://no.test/token" } }), /403/);
  },

  async frees() {
    const client = await login();
    const calendar = await calendarOf(client);
    await made(client, calendar, "busy", "Secret", 9);
    await made(client, calendar, "free", "Free", 14, "TRANSP:TRANSPARENT");
    const { raw, ok, status } = await client.freeBusyQuery({ url: calendar.url, timeRange: range });
    assert(ok && status === 200);
    assert.deepEqual(raw.match(/^FREEBUSY.*$/gm).map((line) => line.trim()), [`FREEBUSY;FBTYPE=BUSY:${stamp(9)}/${stamp(10)}`]);
    assert.doesNotMatch(raw, /Secret/);
    const stranger = await login(other);
    await assert.rejects(stranger.freeBusyQuery({ url: calendar.url, timeRange: range }), /403 .*need-privileges/s);
  },

  /** Two of them change one event: the later one is refused, reads, and writes again what it meant. */
  async conflicts() {
    const [one, two] = [await login(), await login()];
    const calendar = await calendarOf(one);
    await made(one, calendar, "both", "Both");
    const [mine, theirs] = [await followed(one), await followed(two)];
    const [ours] = mine.objects, [yours] = theirs.objects;
    assert.equal((await one.updateCalendarObject({ calendarObject: { ...ours, data: event("both", "Both at 11", 11) } })).status, 204);
    const late = await two.updateCalendarObject({ calendarObject: { ...yours, data: event("both", "Both renamed") } });
    assert.equal(late.status, 412);
    const synced = await two.smartCollectionSync({ collection: theirs });
    assert.deepEqual(summaries(synced.objects), ["Both at 11"]);
    assert.notEqual(synced.objects[0].etag, yours.etag);
    const merged = synced.objects[0].data.replace("Both at 11", "Both renamed at 11");
    assert.equal((await two.updateCalendarObject({ calendarObject: { ...synced.objects[0], data: merged } })).status, 204);
    const end = await one.smartCollectionSync({ collection: mine });
    assert.deepEqual(end.objects.map(text), [event("both", "Both renamed at 11", 11)]);
    // one deletes what the other changes
    assert.equal((await one.deleteCalendarObject({ calendarObject: end.objects[0] })).status, 204);
    const gone = await two.updateCalendarObject({ calendarObject: { ...synced.objects[0], data: merged } });
    assert.equal(gone.status, 412);
    assert.deepEqual(await events(two, calendar), []);
  },
};

await scenarios[scenario]();
console.log("ok");
