"""cases: reads and runs the case files of test/caldav/cases: requests and what must come back.

A file is one case. Its first lines, with "#", say what it proves. Then, as often as wanted:

    >>> PROPFIND /dav/principals/{a}/ {a}       method, path, who asks ("-": nobody)
    Depth: 0                                    headers

    <D:propfind>...</D:propfind>                after an empty line the body; prefixes D, C, CS and A are declared
    <<< 207                                     the status; then what else must be true, a line each:

    DAV: regex            that header, found in it;  !DAV: it is not there
    has text              in the body;  hasnt text;  match regex (folded lines are joined)
    error D:name          a DAV:error with that precondition
    count 2               so many DAV:response elements
    href /path/           one is of that;  nohref /path/;  status /path/ 404 (of the response as a whole)
    200 /path/ D:name     a property with that status; behind it may stand: = text | has D:element | hasnt D:element | href /path/
    let x = ETag          from here on {x} is that header;  let x = /path/ D:name: that property's text

    let x = member /path/                       the first href below it

{a}, {b} and {c} are accounts that only this case uses. {g} is a group that has, through another group, {b}; {alias} is
an alias of {a}; both are made where the file names them. An iCalendar body gets its CR LF.
"""
import base64, http.client, re, subprocess, xml.etree.ElementTree as ET

import server as servers

PREFIXES = {"D": "DAV:", "C": "urn:ietf:params:xml:ns:caldav", "CS": "http://calendarserver.org/ns/",
            "A": "http://apple.com/ns/ical/", "X": "urn:example"}
DECLARED = "".join(f' xmlns:{p}="{uri}"' for p, uri in PREFIXES.items())


class Failed(AssertionError):
    pass


def name_of(text):
    prefix, name = text.split(":", 1)
    return f"{{{PREFIXES[prefix]}}}{name}"


class Step:
    def __init__(self, line, words):
        self.line, self.words = line, words
        self.headers, self.body, self.checks = [], [], []
        self.status = None


def read(path):
    """The steps of a case file."""
    steps, part = [], None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("#") and part in (None, "checks"):
            continue
        if line.startswith(">>> "):
            steps.append(Step(number, line[4:].split(" ")))
            part = "headers"
        elif line.startswith("<<< "):
            steps[-1].status = line[4:].strip()
            part = "checks"
        elif part == "headers" and line == "":
            part = "body"
        elif part == "headers":
            steps[-1].headers.append(line)
        elif part == "body":
            steps[-1].body.append(line)
        elif part == "checks" and line.strip():
            steps[-1].checks.append((number, line.strip()))
        elif line.strip():
            raise ValueError(f"{path}:{number}: belongs nowhere")
    assert steps and all(s.status for s in steps), f"{path}: a step without a status"
    return steps


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.bytes = response.read()
        self.text = self.bytes.decode("utf-8", "replace")

    def xml(self):
        return ET.fromstring(self.bytes)

    def responses(self):
        found = {}
        for response in self.xml().findall("{DAV:}response"):
            for href in response.findall("{DAV:}href"):
                found[href.text] = response
        return found

    def property(self, href, name):
        """Its element and status."""
        response = self.responses().get(href)
        if response is None:
            raise Failed(f"no response for {href}")
        for propstat in response.findall("{DAV:}propstat"):
            element = propstat.find("{DAV:}prop/" + name)
            if element is not None:
                return element, propstat.find("{DAV:}status").text.split()[1]
        raise Failed(f"{href} has no {name}")


