// imapflow: a mail client. imapflow.mjs sync|idle PORT USER FOLDER [UID]
// sync: INBOX into the folder: list.json (what the mailbox was, the flags of each message) and a file for each body. Where
// the connection ends it makes another and goes on with what is missing. UID: is flagged at last.
// idle: says what it hears of INBOX, a line of JSON each, until its standard input ends.
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { need, say } from "./clients.mjs";

const { ImapFlow } = need("imapflow");
const [what, port, user, folder, flagged] = process.argv.slice(2);
const BATCH = 60; // bodies a command
const listFile = `${folder}/list.json`;
const bodyFile = (uid) => `${folder}/${uid}.eml`;
const lasting = (flags) => [...flags].filter((flag) => flag !== "\\Recent").sort();

function connection(on) {
  const client = new ImapFlow({
    host: "127.0.0.1", port: Number(port), secure: false, doSTARTTLS: false, auth: { user, pass: "horse" },
    qresync: true, logger: false,
  });
  client.on("error", () => {}); // the command under way tells it, too
  for (const [name, called] of Object.entries(on))
    client.on(name, called);
  return client;
}

function write(file, data) {
  writeFileSync(`${file}.part`, data);
  renameSync(`${file}.part`, file);
}

async function open(client, list) {
  await client.connect();
  const at = list.uidValidity ? { uidValidity: BigInt(list.uidValidity), changedSince: BigInt(list.highestModseq) } : {};
  const { uidValidity, uidNext, highestModseq, exists, qresync } = await client.mailboxOpen("INBOX", at);
  const opened = { uidValidity: Number(uidValidity), uidNext, highestModseq: Number(highestModseq), exists };
  say({ opened, qresync: qresync === true });
  return opened;
}

async function synchronise(list) {
  const client = connection({
    flags: ({ uid, flags }) => { list.flags[uid] = lasting(flags); },
    expunge: ({ uid }) => { delete list.flags[uid]; rmSync(bodyFile(uid), { force: true }); },
  });
  const known = list.uidValidity;
  const opened = await open(client, list);
  if (known !== opened.uidValidity) {
    if (known)
      throw new Error(`UIDVALIDITY was ${known} and is ${opened.uidValidity}`);
    for await (const { uid, flags } of client.fetch("1:*", { uid: true, flags: true }, { uid: true }))
      list.flags[uid] = lasting(flags);
  }
  Object.assign(list, opened);
  write(listFile, JSON.stringify(list));
  const missing = Object.keys(list.flags).map(Number).filter((uid) => !existsSync(bodyFile(uid)));
  for (let at = 0; at < missing.length; at += BATCH)
    for await (const { uid, source } of client.fetch(missing.slice(at, at + BATCH).join(), { uid: true, source: true }, { uid: true }))
      write(bodyFile(uid), source);
  if (flagged)
    await client.messageFlagsAdd(flagged, ["\\Flagged"], { uid: true, unchangedSince: BigInt(list.highestModseq) });
  await client.logout();
}

async function sync() {
  const list = existsSync(listFile) ? JSON.parse(readFileSync(listFile)) : { flags: {} };
  for (let attempt = 1; ; attempt++)
    try {
      return await synchronise(list);
    } catch (why) {
      say({ ended: why.code ?? why.message });
      if (attempt === 5 || !["NoConnection", "ECONNRESET", "EConnectionClosed"].includes(why.code))
        throw why;
    }
}

async function idle() {
  let client;
  process.stdin.resume().on("end", () => process.exit(0));
  for (;;) {
    const ended = new Promise((resolve) => {
      client = connection({
        close: resolve,
        flags: ({ uid, seq, flags }) => say({ uid, seq, flags: lasting(flags) }),
        exists: async ({ count, prevCount }) => {
          const { uid, envelope } = await client.fetchOne("*", { uid: true, envelope: true });
          say({ count, prevCount, uid, subject: envelope.subject });
          client.idle();
        },
      });
    });
    await open(client, {});
    client.idle();
    await ended;
    say({ ended: true });
  }
}

await (what === "sync" ? sync() : idle());