class Runner:
    def __init__(self, server, people, password):
        self.server, self.password = server, password
        self.values = dict(zip("abc", people))
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port("http"), timeout=60)

    def fill(self, text):
        return re.sub(r"\{(\w+)\}", lambda m: self.values.get(m[1], m[0]), text)

    def request(self, step):
        method, path, who = (self.fill(w) for w in step.words)
        headers = dict(self.fill(h).split(": ", 1) for h in step.headers)
        if who != "-" and "Authorization" not in headers:
            credentials = who if ":" in who else f"{who}:{self.password}"
            headers["Authorization"] = "Basic " + base64.b64encode(credentials.encode()).decode()
        body = self.fill("\n".join(step.body).strip("\n"))
        if body.startswith("<") and "xmlns" not in body:
            body = re.sub(r"^(<[\w:-]+)", r"\1" + DECLARED.replace("\\", r"\\"), body)
            headers.setdefault("Content-Type", "application/xml")
        if "BEGIN:VCALENDAR" in body[:20]:
            body = body.replace("\n", "\r\n") + "\r\n"
            headers.setdefault("Content-Type", "text/calendar; charset=utf-8")
        self.connection.request(method, path, body.encode() if body else None, headers)
        return Answer(self.connection.getresponse())

    def posthorse(self, *args, **more):
        subprocess.run([servers.BINARY, *args], check=True, text=True, timeout=60, stdout=subprocess.DEVNULL, **more)

    def prepare(self, text):
        """The group and the alias that the case asks for."""
        a, b, dir = self.values["a"], self.values["b"], str(self.server.dir)
        if "{g}" in text:
            self.values["g"] = f"crew-{a}"
            self.posthorse("directory", "import", "--dir", dir, "-",
                           input=f"[group crew-{a}]\nmember = inner-{a}\n[group inner-{a}]\nmember = {b}\n")
        if "{alias}" in text:
            self.values["alias"] = f"alias-{a}"
            self.posthorse("account", "set", "--dir", dir, a, "--alias", f"alias-{a}")

    def check(self, answer, line):
        word, _, rest = line.partition(" ")
        if word == "let":
            self.let(answer, rest)
        elif re.fullmatch(r"!?[\w-]+:", word):
            self.header(answer, word.rstrip(":"), rest)
        elif word.isdigit():
            self.property(answer, word, *rest.split(" ", 2))
        else:
            getattr(self, "check_" + word)(answer, rest)

    def header(self, answer, name, regex):
        value = ", ".join(answer.headers.get_all(name.lstrip("!"), []))
        if name.startswith("!"):
            if value:
                raise Failed(f"there is a header {name[1:]}: {value}")
        elif not re.search(regex, value):
            raise Failed(f"{name}: {value!r}")

    def property(self, answer, status, href, name, rest=""):
        element, got = answer.property(href, name_of(name))
        if got != status:
            raise Failed(f"{name} has status {got}")
        word, _, want = rest.partition(" ")
        names = {e.tag for e in element.iter()} - {element.tag}
        if word == "=" and (element.text or "").replace("\r\n", "\n") != want.replace("\\n", "\n"):
            raise Failed(f"{name} is {element.text!r}")
        if word == "has" and name_of(want) not in names:
            raise Failed(f"{name} has {sorted(names)}")
        if word == "hasnt" and name_of(want) in names:
            raise Failed(f"{name} has {want}")
        if word == "href" and want not in [e.text for e in element.iter("{DAV:}href")]:
            raise Failed(f"{name} has {[e.text for e in element.iter('{DAV:}href')]}")

    def let(self, answer, rest):
        variable, source = rest.split(" = ", 1)
        if source.startswith("/"):
            href, name = source.split(" ")
            self.values[variable] = answer.property(href, name_of(name))[0].text
        elif source.startswith("member "):
            below = [h for h in answer.responses() if h.startswith(source[7:]) and h != source[7:]]
            self.values[variable] = below[0] if below else None
        elif source.startswith("sync-token"):
            self.values[variable] = answer.xml().find("{DAV:}sync-token").text
        else:
            self.values[variable] = answer.headers[source]
        if self.values[variable] is None:
            raise Failed(f"there is no {source}")

    def check_has(self, answer, text):
        if text not in answer.text.replace("\r\n", "\n"):
            raise Failed(f"no {text!r} in the body")

    def check_hasnt(self, answer, text):
        if text in answer.text.replace("\r\n", "\n"):
            raise Failed(f"{text!r} is in the body")

    def check_match(self, answer, regex):
        text = answer.text.replace("&#13;", "").replace("\r\n", "\n").replace("\n ", "")
        if not re.search(regex, text, re.S):
            raise Failed(f"the body does not match {regex}")

    def check_error(self, answer, name):
        error = answer.xml()
        if error.tag != "{DAV:}error" or error.find(name_of(name)) is None:
            raise Failed(f"the body is no DAV:error with {name}")

    def check_count(self, answer, count):
        got = len(answer.xml().findall("{DAV:}response"))
        if got != int(count):
            raise Failed(f"there are {got} responses")

    def check_href(self, answer, href):
        if href not in answer.responses():
            raise Failed(f"responses are for {sorted(answer.responses())}")

    def check_nohref(self, answer, href):
        if href in answer.responses():
            raise Failed(f"there is a response for {href}")

    def check_status(self, answer, rest):
        href, status = rest.split(" ")
        self.check_href(answer, href)
        element = answer.responses()[href].find("{DAV:}status")
        if element is None or element.text.split()[1] != status:
            raise Failed(f"the status of {href} is {element is not None and element.text}")

    def run(self, path):
        self.prepare(path.read_text())
        for step in read(path):
            answer = self.request(step)
            if str(answer.status) != step.status:
                raise Failed(f"{path}:{step.line}: status {answer.status}\n{answer.headers}\n{answer.text[:3000]}")
            for number, line in step.checks:
                try:
                    self.check(answer, self.fill(line))
                except (Failed, ET.ParseError) as why:
                    raise Failed(f"{path}:{number}: {line}: {why}\n{answer.headers}\n{answer.text[:3000]}") from None
        self.connection.close()
